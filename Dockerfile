# knockbot as a container image; docs/docker.md says how to use it, contrib/compose shows it beside a Synapse.
#
#   docker build -t knockbot .
#
# One stage builds and installs, the other receives what was installed and nothing of what that took.

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/knockbot

# What knockbot is made of changes seldom, so it has a layer of its own. Wheels only: there is no compiler here.
COPY requirements/run.lock requirements/build.lock requirements/
RUN pip --python /opt/knockbot/bin/python install --require-hashes --only-binary :all: -r requirements/run.lock \
 && pip install --require-hashes --only-binary :all: -r requirements/build.lock

# Without isolation, or pip would fetch a setuptools that no hash speaks for.
COPY pyproject.toml README.md LICENSE ./
COPY knockbot knockbot
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/knockbot/bin/python install --no-deps --no-index /wheel/*.whl


FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="knockbot" \
      org.opencontainers.image.description="Keeps the door of Matrix rooms: answers knocks by policy, and lets moderators answer the rest" \
      org.opencontainers.image.licenses="Apache-2.0"

# 991 is what Synapse's image runs as too: it can read a registration that nobody else may read.
RUN groupadd --system --gid 991 knockbot \
 && useradd --system --uid 991 --gid 991 --no-create-home --home-dir /data --shell /usr/sbin/nologin knockbot \
 && install --directory --owner=991 --group=991 --mode=0700 /data
COPY --from=build /opt/knockbot /opt/knockbot

# The environment wins over config.yaml: in a container only other containers' addresses make sense, and the health
# check and EXPOSE need to know the port.
ENV PATH=/opt/knockbot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    KNOCKBOT_APPSERVICE__HOSTNAME=0.0.0.0 \
    KNOCKBOT_APPSERVICE__PORT=29331
USER 991:991
WORKDIR /data
VOLUME /data
EXPOSE 29331

# Ready once the homeserver has called back. Not through urllib, which would ask a proxy named in the environment.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['KNOCKBOT_APPSERVICE__PORT']), timeout=4); c.request('GET', '/_matrix/mau/ready'); sys.exit(c.getresponse().status != 200)"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["knockbot"]
CMD ["run", "-c", "/data/config.yaml"]
