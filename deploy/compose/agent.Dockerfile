# A musician's or a station's agent with everything that it starts. Programs come from
# Debian's packages; sessiond's own Python packages, pinned, from deploy/install.
FROM debian:12

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        chrony \
        ffmpeg \
        icecast2 \
        iproute2 \
        jackd2 \
        jacktrip \
        liquidsoap \
        python3 \
        python3-venv \
        util-linux \
    && rm -rf /var/lib/apt/lists/*

COPY . /opt/sessiond
RUN /opt/sessiond/deploy/install \
    && install -m 755 /opt/sessiond/deploy/compose/agent-start /usr/local/bin/ \
    && useradd --system --groups audio --create-home --home-dir /var/lib/sessiond sessiond \
    && chmod 700 /var/lib/sessiond

USER sessiond
# The agent's default state folder is below this.
ENV XDG_STATE_HOME=/var/lib JACK_NO_AUDIO_RESERVATION=1
VOLUME /var/lib/sessiond
ENTRYPOINT ["agent-start"]
