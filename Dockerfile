# One image for nodes, drills and whatever else `datchat` does. Nothing here needs BuildKit: docker-compose 1.29 builds it.
#
# Another interpreter: --build-arg PYTHON_IMAGE=python:3.11-slim. The lock file and the tests hold for 3.11 and later.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PROJECT_ENVIRONMENT=/opt/datchat
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --quiet 'uv>=0.9,<1'
WORKDIR /source
# What others wrote changes seldom: a layer of its own, made again only when the lock file changes.
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv sync --quiet --frozen --no-dev --no-install-project --compile-bytecode
COPY README.md LICENSE ./
COPY deploy/redis deploy/redis
COPY deploy/haproxy deploy/haproxy
COPY src src
# Compiled here, because the root file system is read-only where it runs.
RUN /opt/uv/bin/uv sync --quiet --frozen --no-dev --no-editable --compile-bytecode

FROM ${PYTHON_IMAGE}
ARG REVISION=
LABEL org.opencontainers.image.title="Dat Chat" \
    org.opencontainers.image.description="A distributed chat that people can use and that engineers break on purpose" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.revision="${REVISION}"
# By number, so that whoever forbids root can see that it is none (Kubernetes' runAsNonRoot).
RUN groupadd --gid 10001 datchat && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data \
    --shell /usr/sbin/nologin datchat && mkdir /data && chown 10001:10001 /data
COPY deploy/image/alive.py /opt/alive.py
COPY --from=build /opt/datchat /opt/datchat
ENV PATH=/opt/datchat/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATCHAT_HOST=0.0.0.0 DATCHAT_PORT=8080 DATCHAT_DATA=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python3", "-IS", "/opt/alive.py"]
ENTRYPOINT ["datchat"]
CMD ["serve"]
