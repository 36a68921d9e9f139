"""Secrets at rest: Fernet with a list of keys, so that a key can be rotated without downtime.

`FIELD_KEYS` holds the keys, newest first: the first encrypts, all decrypt. A value that no key
opens is an error, never an empty string or the ciphertext: a wrong key list must be noticed.
"""

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class SecretUnreadable(Exception):
    """None of FIELD_KEYS opens a stored secret: the key list of this process is not the one that wrote it."""


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    return _box(tuple(settings.FIELD_KEYS)).encrypt(plain.encode()).decode()


def decrypt(stored: str) -> str:
    try:
        return _box(tuple(settings.FIELD_KEYS)).decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable(
            "A stored secret cannot be read with the FIELD_KEYS of this process."
        ) from error


def reencrypt(stored: str) -> str:
    """The same secret under the first of FIELD_KEYS; what it already opens is returned as it is.

    Raises SecretUnreadable.
    """
    keys = tuple(settings.FIELD_KEYS)
    try:
        _box(keys[:1]).decrypt(stored.encode())
    except InvalidToken:
        return encrypt(decrypt(stored))
    return stored


class EncryptedTextField(models.TextField):
    """Text that is ciphertext in the database. Empty stays empty: "no key yet" needs no key to read."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value) if value else value
