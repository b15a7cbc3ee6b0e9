# An Icecast of its own: somebody's server for a session with an [icecast] table, or a
# relay. Its configuration is what `sessiond icecast-config` prints; started as root, it
# becomes the user named there.
FROM debian:12

RUN apt-get update \
    && echo "icecast2 icecast2/icecast-setup boolean false" | debconf-set-selections \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        icecast2 \
    && rm -rf /var/lib/apt/lists/*

ENTRYPOINT ["icecast2", "-c", "/etc/sessiond/icecast.xml"]
