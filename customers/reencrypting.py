"""Writing every stored secret anew under the first of FIELD_KEYS, so that the keys behind it can be taken away.

    1. columns that are secrets as a whole (EncryptedTextField, in whatever app: providers' keys)
    2. settings that are secrets (addresses and tokens of notices)
    3. second factors: the secret of an authenticator app, the seed of recovery codes

Everything may run meanwhile, if all processes were restarted with the new key in front before: a row is written only
where it still is what was read, so a secret that somebody replaces at this moment is not put back. Running it again
changes nothing. What no key opens is left as it is and named.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import connection, models, transaction

from customers.audit import record
from customers.encryption import EncryptedTextField, SecretUnreadable, reencrypt
from customers.models import Setting

# Where allauth keeps what MfaAdapter.encrypt made.
OF_SECOND_FACTORS = frozenset({"secret", "seed", "migrated_codes"})
OF_SETTINGS = frozenset({"sealed"})


@dataclass
class Result:
    """`renewed`: secrets written anew; `already`: under the first key before. `unreadable`: no key opens them."""

    renewed: int = 0
    already: int = 0
    unreadable: list[str] = field(default_factory=list)


def reencrypt_all() -> Result:
    """Renew every stored secret; see the module. One audit entry where something was written."""
    result = Result()
    for model, column in _secret_columns():
        _renew_column(model, column, result)
    _renew_json(Setting, "value", OF_SETTINGS, result)
    _renew_json(Authenticator, "data", OF_SECOND_FACTORS, result)
    if result.renewed:
        details = {"renewed": result.renewed, "already": result.already, "unreadable": result.unreadable}
        summary = f"{result.renewed} stored secrets written anew under the first field key"
        record(None, "secrets.reencrypt", "secrets", summary, details)
    return result


def _secret_columns() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if isinstance(column, EncryptedTextField) and column.model is model:
                yield model, str(column.column)


def _renew_column(model: type[models.Model], column: str, result: Result) -> None:
    """In SQL: the field itself would show the plain text, and encrypt what it is given once more."""
    quoted = connection.ops.quote_name
    table, name = quoted(model._meta.db_table), quoted(column)
    key = quoted(str(model._meta.pk.column if model._meta.pk else "id"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT {key}, {name} FROM {table} WHERE {name} <> '' ORDER BY {key}")
        for pk, stored in cursor.fetchall():
            fresh = _renewed(stored, f"{model._meta.label} {pk}", result)
            if fresh != stored:
                cursor.execute(
                    f"UPDATE {table} SET {name} = %s WHERE {key} = %s AND {name} = %s", [fresh, pk, stored]
                )


def _renew_json(model: type[models.Model], column: str, names: frozenset[str], result: Result) -> None:
    with transaction.atomic():
        rows = model._default_manager.select_for_update().order_by("pk").values_list("pk", column)
        for pk, value in rows:
            where = f"{model._meta.label} {pk}"

            def renewed(stored: str, where: str = where) -> str:
                return _renewed(stored, where, result)

            fresh = _walked(value, names, renewed)
            if fresh != value:
                model._default_manager.filter(pk=pk).update(**{column: fresh})


def _walked(value: Any, names: frozenset[str], renewed: Callable[[str], str]) -> Any:
    """The same JSON with the secrets below these names written anew."""
    if not isinstance(value, dict):
        return value
    fresh = dict(value)
    for name in names & value.keys():
        found = value[name]
        if isinstance(found, str) and found:
            fresh[name] = renewed(found)
        elif isinstance(found, list):
            fresh[name] = [renewed(one) for one in found]
    return fresh


def _renewed(stored: str, where: str, result: Result) -> str:
    try:
        fresh = reencrypt(stored)
    except SecretUnreadable:
        result.unreadable.append(where)
        return stored
    if fresh == stored:
        result.already += 1
    else:
        result.renewed += 1
    return fresh
