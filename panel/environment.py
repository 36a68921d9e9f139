"""Strict readers for settings.py: a value is right, or the start stops with one sentence that names it."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet
from django.conf.locale import LANG_INFO
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()
T = TypeVar("T")


def text(name: str, default: str) -> str:
    """The variable, or `default` where it is absent or empty (compose files pass empty strings)."""
    value: str = env.str(name, default="")
    return value.strip() or default


def _read(name: str, default: str, convert: Callable[[str], T], wanted: str) -> T:
    raw = text(name, default)
    try:
        return convert(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {raw!r}; it must be {wanted}.") from None


def whole_number(name: str, default: int, *, at_least: int = 0, at_most: int = 10**9) -> int:
    def convert(raw: str) -> int:
        number = int(raw)
        if not at_least <= number <= at_most:
            raise ValueError
        return number

    return _read(name, str(default), convert, f"a whole number from {at_least} to {at_most}")


def switch(name: str, default: bool) -> bool:
    words = {"on": True, "true": True, "1": True, "yes": True} | {
        "off": False,
        "false": False,
        "0": False,
        "no": False,
    }

    def convert(raw: str) -> bool:
        if raw.lower() not in words:
            raise ValueError
        return words[raw.lower()]

    return _read(name, "on" if default else "off", convert, "on or off")


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list; blanks around and between the commas are dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def currency(name: str, default: str) -> str:
    def convert(raw: str) -> str:
        if not (len(raw) == 3 and raw.isascii() and raw.isalpha() and raw.isupper()):
            raise ValueError
        return raw

    return _read(name, default, convert, "three capital letters such as USD")


def languages(name: str, default: str) -> list[tuple[str, str]]:
    """Codes with commas, each with its own name for itself: what people may choose. English is always one."""

    def convert(raw: str) -> list[tuple[str, str]]:
        codes = dict.fromkeys(["en", *(word.strip().lower() for word in raw.split(",") if word.strip())])
        try:
            return [(code, LANG_INFO[code]["name_local"]) for code in codes]
        except KeyError:
            raise ValueError from None

    return _read(name, default, convert, "language codes with commas between them, such as en,de")


def site_url(name: str, default: str) -> str:
    def convert(raw: str) -> str:
        parts = urlsplit(raw)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError
        return f"{parts.scheme}://{parts.netloc}"

    return _read(name, default, convert, "an address without a path, such as https://panel.example.com")


def host_ports(name: str) -> frozenset[str]:
    """The exact `host:port` pairs that may be private addresses."""

    def convert(raw: str) -> frozenset[str]:
        pairs = frozenset(word.strip().lower() for word in raw.split(",") if word.strip())
        for pair in pairs:
            host, _, port = pair.rpartition(":")
            if not host or "/" in host or not 1 <= int(port) <= 65535:
                raise ValueError
        return pairs

    return _read(name, "", convert, "host:port pairs with commas between them, such as 127.0.0.1:8900")


def fernet_keys(name: str) -> list[str]:
    """Fernet keys, the newest first; the first encrypts, all of them decrypt. Never echoed in an error."""
    keys = words(name)
    for place, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} holds as number {place} something that is no Fernet key; make one as .env.example shows."
            ) from None
    return keys


def database(name: str, default: str) -> dict[str, object]:
    raw = text(name, default)
    scheme = urlsplit(raw).scheme
    if scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(
            f"{name} starts with {scheme or 'no scheme'}://; only PostgreSQL can hold a panel:"
            " postgres://user:password@host:5432/name."
        )
    parsed: dict[str, object] = env.db_url_config(raw)
    if not parsed.get("NAME"):
        raise ImproperlyConfigured(
            f"{name} names no database; write postgres://user:password@host:5432/name."
        )
    return parsed


def redis_url(name: str, default: str) -> str:
    def convert(raw: str) -> str:
        parts = urlsplit(raw)
        if parts.scheme not in ("redis", "rediss", "unix") or not (parts.hostname or parts.path):
            raise ValueError
        return raw

    try:
        return convert(text(name, default))
    except ValueError:
        # the value may hold a password, so it is not repeated
        raise ImproperlyConfigured(f"{name} must look like redis://:password@host:6379/0.") from None


def email(name: str) -> dict[str, object]:
    raw = text(name, "")
    if not raw:
        return {}
    try:
        parsed: dict[str, object] = env.email_url_config(raw)
    except (KeyError, ValueError, ImproperlyConfigured):
        raise ImproperlyConfigured(
            f"{name} must look like smtp+tls://user:password@host:587 (or smtp://, smtp+ssl://)."
        ) from None
    return parsed
