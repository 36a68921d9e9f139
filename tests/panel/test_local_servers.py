"""Servers live exactly as long as somebody holds them, however the holders end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from panel.local import postgres
from panel.local.held import hold, keeper_lives
from panel.local.places import Refusal, read_json, write_json
from tests.conftest import ROOT, wait_until

pytestmark = pytest.mark.slow

HOLD = """
import sys, time
from pathlib import Path
from panel.local.held import hold
held = hold("valkey", Path(sys.argv[1]), Path(sys.argv[2]))
print(held.url, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> Callable[[], bool]:
    """Ended; one that waits for its adopter to notice has ended too."""

    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    return ended


def other_holder(home: Path, log: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home), str(log)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("redis://")
    return process


def test_a_cluster_keeps_its_data_and_its_port_between_two_holds(tmp_path: Path) -> None:
    home, log = tmp_path / "postgres", tmp_path / "postgres.log"
    first = hold("postgres", home, log)
    with psycopg.connect(first.url) as link:
        link.execute("CREATE TABLE kept (word text)")
        link.execute("INSERT INTO kept VALUES ('yes')")
        link.commit()
        assert link.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
            False,
        )
    assert first.release()
    assert not keeper_lives(home)
    second = hold("postgres", home, log)
    assert second.url == first.url
    with psycopg.connect(second.url) as link:
        assert link.execute("SELECT word FROM kept").fetchone() == ("yes",)
    assert second.release()


def test_a_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18")
    held = hold("postgres", tmp_path / "postgres", tmp_path / "log")
    with psycopg.connect(held.url) as link:
        assert link.execute("SELECT 1").fetchone() == (1,)
    assert held.release()


def test_a_server_stays_for_the_second_holder_and_ends_with_the_last(tmp_path: Path) -> None:
    home, log = tmp_path / "valkey", tmp_path / "valkey.log"
    mine = hold("valkey", home, log)
    other = other_holder(home, log)
    try:
        server = int(read_json(home / "state.json")["pid"])
        assert not mine.release(wait_seconds=1)
        assert redis.Redis.from_url(mine.url).ping()
        other.kill()  # no goodbye: the kernel lets go of its lock
        wait_until(gone(server), 10, "the end of the server")
        wait_until(lambda: not keeper_lives(home), 5, "the end of the keeper")
    finally:
        other.kill()
        other.wait()


def test_a_killed_keeper_takes_its_server_along(tmp_path: Path) -> None:
    home = tmp_path / "valkey"
    held = hold("valkey", home, tmp_path / "valkey.log")
    state = read_json(home / "state.json")
    os.kill(int(state["keeper"]), signal.SIGKILL)
    wait_until(gone(int(state["pid"])), 5, "the end of the server")
    again = hold("valkey", home, tmp_path / "valkey.log")
    assert redis.Redis.from_url(again.url).ping()
    held.lock.close()
    assert again.release()


def test_a_server_that_dies_is_started_again_on_its_port(tmp_path: Path) -> None:
    home = tmp_path / "valkey"
    held = hold("valkey", home, tmp_path / "valkey.log")
    os.kill(int(read_json(home / "state.json")["pid"]), signal.SIGKILL)

    def answers() -> bool:
        try:
            return bool(redis.Redis.from_url(held.url).ping())
        except redis.ConnectionError:
            return False

    time.sleep(0.1)
    wait_until(answers, 5, "the server")
    assert held.release()


def test_a_throwaway_server_leaves_no_folder(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    held = hold("postgres", home, tmp_path / "log", throwaway=True)
    assert (home / "data").is_dir()
    assert held.release()
    assert not home.exists()


def test_a_cluster_of_another_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    assert hold("postgres", home, tmp_path / "log").release()
    (home / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(Refusal, match="made by PostgreSQL 12"):
        hold("postgres", home, tmp_path / "log")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
@pytest.mark.parametrize("identity", ["nobody+dac", "userns"])
def test_root_starts_postgresql_in_a_closed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: str
) -> None:
    tmp_path.chmod(0o700)
    if not _works(tmp_path, identity):
        pytest.skip(f"this machine does not allow {identity}")
    monkeypatch.setattr(postgres.Cluster, "_identity_for_root", lambda self: identity)
    cluster = postgres.Cluster(tmp_path / "postgres", throwaway=True)
    cluster.prepare()
    with (tmp_path / "log").open("ab") as log:
        process = cluster.start(log.fileno())
    try:
        cluster.wait_until_ready(process)
        with psycopg.connect(cluster.url) as link:
            assert link.execute("SELECT current_user").fetchone() == ("headwater",)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


def _works(folder: Path, identity: str) -> bool:
    command = [*postgres.LEASH, "SIGKILL", identity, "/bin/sh", "-c", f"touch '{folder}/probe'"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_remembered_port_that_is_taken_is_changed(tmp_path: Path) -> None:
    home = tmp_path / "valkey"
    first = hold("valkey", home, tmp_path / "log")
    port = read_json(home / "server.json")["port"]
    assert first.release()
    import socket

    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        second = hold("valkey", home, tmp_path / "log")
        assert read_json(home / "server.json")["port"] != port
        assert redis.Redis.from_url(second.url).ping()
        assert second.release()
    write_json(home / "server.json", {})
