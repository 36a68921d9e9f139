"""What the load test prints: the table, one line of JSON, and the verdict, which is the exit code."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benches.figure import spread
from benches.load_traffic import Tally

WARM_UP = 0.2  # of the time; memory is compared from here on
MOST_MB = {"web": 120.0, "worker": 150.0}
FLAT_MB = 8.0  # what an allocator may still take within a flat half hour
QUANTILES = ("p50_ms", "p95_ms", "p99_ms", "max_ms")


@dataclass
class Memory:
    """Megabytes of one process: PSS (shared pages divided among their users) is judged, RSS stands beside it."""

    pss: float
    rss: float


@dataclass
class Ending:
    """What the books and the provider say after the load."""

    placed: int = 0
    accepted: int = 0
    placed_by_answer: int = 0
    placed_before: int = 0
    missing: list[int] = field(default_factory=list)
    sent: int = 0
    withdrawn: int = 0
    finished: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    settled_s: float = 0.0
    ledger: list[Any] = field(default_factory=list)
    upstream: int = 0
    doubles: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    bad_log_lines: dict[str, int] = field(default_factory=dict)
    first_bad_lines: list[str] = field(default_factory=list)

    def complaints(self) -> list[str]:
        said = [f"{len(rows)} {what}" for what, rows in {
            "answered orders are not in the database": self.missing,
            "invariants of the ledger are broken": self.ledger,
            "orders exist twice upstream": self.doubles,
            "upstream orders are nobody's": self.strangers,
            "accepted orders do not exist upstream": self.absent,
        }.items() if rows]  # fmt: skip
        if self.placed - self.placed_before != self.accepted:
            said.append(f"{self.accepted} orders were accepted, {self.placed - self.placed_before} exist")
        said += [f"{count} orders are left {what}" for what, count in self.left.items() if count]
        said += [f"{count} error lines in the log of {name}" for name, count in self.bad_log_lines.items()]
        return said

    def sentence(self) -> str:
        return (
            f"\norders: {self.placed} placed ({self.placed_before} before the load, {self.accepted} accepted"
            f" under it, {self.placed_by_answer} of these numbered in an answer), {self.sent} sent, {self.withdrawn} withdrawn before;"
            f" {self.finished}; settled {self.settled_s:.0f} s after the load\n"
            f"upstream: {self.upstream} orders, {len(self.doubles)} twice, {len(self.strangers)} of nobody,"
            f" {len(self.absent)} absent; ledger: {len(self.ledger)} broken"
        )


Sample = tuple[float, dict[str, Memory]]  # time.monotonic, memory by process


def report(about: Mapping[str, Any], tally: Tally, ending: Ending, samples: Sequence[Sample]) -> int:
    """Print everything; `about` is what the run was. Returns the exit code."""
    times = {kind: _spread(got) for kind, got in sorted(tally.seconds.items())}
    memory = _growth(samples)
    complaints = ending.complaints()
    if tally.errors.total():
        complaints.insert(0, f"{tally.errors.total()} errors: {dict(tally.errors)}")
    remarks = _remarks(memory)

    print("\n" + ", ".join(f"{name} {value}" for name, value in about.items()) + "; milliseconds from due")
    print("\n".join(_latencies(tally, times)))
    print("\n" + "\n".join(_sizes(memory)))
    for named in tally.named + ending.first_bad_lines:
        print(f"! {named}")
    print(ending.sentence())
    data = {
        **about,
        "kinds": times,
        "errors": dict(tally.errors),
        "refused": dict(tally.refused),
        "memory_mb": {name: {when: asdict(one) for when, one in row.items()} for name, row in memory.items()},
        "ending": asdict(ending),
        "complaints": complaints,
        "memory_remarks": remarks,
    }
    print(json.dumps(data, default=str))
    verdict = "FAILED: " + "; ".join(complaints) if complaints else "no error, ledger clean, no double"
    print(f"VERDICT: {verdict}; memory: {'; '.join(remarks) or 'within its targets and flat'}")
    return 1 if complaints else 0


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return spread(seconds) | {"max_ms": round(max(seconds) * 1000, 1)}


def _latencies(tally: Tally, times: Mapping[str, Mapping[str, float]]) -> Iterable[str]:
    """A line per kind, and one of all. A visit of several requests is refused or wrong once."""
    everything = [second for got in tally.seconds.values() for second in got]
    yield f"{'kind':18} {'answered':>9} {'refused':>8} {'errors':>7} {'p50':>8} {'p95':>8} {'p99':>8} {'max':>8}"
    for kind in sorted(tally.seconds.keys() | tally.errors.keys()):
        counts = f"{len(tally.seconds.get(kind, []))!s:>9} {tally.refused[kind]:8} {tally.errors[kind]:7}"
        yield f"{kind:18} {counts} {_quantiles(times.get(kind, {}))}"
    counts = f"{len(everything):9} {tally.refused.total():8} {tally.errors.total():7}"
    yield f"{'all':18} {counts} {_quantiles(_spread(everything) if everything else {})}"


def _quantiles(had: Mapping[str, float]) -> str:
    return " ".join(f"{had[name]:8.1f}" if name in had else " " * 8 for name in QUANTILES)


def _sizes(memory: Mapping[str, Mapping[str, Memory]]) -> Iterable[str]:
    yield f"{'PSS (RSS) MB':14} {'start':>13} {'warmed up':>13} {'end':>13} {'most':>13}"
    for name, row in memory.items():
        yield f"{name:14} " + " ".join(f"{one.pss:6.1f} ({one.rss:4.0f})" for one in row.values())


def _growth(samples: Sequence[Sample]) -> dict[str, dict[str, Memory]]:
    """Of each process its memory at the start, after the warm-up, at the end, and the most."""
    first, last = samples[0][0], samples[-1][0]
    warm = next(one for at, one in samples if at >= first + (last - first) * WARM_UP)
    rows = {}
    for name, end in samples[-1][1].items():
        had = [one[name] for _, one in samples if name in one]
        most = max(had, key=lambda one: one.pss)
        rows[name] = {"start": had[0], "warm": warm.get(name, had[0]), "end": end, "most": most}
    return rows


def _remarks(memory: Mapping[str, Mapping[str, Memory]]) -> list[str]:
    said = []
    for name, one in memory.items():
        limit = MOST_MB.get(name.rstrip("0123456789"), MOST_MB["worker"])
        if one["most"].pss > limit:
            said.append(f"{name} {one['most'].pss:.0f} MB, target {limit:.0f}")
        if one["end"].pss - one["warm"].pss > FLAT_MB:
            said.append(f"{name} grew {one['end'].pss - one['warm'].pss:.1f} MB after the warm-up")
    return said
