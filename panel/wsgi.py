"""The web process, for gunicorn (panel/gunicorn.py) or any other WSGI server."""

from panel.startup import read_settings_of_the_web, refuse_a_bad_start

read_settings_of_the_web()

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

application = get_wsgi_application()
refuse_a_bad_start()
# All pages now, not with the first request: processes forked from here share them, and the first visitor waits for none.
get_resolver().url_patterns  # noqa: B018
