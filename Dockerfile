# The image of every role. Build: docker build -t integration-hub .
# Another base with the same Python and libc works too: --build-arg BASE=registry.example.com/python:3.12
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Dependencies first: they change less often than the code. Every file is checked against its hash.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/integration-hub \
 && /opt/integration-hub/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements.lock
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN /opt/build/bin/python -m hatchling build -t wheel -d /tmp/wheel \
 && /opt/integration-hub/bin/pip install --no-deps --no-index /tmp/wheel/*.whl \
 && /opt/integration-hub/bin/pip uninstall --yes --quiet pip

FROM ${BASE}
LABEL org.opencontainers.image.title="Integration Hub" \
      org.opencontainers.image.description="Outside connections, webhooks, data syncs and product health as Kubernetes resources" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is written but to /tmp, so that the root file system can be read-only.
ENV PATH=/opt/integration-hub/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/integration-hub /opt/integration-hub
USER 65532:65532
WORKDIR /tmp
EXPOSE 8081
ENTRYPOINT ["integration-hub"]
CMD ["run"]
