"""The sheet reads from the side its language reads from: no left or right, apart from the places that mirror by hand."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

SHEETS = sorted((ROOT / "static" / "css").glob("*.css"))
PHYSICAL = re.compile(
    r"(?:^|[;{\s])(?:(?:margin|padding|border|scroll-margin|scroll-padding)-(?:left|right)[a-z-]*|left|right|float)\s*:"
    r"|(?:text-align|float|clear)\s*:\s*(?:left|right)\b"
    r"|border-(?:top|bottom)-(?:left|right)-radius"
    r"|background-position[a-z-]*\s*:[^;}]*\b(?:left|right)\b"
)
INSET = re.compile(r"inset\s*:\s*([^;}]+)")


def rules_of(css: str) -> list[str]:
    return re.findall(r"[^{}]*\{[^{}]*\}", re.sub(r"/\*.*?\*/", "", css, flags=re.S))


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_only_logical_properties(sheet: Path) -> None:
    found = [rule.strip() for rule in rules_of(sheet.read_text()) if PHYSICAL.search(rule)]
    # background-position knows no logical words; of a select, a [dir=rtl] rule beside it mirrors it
    meant = [rule for rule in found if "background-position" in rule and ".form-select" in rule]
    assert [rule for rule in found if rule not in meant] == []
    assert len(meant) <= 2


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_an_inset_of_four_sides_treats_both_sides_alike_or_is_mirrored(sheet: Path) -> None:
    """`inset` is physical: top right bottom left. A one-sided one needs a [dir=rtl] rule of the same selector."""
    css = sheet.read_text()
    for rule in rules_of(css):
        for value in INSET.findall(rule):
            sides = value.split()
            if len(sides) == 4 and sides[1] != sides[3] and "[dir=rtl]" not in rule:
                selector = rule.split("{")[0].strip().split()[-1]
                assert f"[dir=rtl] {selector}" in css, rule.strip()
