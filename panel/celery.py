"""The task queue: hints to workers, and the clock that wakes them.

Every task is a hint that may be lost, doubled or late without changing any outcome; PostgreSQL is the truth.
So nothing is stored in Redis that matters, nothing is retried by the queue, and a dead broker costs the
process that wanted to send a hint less than a second and no error.
"""

import os
from typing import Any

import kombu.exceptions
import redis.exceptions
import structlog
from celery import Celery, Task
from celery.schedules import crontab
from celery.signals import beat_init, celeryd_init, setup_logging, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "panel.settings")
log = structlog.get_logger("headwater.queue")

# Seconds that a redelivery waits for an unacknowledged message. panel.E003 keeps it above every deadline.
VISIBILITY_TIMEOUT = 3600
_AWAY = (kombu.exceptions.OperationalError, redis.exceptions.RedisError, OSError)


class Hint(Task):
    """A task whose sending may fail: the row it speaks of is found by the next wake-up all the same."""

    abstract = True

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().apply_async(*args, **kwargs)
        except _AWAY as error:
            log.warning("hint_lost", task=self.name, error=type(error).__name__)
            return None


app = Celery("headwater", task_cls=Hint)

# Each entry: task, seconds between two runs, queue. `expires` equals the pause: a tick that was not taken up
# before the next one is worth nothing and must not pile up behind a slow worker.
SCHEDULE: list[tuple[str, float, str]] = [
    ("orders.tasks.wake_lanes", 2, "submit"),
    ("orders.tasks.sweep", 15, "submit"),
    ("orders.tasks.check_ledger", 3600, "sync"),
    ("orders.tasks.tally", 600, "sync"),
    ("orders.tasks.mail_notices", 60, "sync"),
    ("orders.tasks.watch_over", 30, "sync"),
    ("providers.tasks.sync_balances", 30, "sync"),  # those that are due by their options
    ("providers.tasks.sync_catalogs", 60, "sync"),
    ("providers.tasks.tidy", 21_600, "sync"),
    ("customers.tasks.beat_heartbeat", 10, "submit"),
]


def configuration() -> dict[str, Any]:
    """What the queue needs from Django's settings, read when Celery first asks for its configuration."""
    from django.conf import settings

    return {
        "broker_url": settings.REDIS_URL,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for its broker for ever
        "broker_connection_timeout": 1,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT,
            "socket_connect_timeout": 0.5,
            "socket_timeout": 0.5,  # for publishers; a worker waits longer, see _patient_worker
            "retry_on_timeout": False,
            "max_retries": 0,
        },
        "task_publish_retry": False,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_default_queue": "sync",
        "task_acks_late": False,
        "worker_prefetch_multiplier": 1,
        "worker_pool": "threads",
        "worker_concurrency": settings.WORKER_THREADS,
        "worker_direct": True,  # each worker also reads a queue of its own: panel/heartbeat.py
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "enable_utc": True,
        "timezone": "UTC",
        "beat_schedule": {
            task: {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": seconds}}
            for task, seconds, queue in SCHEDULE
        }
        | {
            # Hourly what changed; nightly everything.
            "check the whole ledger": {
                "task": "orders.tasks.check_ledger",
                "schedule": crontab(hour="3", minute="17"),
                "kwargs": {"whole": True},
                "options": {"queue": "sync", "expires": 3600},
            }
        },
        "beat_schedule_filename": str(settings.STATE_DIR / "beat-schedule"),
    }


app.add_defaults(configuration)
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Being connected is the point: Celery then leaves Django's LOGGING alone."""


@celeryd_init.connect
def _patient_worker(conf: Any = None, **_: Any) -> None:
    from panel.memory import give_threads_room, keep_little
    from panel.startup import refuse_a_bad_start

    keep_little()  # before the pool of threads exists
    give_threads_room()
    refuse_a_bad_start()
    # A worker blocks on its queues and may wait for the broker; only publishers are in a hurry.
    conf.broker_transport_options = {
        **conf.broker_transport_options,
        "socket_connect_timeout": 5,
        "socket_timeout": 30,
        "health_check_interval": 25,
    }


@worker_shutting_down.connect
def _begin_nothing_new(**_: Any) -> None:
    """Lanes give back what they claimed and finish the calls in flight."""
    from orders.slots import slots

    slots.closing.set()


@beat_init.connect
def _first_heartbeat(**_: Any) -> None:
    """Not ten seconds from now: somebody waits for /healthz."""
    from customers.tasks import beat_heartbeat

    beat_heartbeat.apply_async(queue="submit", expires=10)


from panel import heartbeat  # noqa: E402, F401  # connects the worker's heartbeat
