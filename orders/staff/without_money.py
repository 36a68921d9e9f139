"""Reviewers never see cost, rates or provider balances, also not inside a raw answer.

What may be an amount goes: a figure after a word for money, beside the sign of a currency (any of Unicode's, and ours of
customers.figures), or beside a code of three capitals. Rather one figure too many than one too few.
"""

import re

from customers.figures import SIGNS

_NUMBER = r"[-\u2212]?[.,]?\d+(?:[.,'\u2019\u00a0\u202f]\d+|[ ]\d{3}(?!\d))*(?:e[-+]?\d+)?"
_SIGN = "(?:{}|[$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0e3f\u17db\u20a0-\u20cf\ufdfc])".format(
    "|".join(re.escape(sign) for sign in sorted(SIGNS.values(), key=len, reverse=True))
)
_NO_CURRENCY = "UTC|GMT|API|TLS|SSL|DNS|URL|MIN|MAX|NOT|BAD|GET|ADD"
_CODE = rf"(?-i:(?!(?:{_NO_CURRENCY})\b)[A-Z]{{3}})"
_KNOWN = rf"(?-i:\b(?:{'|'.join(SIGNS)}))"  # also without a space: other letters before a figure are an id

_AMOUNT = re.compile(
    rf"""((?:charge|cost|price|balance|fund|amount|loss|(?<![a-z])rate)\w*["']?\s*(?:[:=]|is|of)?\s*["'(]?)
        -?(?:[A-Z]{{3}}\s*|{_SIGN}\s*)?{_NUMBER}""",
    re.IGNORECASE | re.VERBOSE,
)
_SIGNED = re.compile(
    rf"{_SIGN}\s*{_NUMBER}|\b{_CODE}\s{_NUMBER}|{_KNOWN}{_NUMBER}|{_NUMBER}\s*{_SIGN}|{_NUMBER}\s?{_CODE}(?![\w-])",
    re.IGNORECASE,
)


def without_money(text: str) -> str:
    """`{"order": 7, "charge": "0.27"}` → `{"order": 7, "charge": "…"}`: ids and words stay readable."""
    return _SIGNED.sub("…", _AMOUNT.sub(r"\1…", text))
