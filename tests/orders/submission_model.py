"""A small pure model of one order's submission, for exhaustive search: every interleaving of two workers, crashes,
freezes, lease ends, the sweeper, late answers, cancel, the desk, a backup and its restore.

Each step is one commit or one byte-moving act of orders.submission, recording, sweeping, desk, dispatch and
asking_again, with the conditions of its statement. Time is choice: a lease may end and five seconds may pass at any
moment. The person at the desk is truthful: "absent" is said of what is not upstream, after the quarantine, that is
when no worker can send any more. A restore is noticed at once (the command pauses; a rolled-back database is noticed
by the counter's copy before the first claim).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

# Submission.MOVES, so that the search needs no database; a test holds them against each other.
MOVES = {
    "held": {"queued", "withdrawn", "rejected"},
    "queued": {"held", "claimed", "withdrawn", "rejected", "unknown"},
    "claimed": {"queued", "sending"},
    "sending": {"accepted", "queued", "rejected", "unknown"},
    "unknown": {"accepted", "rejected", "queued", "written_off"},
}
COULD_EXIST = frozenset({"sending", "accepted", "unknown"})
MOST_CLAIMS = 3  # more claims only repeat what three have shown
FENCES_SKIPPED = 10  # by a restore, so that no fence given after the backup is given again


class Broken(StrEnum):
    """Variants with one rule left out, to show that the search would find it."""

    NOTHING = "nothing"
    SWEEPER_REQUEUES = "an expired send goes back to the queue"
    NO_FIVE_SECONDS = "a frozen worker may send whenever it wakes"
    RETRY_UNCLEAR = "an unclear answer goes back to the queue"
    RESTORE_UNPAUSED = "a restored database sends at once"
    BELIEVE_OLD_REFUSALS = "a late refusal from before a restore gives the money back"
    FENCES_GIVEN_AGAIN = "a restored database counts fences on from the backup's"
    CANCEL_AFTER_RESTORE = "an order of a restored database is canceled as unsent"
    DESK_ASKS_AND_DECIDES = "the desk decides while the provider is being asked again"


class Worker(NamedTuple):
    """phase: idle, claimed, begun (T2 committed), sent (bytes left), answered, asking (by key)."""

    phase: str = "idle"
    fence: int = 0
    late: bool = False  # more than five seconds since T2
    answer: str = ""  # accepted, refused, not_sent, uncertain


class Row(NamedTuple):
    """What the database holds of the order. Attempts are (fence, state)."""

    state: str = "queued"
    fence: int = 0
    leased: bool = False  # the lease is running
    attempts: tuple[tuple[int, str], ...] = ()
    asked: bool = False  # asked again by key, the answer may still come
    asked_fence: int = 0  # of the attempt that was ever asked about by key
    doubted_to: int = 0  # attempts up to this fence were begun before a restore

    def attempt(self, fence: int) -> str:
        return dict(self.attempts).get(fence, "")

    def with_attempt(self, fence: int, state: str) -> "Row":
        return _with(self, attempts=tuple(sorted((dict(self.attempts) | {fence: state}).items())))


class World(NamedTuple):
    row: Row = Row()
    workers: tuple[Worker, ...] = (Worker(), Worker())
    upstream: int = 0  # orders in the provider's book
    keyed: bool = False  # upstream has seen our request_key
    backup: Row | None = None
    paused: bool = False
    restored: bool = False  # a restore happened (once)
    cancels: int = 0
    claims: int = 0


def search(
    broken: Broken = Broken.NOTHING, *, by_key: bool = False, only: str = "", claims: int = MOST_CLAIMS
) -> "Found":
    """Visit every reachable world. Stops at the first that breaks a promise (`only`: this one), with the way to it."""
    start = World()
    came: dict[World, tuple[World, str] | None] = {start: None}
    line = deque([start])
    while line:
        world = line.popleft()
        for step, after in steps(world, broken, by_key, claims):
            if after in came:
                continue
            came[after] = (world, step)
            if (harm := harm_of(after)) and only in harm:
                return Found(len(came), harm, _way(came, after))
            line.append(after)
    return Found(len(came), "", [])


@dataclass(frozen=True)
class Found:
    worlds: int
    harm: str
    way: list[str]


def harm_of(world: World) -> str:
    row = world.row
    if world.upstream > 1:
        return "double"
    if row.state in ("rejected", "withdrawn") and world.upstream:
        return "false refund"
    if row.state in ("rejected", "withdrawn") and any(w.phase == "sent" for w in world.workers):
        return "false refund to come"
    if row.state == "accepted" and not world.upstream:
        return "lost"
    busy = any(w.phase != "idle" for w in world.workers)
    if world.upstream and not busy and not world.paused and row.state in ("queued", "claimed", "held"):
        return "silent"
    if sum(state in COULD_EXIST for _, state in row.attempts) > 1:
        return "two attempts that could exist"
    return ""


def steps(world: World, broken: Broken, by_key: bool, claims: int) -> Iterator[tuple[str, World]]:
    for number in range(len(world.workers)):
        for step, after in _worker_steps(world, number, broken, by_key, claims):
            yield f"worker {number + 1}: {step}", after
    yield from _sweeper(world, broken)
    yield from _people(world, broken)
    yield from _restore(world, broken)


# ── workers ─────────────────────────────────────────────────────────────────────────────────────────


def _worker_steps(
    world: World, number: int, broken: Broken, by_key: bool, claims: int
) -> Iterator[tuple[str, World]]:
    row, me = world.row, world.workers[number]

    def now(worker: Worker, after: Row = row, **more: object) -> World:
        # Who is who does not matter, so the workers are sorted: half as many worlds.
        others = [w for n, w in enumerate(world.workers) if n != number]
        workers = tuple(sorted([worker, *others]))
        return _with(world, workers=workers, row=after, **more)

    if me.phase != "idle":
        yield "dies", now(Worker())
    if me.phase == "idle" and row.state == "queued" and not world.paused and world.claims < claims:
        claimed = _move(row, "claimed", fence=row.fence + 1, leased=True)
        yield "T1", now(Worker("claimed", row.fence + 1), claimed, claims=world.claims + 1)
    if me.phase == "claimed":
        ours = row.state == "claimed" and row.fence == me.fence
        possible = any(state in COULD_EXIST for _, state in row.attempts)
        if ours and row.leased and not world.paused and not possible:
            yield "T2", now(_with(me, phase="begun"), _move(row, "sending").with_attempt(me.fence, "sending"))  # fmt: skip
        else:
            released = _move(row, "queued", leased=False) if ours else row
            yield "drops the claim", now(Worker(), released)
    if me.phase == "begun":
        if not me.late:
            yield "five seconds pass", now(_with(me, late=True))
        if not me.late or broken == Broken.NO_FIVE_SECONDS:
            new = 0 if by_key and world.keyed else 1
            for answer, inserted in (("accepted", new), ("refused", 0), ("uncertain", new), ("uncertain", 0)):
                sent = now(_with(me, phase="sent", answer=answer))
                what = f"sends: {answer}, {'inserted' if inserted else 'not inserted'}"
                yield (
                    what,
                    _with(sent, upstream=world.upstream + inserted, keyed=world.keyed or inserted > 0),
                )
        yield "does not send", now(_with(me, phase="answered", answer="not_sent"))
    if me.phase == "sent":
        yield "hears the answer", now(_with(me, phase="answered"))
    if me.phase == "answered":
        yield f"T3 {me.answer}", now(Worker(), _recorded(row, me, broken))
    if by_key and me.phase == "idle" and row.state == "unknown" and not row.asked and not world.paused:
        (fence,) = [f for f, state in row.attempts if state == "unknown"] or [0]
        if fence:
            yield (
                "asks again by key",
                now(Worker("asking", fence), _with(row, asked=True, asked_fence=fence)),
            )
    if me.phase == "asking":
        if not me.late:
            yield "five seconds pass", now(_with(me, late=True))
            answered, over = (
                _with(me, phase="answered", answer="accepted"),
                _with(row, asked=False),
            )
            once = world.upstream + (not world.keyed)
            yield "the key gives its order", now(answered, over, upstream=once, keyed=True)
            yield "the key's answer is lost", now(Worker(), over, upstream=once, keyed=True)
        else:
            yield "does not ask", now(Worker(), _with(row, asked=False))


def _recorded(row: Row, me: Worker, broken: Broken) -> Row:
    attempt = row.attempt(me.fence)
    if attempt == "sending" and row.state == "sending" and row.fence == me.fence:
        if me.answer == "accepted":
            return _move(row, "accepted", leased=False).with_attempt(me.fence, "accepted")
        if me.answer == "uncertain" and broken != Broken.RETRY_UNCLEAR:
            return _move(row, "unknown", leased=False).with_attempt(me.fence, "unknown")
        if me.fence <= row.doubted_to:
            return _move(row, "unknown", leased=False).with_attempt(me.fence, "unknown")
        to = "rejected" if me.answer == "refused" else "queued"
        return _move(row, to, leased=False).with_attempt(me.fence, "not_accepted")
    if attempt == "unknown" and row.state == "unknown":
        # A late answer, after the sweeper.
        if me.answer == "accepted":
            return _move(row, "accepted").with_attempt(me.fence, "accepted")
        proof = me.fence > row.doubted_to and me.fence != row.asked_fence
        if proof and me.answer in ("refused", "not_sent"):
            to = "rejected" if me.answer == "refused" else "queued"
            return _move(row, to).with_attempt(me.fence, "not_accepted")
    return row  # evidence and an alarm, or nothing


# ── everybody else ──────────────────────────────────────────────────────────────────────────────────


def _sweeper(world: World, broken: Broken) -> Iterator[tuple[str, World]]:
    row = world.row
    if row.leased:
        yield "the lease ends", _with(world, row=_with(row, leased=False))
    if row.state == "claimed" and not row.leased:
        yield "sweep: claimed → queued", _with(world, row=_move(row, "queued"))
    if row.state == "sending" and not row.leased:
        if broken == Broken.SWEEPER_REQUEUES:
            swept = _move(row, "queued").with_attempt(row.fence, "not_accepted")
            yield "sweep: sending → queued", _with(world, row=swept)
        else:
            swept = _move(row, "unknown").with_attempt(row.fence, "unknown")
            yield "sweep: sending → unknown", _with(world, row=swept)


def _people(world: World, broken: Broken) -> Iterator[tuple[str, World]]:
    row = world.row
    canceled_unseen = broken == Broken.CANCEL_AFTER_RESTORE or not world.paused
    if row.state == "queued" and world.cancels == 0 and canceled_unseen:
        yield "the customer cancels", _with(world, row=_move(row, "withdrawn"), cancels=1)
    asked = row.asked and broken != Broken.DESK_ASKS_AND_DECIDES
    if row.state != "unknown" or asked:
        return
    (fence,) = [f for f, state in row.attempts if state == "unknown"][-1:] or [0]
    # The quarantine is longer than the longest send: whoever is still before his write is late by now.
    may_send = any(w.phase in ("begun", "asking") and not w.late for w in world.workers)
    in_flight = any(w.phase == "sent" for w in world.workers)
    quarantined = not in_flight and (not may_send or broken == Broken.DESK_ASKS_AND_DECIDES)
    if not quarantined or not fence:
        return
    if world.upstream:
        yield "desk: exists", _with(world, row=_move(row, "accepted").with_attempt(fence, "accepted"))
    else:
        absent = row.with_attempt(fence, "absent")
        yield "desk: absent, refund", _with(world, row=_move(absent, "rejected"))
        yield "desk: absent, resend", _with(world, row=_move(absent, "queued"))
    yield "desk: write off", _with(world, row=_move(row, "written_off"))


def _restore(world: World, broken: Broken) -> Iterator[tuple[str, World]]:
    if world.backup is None:
        yield "backup", _with(world, backup=world.row)
    elif not world.restored:
        # Time passes while a database is restored: leases end, whoever was before his write is late.
        before_write = ("begun", "asking")
        late = (_with(w, late=True) if w.phase in before_write else w for w in world.workers)
        workers = tuple(sorted(late))
        paused = broken != Broken.RESTORE_UNPAUSED
        up_to = world.backup.fence if broken != Broken.BELIEVE_OLD_REFUSALS else 0
        restored = _with(world.backup, leased=False, asked=False, doubted_to=up_to)
        yield "restore", _with(world, row=restored, workers=workers, paused=paused, restored=True)
    if world.paused:
        yield "resume --after-restore", _with(world, paused=False, row=_doubted(world.row, broken))


def _doubted(row: Row, broken: Broken) -> Row:
    """Everything not final becomes unknown, with an attempt that forbids a resend until somebody decides."""
    skipped = FENCES_SKIPPED if broken != Broken.FENCES_GIVEN_AGAIN else 1
    doubted = _with(row, fence=row.fence + skipped, leased=False)
    if row.state in ("held", "queued", "claimed"):
        return _with(doubted, state="unknown").with_attempt(doubted.fence, "unknown")
    if row.state == "sending":
        return _with(doubted, state="unknown").with_attempt(row.fence, "unknown")
    return doubted if row.state == "unknown" else row


def _with(thing: Any, /, **changed: Any) -> Any:
    return thing._replace(**changed)


def _move(row: Row, to: str, **more: object) -> Row:
    """One arrow; the product's own table must know it."""
    if to not in MOVES.get(row.state, set()):
        raise AssertionError(f"{row.state} -> {to} is no arrow of MOVES")
    return _with(row, state=to, **more)


def _way(came: dict[World, tuple[World, str] | None], to: World) -> list[str]:
    way: list[str] = []
    before = came[to]
    while before is not None:
        way.append(before[1])
        before = came[before[0]]
    return way[::-1]


if __name__ == "__main__":
    for keyed, most in ((False, 2), (True, 2), (False, 3)):
        result = search(by_key=keyed, claims=most)
        what = f"{most} claims, {'with' if keyed else 'without'} a key"
        print(f"{what}: {result.worlds} worlds, {result.harm or 'no harm'} {' · '.join(result.way)}")
