"""docs/commands.md names every command of ours, and none that there is not."""

import re

from django.core.management import get_commands, load_command_class

from tests.conftest import ROOT

ROOMS = ("customers", "orders", "providers", "panel")


def test_every_command_is_in_the_list_and_every_one_listed_is_there() -> None:
    there = {name for name, room in get_commands().items() if room in ROOMS}
    rows = [line for line in (ROOT / "docs/commands.md").read_text("utf-8").splitlines() if line[:2] == "| "]
    first_columns = (line.split(" | ")[0] for line in rows)
    listed = {name for column in first_columns for name in re.findall(r"`([a-z_]{4,})", column)}
    assert listed == there


def test_those_said_to_take_by_and_dry_run_take_them() -> None:
    text = (ROOT / "docs/commands.md").read_text("utf-8")
    sentence = text[text.index("* `--dry-run`") : text.index("* PROVIDER")]
    named = set(re.findall(r"`([a-z_]{5,})", sentence))
    takes_by, takes_dry_run = set(), set()
    for name in (name for name, room in get_commands().items() if room == "providers"):
        options = load_command_class("providers", name).create_parser("manage", name).format_help()
        takes_by |= {name} if "--by EMAIL" in options else set()
        takes_dry_run |= {name} if "--dry-run" in options else set()
    assert named == takes_dry_run
    reading = {
        "provider_show", "provider_health", "service_show", "catalog_changes", "sync_catalog", "sync_balances",
        "sandbox_provider",
    }  # fmt: skip
    assert {name for name, room in get_commands().items() if room == "providers"} - takes_by == reading
