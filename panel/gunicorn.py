"""gunicorn's own settings: `gunicorn -c python:panel.gunicorn panel.wsgi`."""

from django.conf import settings

from panel.startup import read_settings

read_settings()

# this machine only, unless an operator says otherwise (a container has to: BIND=0.0.0.0)
bind = [f"{settings.BIND}:{settings.PORT}"]
worker_class = "gthread"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
timeout = 60
graceful_timeout = 5
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
accesslog = None  # panel.middleware.request_log writes the line, without query strings
errorlog = "-"
loglevel = "warning"
proc_name = "headwater-web"
control_socket_disable = True
