"""People and money in the back office: read-only, without passwords, hashes and secrets."""

from customers.back_office import register
from customers.models import (
    Account,
    ApiKey,
    AuditEntry,
    DepositRequest,
    Heartbeat,
    PriceGroup,
    Setting,
    Transfer,
    User,
)

register(
    User,
    ["id", "email", "name", "role", "is_active", "date_joined", "last_login"],
    find=["email", "name"],
    by=["role", "is_active"],
    hidden=["password"],
)
register(Account, ["id", "kind", "user", "balance"], find=["user__email"], by=["kind"], with_rows=["user"])
register(
    Transfer,
    ["id", "at", "source", "target", "amount", "cause", "actor"],
    find=["=cause", "=order_number"],
    with_rows=["source", "target"],
)
register(
    DepositRequest,
    ["id", "user", "method", "reference", "amount", "state", "created_at"],
    find=["reference", "user__email"],
    by=["state"],
    with_rows=["user"],
)
register(
    ApiKey,
    ["id", "user", "label", "prefix", "last_used_at", "revoked_at"],
    find=["user__email", "prefix"],
    hidden=["digest"],
    with_rows=["user"],
)
register(
    AuditEntry, ["id", "at", "actor_label", "verb", "subject", "summary"], find=["actor_label", "subject"]
)
register(PriceGroup, ["id", "name", "note"])
register(Setting, ["key", "changed_at", "changed_by"], with_rows=["changed_by"])
register(Heartbeat, ["name", "kind", "at"])
