"""The environment that the panel's processes get on this machine: the caller's, filled up from var/."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from panel.local.places import KNOWN, RUN_STATE, SECRETS, VAR, new_secret, read_json, write_json

# What a caller may have said to ./run and what ./manage must then hear too (CONTRACT: Environment).
VARIABLES = """
    DATABASE_URL REDIS_URL SECRET_KEY FIELD_KEYS ALLOWED_HOSTS SITE_NAME SITE_URL DEBUG PORT BIND
    WEB_WORKERS WEB_THREADS WORKER_PROCESSES WORKER_THREADS EMAIL_URL DEFAULT_FROM_EMAIL SENTRY_DSN
    PROVIDER_ALLOWED_PRIVATE STATUS_CONFIRM_SECONDS UNKNOWN_QUARANTINE_SECONDS API_RATE_LIMITS CURRENCY
    LANGUAGES METRICS_TOKEN TRUSTED_PROXIES LOG_LEVEL STATE_DIR STATIC_ROOT DB_PREPARED_STATEMENTS
""".split()


def kept_secrets() -> dict[str, str]:
    """SECRET_KEY and FIELD_KEYS of this folder; made once, readable by the owner only."""
    kept = read_json(SECRETS)
    if not {"SECRET_KEY", "FIELD_KEYS"} <= kept.keys():
        kept = {
            "SECRET_KEY": new_secret(),
            "FIELD_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        } | kept
        write_json(SECRETS, kept)
    return kept


def merged_private(caller: str, sandbox_port: int) -> str:
    """The caller's PROVIDER_ALLOWED_PRIVATE and our own sandbox, each pair once."""
    pairs = [word.strip() for word in caller.split(",") if word.strip()]
    if sandbox_port:
        pairs += [f"127.0.0.1:{sandbox_port}", f"localhost:{sandbox_port}"]
    return ",".join(dict.fromkeys(pairs))


def surroundings(caller: Mapping[str, str], database: str, broker: str) -> dict[str, str]:
    """The full environment for a process of the panel. What the caller set wins, or is merged."""
    known = read_json(KNOWN)
    defaults = kept_secrets() | {
        "DJANGO_SETTINGS_MODULE": "panel.settings",
        "STATE_DIR": str(VAR),
        "PYTHONUNBUFFERED": "1",
    }
    if known.get("demo"):
        defaults["STATUS_CONFIRM_SECONDS"] = (
            "0"  # a demo should not keep its visitor waiting for a second look
        )
    given = {name: value for name, value in caller.items() if value or name not in VARIABLES}
    return (
        defaults
        | given
        | {
            "DATABASE_URL": given.get("DATABASE_URL") or database,
            "REDIS_URL": given.get("REDIS_URL") or broker,
            "PROVIDER_ALLOWED_PRIVATE": merged_private(
                given.get("PROVIDER_ALLOWED_PRIVATE", ""), int(known.get("sandbox_port", 0))
            ),
        }
    )


def remember_for_commands(environment: Mapping[str, str]) -> None:
    """Let ./manage, in whatever terminal, see what this ./run was told."""
    write_json(RUN_STATE, {name: environment[name] for name in VARIABLES if name in environment})


def remembered() -> dict[str, str]:
    return {str(name): str(value) for name, value in read_json(RUN_STATE).items()}


def log_file(name: str) -> Path:
    return VAR / "log" / f"{name}.log"
