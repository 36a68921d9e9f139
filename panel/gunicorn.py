"""gunicorn's own settings: `gunicorn -c python:panel.gunicorn panel.wsgi`."""

import logging
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger

from panel.logs import ScrubbedFormatter
from panel.memory import freeze_what_is_loaded, give_threads_room, keep_little
from panel.startup import read_settings_of_the_web

read_settings_of_the_web()
keep_little()
give_threads_room()


class ScrubbedLogger(Logger):
    """gunicorn names whole addresses, with the keys that GET clients put into them: in its error log, and in the
    access log of an operator who turns it on."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                if not isinstance(handler.formatter, ScrubbedFormatter):
                    handler.setFormatter(ScrubbedFormatter(handler.formatter or logging.Formatter()))


# this machine only, unless an operator says otherwise (a container has to: BIND=0.0.0.0)
bind = [f"{settings.BIND}:{settings.PORT}"]
worker_class = "gthread"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
preload_app = True  # the code is loaded once and shared by the processes; a new one is a fork, not a start
timeout = 60
graceful_timeout = 5
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
accesslog = None  # panel.middleware.request_log writes the line, without query strings
errorlog = "-"
logger_class = ScrubbedLogger
loglevel = "warning"
proc_name = "headwater-web"
control_socket_disable = True


def when_ready(_server: Any) -> None:
    freeze_what_is_loaded()
