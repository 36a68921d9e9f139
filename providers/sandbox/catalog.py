"""The demo catalog: neutral business services, every type at least once; generated rows for benches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Row = dict[str, Any]

# category: [(name, type, rate, min, max, refill, cancel), …]; the rate is per 1000, or per order for packages
DEMO: dict[str, list[tuple[str, str, str, int, int, bool, bool]]] = {
    "Display impressions": [
        ("Display impressions, run of network", "Default", "0.90", 1000, 1000000, False, True),
        ("Display impressions, business sites", "Default", "1.75", 1000, 500000, False, True),
        ("Display impressions, technology sites", "Default", "2.10", 1000, 500000, False, True),
        ("Display impressions, mobile only", "Default", "1.20", 500, 750000, False, True),
        ("Display impressions, evening hours", "Default", "1.45", 500, 250000, True, True),
        ("Video pre-roll views, 15 seconds", "Default", "6.40", 100, 100000, True, True),
        ("Audio spot plays, 30 seconds", "Default", "4.80", 100, 80000, False, False),
    ],
    "Website visits": [
        ("Website visits, worldwide", "Web Traffic", "0.60", 500, 1000000, False, True),
        ("Website visits, selected country", "Web Traffic", "1.10", 500, 500000, False, True),
        ("Website visits, desktop readers", "Web Traffic", "1.35", 200, 200000, False, True),
        ("Landing page load test visits", "Default", "0.35", 1000, 2000000, False, True),
        ("Accessibility check visits", "Default", "3.20", 50, 20000, False, True),
    ],
    "Newsletter placements": [
        ("Newsletter placement, weekly digest", "Package", "45.00", 1, 1, False, True),
        ("Newsletter placement, top banner", "Package", "120.00", 1, 1, False, True),
        ("Newsletter placement, classified line", "Package", "12.50", 1, 1, False, False),
        ("Newsletter reads, opted-in lists", "Default", "8.00", 100, 50000, True, True),
        ("Newsletter sign-up page visits", "Default", "5.50", 100, 40000, False, True),
        ("Digest serial: a note with every issue", "Subscriptions", "9.00", 10, 5000, False, True),
    ],
    "Directory listings": [
        ("Directory listing, one year", "Package", "18.00", 1, 1, True, False),
        ("Directory listing, featured for a month", "Package", "32.00", 1, 1, False, False),
        ("Directory listings, regional bundle", "Default", "950.00", 5, 200, True, False),
        ("Trade directory listings", "Default", "1400.00", 5, 100, True, False),
        ("Map listing checks", "Default", "220.00", 10, 2000, False, True),
    ],
    "Press distribution": [
        ("Press release, regional wire", "Package", "65.00", 1, 1, False, False),
        ("Press release, national wire", "Package", "190.00", 1, 1, False, False),
        ("Press release with custom quotes", "Custom Comments Package", "80.00", 1, 1, False, True),
        ("Press clippings report", "Package", "25.00", 1, 1, False, False),
        ("Editorial inboxes reached", "Default", "75.00", 20, 5000, False, True),
        ("Photo archive placements", "Default", "140.00", 10, 1000, True, True),
    ],
    "App testing": [
        ("App test sessions, 10 minutes", "Default", "900.00", 5, 2000, True, True),
        ("App test sessions, first launch", "Default", "350.00", 10, 5000, True, True),
        ("App test by your own script, a step per line", "Custom Comments", "1200.00", 1, 300, False, True),
        ("App crash hunting package", "Package", "75.00", 1, 1, False, True),
        ("Device laboratory runs", "Default", "480.00", 5, 3000, False, True),
        ("Tester seats, moderated session", "Guided Seats", "2500.00", 1, 50, False, True),
    ],
    "Survey answers": [
        ("Survey answers, general panel", "Default", "420.00", 20, 10000, True, True),
        ("Survey answers, business panel", "Default", "1150.00", 10, 3000, True, True),
        ("Test ballot, answer by number", "Poll", "60.00", 50, 20000, False, True),
        ("Rated answers in a closed test forum", "Comment Likes", "35.00", 20, 5000, False, True),
        ("Moderated replies in a closed test forum", "Comment Replies", "700.00", 1, 500, False, True),
        ("Interview summaries package", "Custom Comments Package", "150.00", 1, 1, False, False),
    ],
    "Localization": [
        ("Localized strings, a string per line", "Custom Comments", "180.00", 5, 5000, True, True),
        ("Localized strings, reviewed", "Custom Comments", "320.00", 5, 3000, True, True),
        ("Glossary entries, a term per line", "Custom Comments", "240.00", 10, 2000, False, True),
        ("Style guide package", "Package", "95.00", 1, 1, True, False),
        ("Subtitle minutes", "Default", "2600.00", 1, 600, True, True),
        ("Screen text checks", "Default", "90.00", 50, 10000, True, True),
    ],
    "Search visibility": [
        ("Keyword position checks", "SEO", "12.00", 100, 50000, False, True),
        ("Keyword research entries", "SEO", "150.00", 20, 5000, False, True),
        ("Site map crawl pages", "Default", "0.40", 500, 1000000, False, True),
        ("Broken link checks", "Default", "0.25", 500, 1000000, False, True),
        ("Structured data audit package", "Package", "55.00", 1, 1, True, False),
    ],
    "Events and invitations": [
        ("Event invitations from member groups", "Invites from Groups", "40.00", 50, 10000, False, True),
        ("Event notes to named partners", "Mentions", "28.00", 20, 5000, False, True),
        (
            "Event notes to named partners, with topics",
            "Mentions with Hashtags",
            "34.00",
            20,
            5000,
            False,
            True,
        ),
        ("Event notes to your own list", "Mentions Custom List", "45.00", 5, 2000, False, True),
        ("Event notes by topic", "Mentions Hashtag", "22.00", 50, 10000, False, True),
        ("Event notes to readers of a partner", "Mentions User Followers", "26.00", 50, 10000, False, True),
        ("Event notes to attendees of a past talk", "Mentions Media Likers", "30.00", 50, 10000, False, True),
        ("Seat reminders", "Default", "7.50", 50, 20000, True, True),
    ],
}
GENERATED_TYPES = (
    "Default",
    "Default",
    "Default",
    "Package",
    "Custom Comments",
    "SEO",
    "Web Traffic",
    "Poll",
)


def demo_rows(count: int | None = None) -> list[Row]:
    """The demo catalog, cut or filled with generated rows to `count`. Always the same rows, ids from 1."""
    rows: list[Row] = []
    for category, offers in DEMO.items():
        for name, kind, rate, low, high, refill, cancel in offers:
            rows.append(_row(len(rows) + 1, name, kind, category, rate, low, high, refill, cancel))
    if count is None:
        return rows
    return rows[:count] + [_generated(number) for number in range(len(rows) + 1, count + 1)]


def _generated(number: int) -> Row:
    kind = GENERATED_TYPES[number % len(GENERATED_TYPES)]
    category = f"{list(DEMO)[number % len(DEMO)]}, region {number % 97 + 1}"
    flat = kind == "Package"
    rate = f"{5 + number * 37 % 9000 / 100:.2f}" if flat else f"{0.2 + number * 13 % 4000 / 1000:.3f}"
    low, high = (1, 1) if flat else (1 if kind == "Custom Comments" else 10, 100000)
    return _row(
        number, f"Regional offer {number}", kind, category, rate, low, high, number % 3 == 0, number % 4 != 0
    )


def _row(
    number: int,
    name: str,
    kind: str,
    category: str,
    rate: str,
    low: int,
    high: int,
    refill: bool,
    cancel: bool,
) -> Row:
    return {
        "service": number,
        "name": name,
        "type": kind,
        "category": category,
        "rate": rate,
        "min": str(low),
        "max": str(high),
        "refill": refill,
        "cancel": cancel,
    }


class Catalog:
    """Rows as the services action shows them, by id; steered live by /control."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[str, Row] = {str(row["service"]): row for row in rows}

    def rows(self) -> list[Row]:
        return list(self._rows.values())

    def get(self, service_id: str) -> Row | None:
        return self._rows.get(service_id.strip())

    def change(self, service_id: str, values: Mapping[str, Any]) -> None:
        """Set fields of a row; KeyError when there is no such service."""
        self._rows[service_id] = {**self._rows[service_id], **values}

    def remove(self, service_ids: Iterable[str]) -> None:
        for service_id in service_ids:
            self._rows.pop(service_id, None)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows; missing fields take plain defaults, a missing id the next free number."""
        for values in rows:
            taken = [int(number) for number in self._rows if number.isdigit()]
            number = values.get("service") or max(taken, default=0) + 1
            row = _row(0, f"Offer {number}", "Default", "Added", "1.00", 10, 10000, False, True)
            self._rows[str(number)] = {**row, **values, "service": number}
