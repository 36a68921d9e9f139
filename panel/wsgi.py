"""The web process, for gunicorn (panel/gunicorn.py) or any other WSGI server."""

import os

# A page that needs longer than this is a bug; its thread must not be lost to it.
os.environ.setdefault("DB_STATEMENT_TIMEOUT_MS", "15000")

from panel.startup import read_settings, refuse_a_bad_start

read_settings()

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

application = get_wsgi_application()
refuse_a_bad_start()
# All pages now, not with the first request: processes forked from here share them, and the first visitor waits for none.
get_resolver().url_patterns  # noqa: B018
