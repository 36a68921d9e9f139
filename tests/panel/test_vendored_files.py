"""What we ship of others is what the manifest says, byte for byte."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_vendored_file_matches_its_manifest() -> None:
    refresh = runpy.run_path(str(ROOT / "static" / "vendor" / "refresh.py"))
    assert refresh["differences"]() == []


def test_each_library_brings_its_licence() -> None:
    for folder in (ROOT / "static" / "vendor").iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert (folder / "LICENSE").stat().st_size > 300, folder.name
