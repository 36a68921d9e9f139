"""The small pieces under ./run: ports, secrets, the merged environment."""

import socket
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from panel.local import places, surroundings


def test_a_taken_port_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not places.port_is_free(port)
        assert places.free_port(port) != port
    assert places.port_is_free(port)
    assert places.free_port(0, port) == port


def test_a_file_with_secrets_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "secrets.json"
    places.write_json(path, {"a": 1})
    places.write_json(path, {"a": 2})
    assert places.read_json(path) == {"a": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secrets.json"]


def test_a_file_that_was_cut_short_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"url": "postg')
    assert places.read_json(tmp_path / "state.json") == {}
    assert places.read_json(tmp_path / "nothing.json") == {}


@pytest.fixture
def own_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(surroundings, "SECRETS", tmp_path / "secrets.json")
    monkeypatch.setattr(surroundings, "KNOWN", tmp_path / "known.json")
    return tmp_path


def test_secrets_are_made_once_and_kept(own_var: Path) -> None:
    first = surroundings.kept_secrets()
    assert surroundings.kept_secrets() == first
    Fernet(first["FIELD_KEYS"])
    assert len(first["SECRET_KEY"]) >= 50


def test_what_the_caller_set_wins(own_var: Path) -> None:
    got = surroundings.surroundings(
        {"SECRET_KEY": "mine", "CURRENCY": "", "HOME": ""}, "postgres://own", "redis://own"
    )
    assert got["SECRET_KEY"] == "mine"
    assert got["DATABASE_URL"] == "postgres://own"
    assert "CURRENCY" not in got  # an empty value means the default
    assert got["HOME"] == ""  # what is not ours is passed on as it is
    own = surroundings.surroundings({"DATABASE_URL": "postgres://theirs"}, "", "redis://own")
    assert own["DATABASE_URL"] == "postgres://theirs"


def test_private_addresses_of_the_caller_and_of_the_sandbox_are_merged(own_var: Path) -> None:
    places.write_json(own_var / "known.json", {"sandbox_port": 8900})
    got = surroundings.surroundings({"PROVIDER_ALLOWED_PRIVATE": "10.0.0.5:80, 127.0.0.1:8900"}, "a", "b")
    assert got["PROVIDER_ALLOWED_PRIVATE"] == "10.0.0.5:80,127.0.0.1:8900,localhost:8900"


@pytest.mark.parametrize(("demo", "seconds"), [(True, "0"), (False, None)])
def test_only_a_demo_believes_one_reading(own_var: Path, demo: bool, seconds: str | None) -> None:
    places.write_json(own_var / "known.json", {"demo": demo})
    assert surroundings.surroundings({}, "a", "b").get("STATUS_CONFIRM_SECONDS") == seconds
    assert (
        surroundings.surroundings({"STATUS_CONFIRM_SECONDS": "7"}, "a", "b")["STATUS_CONFIRM_SECONDS"] == "7"
    )
