"""A process that has everything imported and forks the campaign's processes on request: a worker that is killed
is replaced in a tenth of a second instead of four. What runs is the real thing: celery's own worker and beat,
gunicorn, each a process of its own with its own connections.

Reads one JSON object per line: {"role", "name", "log", "point", "nth", "mark", "signal", "environment", …};
answers with the child's pid.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    import django

    from tests.faults import points

    points.hurry_the_clock()
    django.setup()
    from panel.celery import app

    app.loader.import_default_modules()
    for module in ("celery.apps.beat", "celery.apps.worker", "gunicorn.app.wsgiapp", "kombu.transport.redis"):
        importlib.import_module(module)

    points.hurry()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            live(wanted)
        print(pid, flush=True)


def live(wanted: dict[str, Any]) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _die_with_the_nursery()
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(wanted.get("environment", {}))
    try:
        if wanted.get("point"):
            from tests.faults import points

            number = getattr(signal, "SIG" + wanted.get("signal", "KILL"))
            points.arm(wanted["point"], wanted["nth"], Path(wanted["mark"]), number)
        if wanted.get("forgetful"):
            from tests.faults import points

            points.forget_doubt()
        ROLES[wanted["role"]](wanted)
    except SystemExit:
        pass
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(1)


def _die_with_the_nursery() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def worker(wanted: dict[str, Any]) -> None:
    from panel.celery import app

    if seconds := wanted.get("visibility_timeout"):
        # Everything is delivered again and again: acknowledged late, and taken for lost after a second.
        app.conf.broker_transport_options = {
            **app.conf.broker_transport_options,
            "visibility_timeout": seconds,
        }
        for task in app.tasks.values():
            task.acks_late = True
    app.worker_main(
        ["worker", "-n", f"{wanted['name']}@campaign", "-P", "threads", "-c", "8", "-Q", "submit,sync",
         "--without-gossip", "--without-mingle", "-l", "WARNING"]
    )  # fmt: skip


def beat(wanted: dict[str, Any]) -> None:
    from panel.celery import app

    app.start(["beat", "-s", f"{wanted['log']}.schedule", "--pidfile=", "-l", "WARNING"])


def web(wanted: dict[str, Any]) -> None:
    from django.conf import settings
    from gunicorn.app.wsgiapp import WSGIApplication

    settings.PORT, settings.WEB_WORKERS = wanted["port"], 1
    sys.argv = ["gunicorn", "-c", "python:panel.gunicorn", "panel.wsgi"]
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()


def naive(wanted: dict[str, Any]) -> None:
    from tests.faults.naive import work

    work(wanted["run"])


ROLES = {"worker": worker, "beat": beat, "web": web, "naive": naive}

if __name__ == "__main__":
    main()
