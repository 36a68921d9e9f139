"""A container's own health: `python -m panel.probe web|worker|beat` ends with 0 if that part of it works.

Each asks about itself only: a web container is not restarted because the worker is away (/healthz tells that).
"""

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from panel.startup import read_settings


def web_answers() -> bool:
    from django.conf import settings

    # over plain HTTP and by the name that ALLOWED_HOSTS knows
    request = urllib.request.Request(
        f"http://127.0.0.1:{settings.PORT}/healthz", headers={"Host": urlsplit(settings.SITE_URL).netloc}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # our own process
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except OSError:
        return False
    try:
        return bool(json.loads(body)["database"]["state"] == "ok")
    except (ValueError, KeyError):
        return False


def was_heard(kind: str) -> bool:
    import django

    django.setup()
    from panel.health import STALE_AFTER, known_heartbeats

    rows = known_heartbeats().filter(kind=kind, age__lte=STALE_AFTER)
    if kind == "worker":
        rows = rows.filter(name__endswith=f"@{socket.gethostname()}")
    return rows.exists()


def main() -> int:
    os.environ.setdefault("DB_STATEMENT_TIMEOUT_MS", "5000")
    read_settings()
    part = sys.argv[1] if len(sys.argv) == 2 else ""
    if part not in ("web", "worker", "beat"):
        sys.exit("Usage: python -m panel.probe web|worker|beat")
    return 0 if (web_answers() if part == "web" else was_heard(part)) else 1


if __name__ == "__main__":
    sys.exit(main())
