# One image for every service, its worker, the sandbox and the jobs; the command says which.
# Build from the root of the clone: docker build -f deploy/docker/service.Dockerfile -t threadly .

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/threadly
COPY requirements.lock deploy/embedded/src/threadly_embedded/runtime_lock.py ./
# What the services need, exactly as locked and hashed; the lock's tools and test servers stay out.
RUN python runtime_lock.py requirements.lock threadly-contracts threadly-chassis \
      threadly-auth threadly-catalog threadly-search-indexer threadly-messaging threadly-orders threadly-notifier \
      threadly-operations threadly-sandbox threadly-demo > runtime.lock \
 && python runtime_lock.py requirements.lock hatchling > build.lock \
 && /opt/threadly/bin/pip install --require-hashes -r runtime.lock \
 && python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r build.lock
COPY libs libs
COPY services services
COPY deploy/sandbox deploy/sandbox
COPY deploy/demo deploy/demo
# Our own packages as wheels: the image holds no editable paths and no build tools.
RUN for package in libs/* services/* deploy/sandbox deploy/demo; do \
      /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels "./$package" || exit 1; \
    done \
 && /opt/threadly/bin/pip install --no-deps --no-index wheels/*.whl \
 && /opt/threadly/bin/python -m compileall -q /opt/threadly/lib

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home threadly \
 && mkdir -p /var/lib/threadly/identity /var/lib/threadly/public /var/lib/threadly/sandbox /var/lib/threadly/media \
 && chown -R threadly /var/lib/threadly
COPY --from=build /opt/threadly /opt/threadly
COPY deploy/docker/entrypoint deploy/docker/healthy deploy/docker/make_identity_keys.py /opt/threadly/bin/
ENV PATH=/opt/threadly/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER threadly
WORKDIR /var/lib/threadly
ENTRYPOINT ["entrypoint"]
