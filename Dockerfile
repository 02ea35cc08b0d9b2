# The service in an image. docs/deployment.md says how it is built and what it needs to run.

FROM python:3.11-slim-trixie AS builder
# The compiler is for gunicorn_h1c alone, which has no wheel. Nothing of Debian stays in the image.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements-build.txt requirements-fast.txt ./
# Without isolation: what builds the wheel is then the locked set, too.
RUN pip install --no-cache-dir --require-hashes --requirement requirements-build.txt \
    && pip install --no-cache-dir --require-hashes --no-build-isolation --ignore-installed \
    --no-warn-script-location --prefix /opt/workhub --requirement requirements-fast.txt


FROM python:3.11-slim-trixie
LABEL org.opencontainers.image.title="WorkHub" \
      org.opencontainers.image.description="The account service of a web and mobile product." \
      org.opencontainers.image.licenses="MIT"
COPY --from=builder /opt/workhub /usr/local
WORKDIR /srv/workhub
COPY config.py gunicorn.conf.py wsgi.py ./
COPY deploy/health.py deploy/
COPY migrations migrations
COPY workhub workhub
# Compiled here: the file system of a running container is read-only. The two folders are where
# volumes are mounted, which take their owner from here.
RUN python -m compileall -q . \
    && install -d -o 10001 -g 10001 -m 0750 /run/workhub /var/lib/workhub /var/lib/workhub/uploads
ENV FLASK_SKIP_DOTENV=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    UPLOAD_FOLDER=/var/lib/workhub/uploads \
    WORKHUB_BIND=unix:/run/workhub/gunicorn.sock
# A number: whoever forbids root can tell without the image's list of users.
USER 10001:10001
# The time between SIGTERM and SIGKILL has to exceed graceful_timeout, 20 seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --start-interval=2s \
    CMD ["python", "deploy/health.py"]
CMD ["gunicorn"]
