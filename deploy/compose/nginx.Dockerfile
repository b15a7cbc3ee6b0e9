# nginx with TLS before an Icecast: deploy/nginx as it is, but for two names.
FROM debian:12

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/* \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log

COPY deploy/nginx/nginx.conf /etc/nginx/nginx.conf
COPY deploy/nginx/site.conf /usr/share/sessiond/site.conf
COPY --chmod=755 deploy/compose/nginx-start /usr/local/bin/nginx-start
ENTRYPOINT ["nginx-start"]
