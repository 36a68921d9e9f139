"""The long tier: `./test --campaign [--seed N] [--orders N] [--kills N] [--minutes M] [--parts a,b] [--aim POINT=W,…]`,
and `./test --campaign --summary`.

One call is one part of the whole, told by its seed: without --seed it takes the next one that has no result yet,
so the tier can be run in pieces of 20 minutes, today and next week. Results are appended to
var/campaigns/results.jsonl, one JSON object per line; the summary adds them up.

`--aim ask=20,settle=3` makes a worker of the part "kills" die at the points of refill and cancel calls twenty times as
often as at others, and after refunds three times; aimed at `ask`, many orders are refilled and canceled.

`--serve` reads parts as JSON lines from stdin: what the tests use.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from panel.local.places import ROOT, VAR
from tests.faults import points
from tests.faults.field import Field
from tests.faults.oracle import FAILURES
from tests.faults.parts import PARTS

RESULTS = VAR / "campaigns" / "results.jsonl"


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test --campaign", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--parts", default="kills", help=f"comma list of: {', '.join(PARTS)}, or all")
    parser.add_argument("--aim", type=aim_of, default={}, metavar="POINT=WEIGHT,…")
    parser.add_argument("--summary", action="store_true", help="add up the results so far")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args([word for word in sys.argv[1:] if word != "--campaign"])
    if options.summary:
        print(summary())
        return 0
    seed = options.seed if options.seed is not None else next_seed()
    with Field(seed) as field:
        return serve(field, seed) if options.serve else run(field, seed, options)


# A control has to do harm, or the zeros of the others mean nothing.
CONTROLS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "naive": lambda verdict: verdict["doubles"] > 0,
    "forgetful": lambda verdict: len(verdict["double_refills"]) > 0,
}


def aim_of(text: str) -> dict[str, float]:
    """ "ask=20,settle=3" → weights; a word that names no point is refused."""
    aim = {}
    for term in filter(None, text.split(",")):
        name, _, weight = term.partition("=")
        points_ = points.SUBMISSION + points.FOLLOWING + points.REQUESTS
        if name not in {*points_, *(point.split(".", maxsplit=1)[0] for point in points_)}:
            raise argparse.ArgumentTypeError(f"there is no point {name!r}; there are {', '.join(points_)}")
        aim[name] = float(weight or 10)
    return aim


def run(field: Field, seed: int, options: argparse.Namespace) -> int:
    names = list(PARTS) if options.parts == "all" else options.parts.split(",")
    worst = 0
    for name in names:
        given: dict[str, Any] = {}
        if name == "kills":
            given = {
                "orders": options.orders,
                "kills": options.kills,
                "minutes": options.minutes,
                "aim": options.aim,
            }
        elif name == "forgetful":
            given = {
                "orders": min(options.orders, 300),
                "kills": min(options.kills, 60),
                "minutes": options.minutes,
            }
        elif name == "naive":
            given = {"orders": min(options.orders, 300), "kills": min(options.kills, 30)}
        result = PARTS[name](field, seed, **given)
        keep(seed, result)
        print(line_of(seed, result), flush=True)
        verdict = result["verdict"]
        worst |= not (CONTROLS[name](verdict) if name in CONTROLS else verdict["clean"])
    return worst


def serve(field: Field, seed: int) -> int:
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        try:
            answer = PARTS[wanted.pop("part")](field, wanted.pop("seed", seed), **wanted)
        except Exception as error:  # told to the test, which fails with it
            import traceback

            answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
            for name in list(field.alive):
                field.kill(name, count=False)
        print(json.dumps(answer, default=str), flush=True)
    return 0


ASKS = ("refills", "refills_unknown", "cancels", "cancels_again")


# ── results ─────────────────────────────────────────────────────────────────────────────────────────


def keep(seed: int, result: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a") as file:
        about = {"at": datetime.now(UTC).isoformat(), "seed": seed, "versions": versions()}
        file.write(json.dumps(about | result, default=str) + "\n")


def versions() -> dict[str, str]:
    from django import __version__ as django
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        server = cursor.fetchone()[0]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "django": django,
        "postgresql": server,
    }


def results() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def next_seed() -> int:
    return max((row["seed"] for row in results()), default=0) + 1


def line_of(seed: int, result: dict[str, Any]) -> str:
    verdict = result["verdict"]
    told = {name: len(value) if isinstance(value, list) else value for name, value in verdict.items()}
    more = {
        name: value for name, value in result.items() if name not in ("part", "run", "verdict", "seconds")
    }
    return f"{result['part']} seed {seed}: {result['seconds']} s, {more}, {told}"


def summary() -> str:
    """A table of all results by part; what failed is listed below it."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    seeds: dict[str, set[int]] = defaultdict(set)
    failures = []
    for row in results():
        part, verdict = row["part"], row["verdict"]
        seeds[part].add(row["seed"])
        sums[part].update(kills=row.get("kills", 0), orders=verdict["orders"], upstream=verdict["upstream"], unknown=verdict.get("unknown", 0))  # fmt: skip
        sums[part].update({name: verdict.get(name, 0) for name in ASKS})
        for name in FAILURES:
            found = verdict.get(name, 0)
            number = len(found) if isinstance(found, list) else found
            sums[part][name] += number
            if number and part not in CONTROLS:
                failures.append(f"{part} seed {row['seed']}: {name} {found}")
    columns = ("kills", "orders", "upstream", "unknown", *ASKS, *FAILURES)
    lines = [f"| part | seeds | {' | '.join(columns)} |", f"|---|---|{'---|' * len(columns)}"]
    for part in sums:
        told = " | ".join(str(sums[part][name]) for name in columns)
        numbers = sorted(seeds[part])
        shown = f"{numbers[0]}–{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
        lines.append(f"| {part} | {shown} | {told} |")
    return "\n".join([*lines, *failures])


if __name__ == "__main__":
    sys.exit(main())
