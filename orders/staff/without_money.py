"""Reviewers never see cost, rates or provider balances, also not inside a raw answer."""

import re

_AMOUNT = re.compile(
    r"""(\b(?:charge|cost|rate|price|balance|funds?|amount)\w*["']?\s*(?:[:=]|is|of)?\s*["']?)  # a word for money
        (?:[A-Z]{3}\s*|[$€£₹]\s*)?-?\d+(?:[.,]\d+)*""",
    re.IGNORECASE | re.VERBOSE,
)
_SIGNED = re.compile(r"(?:[$€£₹]\s*\d+(?:[.,]\d+)*|\b\d+(?:[.,]\d+)*\s*(?:USD|EUR|GBP|INR)\b)")


def without_money(text: str) -> str:
    """`{"order": 7, "charge": "0.27"}` → `{"order": 7, "charge": "…"}`: ids and words stay readable."""
    return _SIGNED.sub("…", _AMOUNT.sub(r"\1…", text))
