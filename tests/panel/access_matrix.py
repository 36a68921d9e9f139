"""Reading the golden table of access, and walking every address of the project."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

ROLES = ("anonymous", "customer", "reviewer", "admin", "superuser")
TABLE = Path(__file__).with_name("access_matrix.txt")


@dataclass(frozen=True)
class Address:
    """One pattern. `path` as the table writes it: `/staff/orders/<order_id>`; `arguments`: the names in it."""

    path: str
    arguments: tuple[str, ...]

    def filled(self, samples: Mapping[str, object]) -> str:
        """With sample values. Raises LookupError for an argument nobody gave a sample for."""
        missing = [name for name in self.arguments if name not in samples]
        if missing:
            raise LookupError(
                f"{self.path}: no sample for <{missing[0]}>. Add it to `samples` in tests/panel/test_access_matrix.py:"
                " the id of an object of the first customer, so that the crawler can try it as the second."
            )
        return re.sub(r"<(\w+)>", lambda found: str(samples[found[1]]), self.path)


def walk() -> list[Address]:
    """Every address of the project, each once, sorted."""
    found = {address.path: address for address in _walk(get_resolver(), "/")}
    return [found[path] for path in sorted(found)]


def _walk(resolver: URLResolver, before: str) -> Iterator[Address]:
    for entry in resolver.url_patterns:
        path = before + _readable(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry, path)
        elif isinstance(entry, URLPattern):
            yield Address(path, tuple(re.findall(r"<(\w+)>", path)))


def _readable(pattern: object) -> str:
    if isinstance(pattern, RoutePattern):
        return re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", str(pattern))
    assert isinstance(pattern, RegexPattern)
    text = str(pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
    text = re.sub(
        r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"<\1>", text
    )  # one level of brackets inside is enough
    return text.replace("\\", "").rstrip("?") if text != "(?P<url>.*)$" else "<url>"


def read_table() -> dict[str, dict[str, str]]:
    """path → role → expected status. A path ending in `*` stands for all that begin so and have no line."""
    table = {}
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        assert len(words) == 1 + len(ROLES), (
            f"{TABLE.name}:{number}: a path and {len(ROLES)} statuses are needed"
        )
        assert words[0] not in table, f"{TABLE.name}:{number}: {words[0]} stands there twice"
        table[words[0]] = dict(zip(ROLES, words[1:], strict=True))
    return table


def expected_of(path: str, table: Mapping[str, Mapping[str, str]]) -> Mapping[str, str] | None:
    if path in table:
        return table[path]
    wide = [line for line in table if line.endswith("*") and path.startswith(line[:-1])]
    return table[max(wide, key=len)] if wide else None


def matches(status: int, wanted: str) -> bool:
    """`200`, one of `200/302`, or `*`: anything but a server error."""
    return status < 500 if wanted == "*" else str(status) in wanted.split("/")
