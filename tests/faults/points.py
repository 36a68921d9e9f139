"""Named points at which a process of a campaign ends (or freezes) itself: before and after every commit on an
order's way, and around the POST. Production code knows nothing of them: the functions are wrapped here, in the
forked child, before it starts.

    claim.before        T1 not yet committed              record.before     answer read, T3 not yet committed
    claim.counted       counter committed, not copied     record.inside     in T3's transaction
    claim.after         T1 committed                      record.after      T3 committed
    begin.before        T2 not yet committed              sweep.before / sweep.after
    begin.after         T2 committed, nothing connected   settle.inside     refund posted, not committed
    write.before        connected, no byte written        settle.after      refund committed
    write.after         every byte written, no answer
    place.inside        charged, not committed            place.after       committed, the customer not told

A call for refills or cancels (one for a batch):

    ask.before          "sending" committed, nothing connected
    ask.connected       connected, no byte written        ask.answered      answer read, nothing recorded
    ask.written         every byte written, no answer     ask.after         one of the batch recorded
"""

import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from django.db.models.functions import Now

SUBMISSION = (
    "claim.before",
    "claim.counted",
    "claim.after",
    "begin.before",
    "begin.after",
    "write.before",
    "write.after",
    "record.before",
    "record.inside",
    "record.after",
)
FOLLOWING = ("sweep.before", "sweep.after", "settle.inside", "settle.after")
REQUESTS = ("ask.before", "ask.connected", "ask.written", "ask.answered", "ask.after")
PLACING = ("place.inside", "place.after")

_lock = threading.Lock()
_state: dict[str, Any] = {"name": "", "left": 0, "mark": None, "signal": signal.SIGKILL}


def arm(name: str, nth: int, mark: Path, number: int) -> None:
    """The `nth` passage of the point sends this process signal `number`, once; `mark` is written right before."""
    _state.update(name=name, left=nth, mark=mark, signal=number)
    _wrap_everything()


def reached(name: str) -> None:
    if name != _state["name"]:
        return
    with _lock:
        _state["left"] -= 1
        if _state["left"] != 0 or _state["mark"].exists():
            return
        _state["mark"].write_text(f"{name} {time.time()}")
        os.kill(os.getpid(), _state["signal"])
        if _state["signal"] == signal.SIGSTOP:
            time.sleep(0.05)  # stopping is not immediate for the thread that asked


def hurry_the_clock() -> None:
    """Beat wakes lanes and sweeps more often. Before anything asks Celery for its schedule."""
    import panel.celery

    panel.celery.SCHEDULE[:] = [
        ("orders.tasks.wake_lanes", 0.5, "submit"),
        ("orders.tasks.sweep", 2, "submit"),
        ("customers.tasks.beat_heartbeat", 10, "submit"),
    ]


def hurry() -> None:
    """Leases and pauses of seconds instead of minutes, so that what a kill leaves behind is found soon.
    The order of steps, and every condition, stays what production runs."""
    from orders import request_lane, submission, tasks
    from providers import lanes

    submission.LEASE_MARGIN_S = 6
    submission.CLAIM_LEASE_S = 6
    submission.STRETCH_S = 2
    request_lane.LEASE_MARGIN_S = 5
    lanes.LEASE, lanes.RENEW_EVERY_S = timedelta(seconds=6), 1.5
    tasks.run_submit_lane = functools.partial(submission.submit_lane, budget_s=2)
    tasks.run_status_lane = functools.partial(tasks.run_status_lane, budget_s=2)


def drawn(random: Random, aim: Mapping[str, float]) -> tuple[str, int]:
    """A point of a worker and after how many passages it is to die there. `aim`: weights by point or by the word
    before its dot; where nothing is said 1, and less at refill and cancel calls, which are seldom passed."""
    names = SUBMISSION + FOLLOWING + REQUESTS
    weights = [
        aim.get(name, aim.get(name.split(".", maxsplit=1)[0], 0.4 if name in REQUESTS else 1.0))
        for name in names
    ]
    (name,) = random.choices(names, weights)
    return name, 1 if name in FOLLOWING else random.choice(
        [1, 1, 1, 2, 3] if name in SUBMISSION else [1, 1, 2]
    )


def forget_doubt() -> None:
    """The control of the request lane: an unclear or lost refill is asked for again, as a cancel may be."""
    from orders import request_lane, sweeping
    from orders.models import Request

    careful, sweep_ = request_lane._unclear, sweeping._sweep_requests

    def unclear(kind: str, request: Any, message: str, tally: Any) -> None:
        careful(Request.Kind.CANCEL, request, message, tally)

    def swept() -> int:
        lost = Request.objects.filter(kind="refill", state="sending", lease_until__lt=Now())
        return lost.update(state="approved", lease_until=None, next_at=Now()) + sweep_()

    request_lane._unclear, sweeping._sweep_requests = unclear, swept


def _around(module: Any, name: str, before: str = "", after: str = "") -> None:
    original = getattr(module, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            reached(before)
        result = original(*args, **kwargs)
        if after:
            reached(after)
        return result

    setattr(module, name, wrapped)


def _wrap_everything() -> None:
    from orders import dispatch, placing, recording, request_lane, submission, syncing, tasks
    from providers.adapters import connecting

    _around(submission, "_claim", "claim.before", "claim.after")
    _around(dispatch, "_copy", before="claim.counted")
    _around(submission, "_begin", "begin.before", "begin.after")
    _around(submission, "record", "record.before", "record.after")
    for act in ("end_with_full_refund", "withdraw", "_event"):
        _around(recording, act, after="record.inside")
    _around(tasks, "run_sweep", "sweep.before", "sweep.after")
    for act in ("end_with_full_refund", "end_partial", "complete_all"):
        _around(syncing, act, after="settle.inside")
    for act in ("_end", "_complete"):
        _around(syncing, act, after="settle.after")
    _around(request_lane, "_send", "ask.before")
    _around(request_lane, "_record", "ask.answered", "ask.after")
    _around(placing, "_write", after="place.inside")
    _around_ask(submission)
    _around_write(connecting)
    _around_place()


def _around_ask(submission: Any) -> None:
    original = submission._ask

    @functools.wraps(original)
    def ask(run: Any, request: Any, before_write: Callable[[], None]) -> Any:
        def last_moment() -> None:
            # Before the check of the 5 seconds, as a machine that stops at the worst moment would.
            reached("write.before")
            before_write()

        return original(run, request, last_moment)

    submission._ask = ask


def _around_write(connecting: Any) -> None:
    original = connecting.Post.write

    @functools.wraps(original)
    def write(self: Any, sock: Any, data: bytes) -> None:
        asks = b"action=cancel" in data or (b"action=refill" in data and b"action=refill_status" not in data)
        if asks:
            reached("ask.connected")
        original(self, sock, data)
        if b"action=add" in data:
            reached("write.after")
        elif asks:
            reached("ask.written")

    connecting.Post.write = write


def _around_place() -> None:
    """place_order was imported by name where it is used, so those names are replaced."""
    import sys

    from orders import placing

    original = placing.place_order

    @functools.wraps(original)
    def place_order(*args: Any, **kwargs: Any) -> Any:
        order = original(*args, **kwargs)
        reached("place.after")
        return order

    for module in list(sys.modules.values()):
        if getattr(module, "place_order", None) is original:
            module.place_order = place_order  # type: ignore[attr-defined]
