"""Rebuilds static/vendor/ from the npm registry: `python static/vendor/refresh.py`.

Needs npm (only for `npm pack`; nothing is installed and no package code runs) and network access.
The panel itself never runs this: the files it makes are committed, so that installing needs no Node.
`python static/vendor/refresh.py --check` compares the committed files with MANIFEST.json, offline.

Changes made to the originals, each named in the manifest: source-map references are dropped, because the
maps are not shipped and a hashed static storage refuses a reference to a missing file.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BROWSER_TESTS = ROOT / "tests" / "browser" / "vendor"

# package, version, folder name, licence, {file in the package: our name}, where it goes
PACKAGES: list[tuple[str, str, str, str, dict[str, str], Path]] = [
    (
        "bootstrap",
        "5.3.8",
        "bootstrap",
        "MIT",
        {
            "dist/css/bootstrap.min.css": "bootstrap.min.css",
            "dist/css/bootstrap.rtl.min.css": "bootstrap.rtl.min.css",
        },
        HERE,
    ),
    ("htmx.org", "2.0.11", "htmx", "0BSD", {"dist/htmx.min.js": "htmx.min.js"}, HERE),
    ("idiomorph", "0.8.0", "idiomorph", "0BSD", {"dist/idiomorph-ext.min.js": "idiomorph-ext.min.js"}, HERE),
    (
        "@fontsource-variable/inter",
        "5.3.0",
        "inter",
        "OFL-1.1",
        {"files/inter-latin-wght-normal.woff2": "inter-latin-wght-normal.woff2"},
        HERE,
    ),
    ("@tabler/icons", "3.51.0", "tabler-icons", "MIT", {}, HERE),
    ("axe-core", "4.14.1", "axe-core", "MPL-2.0", {"axe.min.js": "axe.min.js"}, BROWSER_TESTS),
]

SOURCE_MAP = re.compile(r"\n?(?:/\*#|//#) sourceMappingURL=.*?(?:\*/)?\s*$")


def unpack(package: str, version: str, into: Path) -> Path:
    subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=into, check=True, stdout=2)
    archive = next(into.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="data")
    return into / "package"


def sprite(package: Path) -> str:
    """One SVG with a <symbol> per name in icons.txt, drawn by `{% icon %}` through <use>."""
    symbols = ['<svg xmlns="http://www.w3.org/2000/svg">']
    for name in (HERE / "icons.txt").read_text().split():
        source = (package / "icons" / "outline" / f"{name}.svg").read_text()
        body = re.search(r"<svg[^>]*>(.*)</svg>", source, re.S)
        if not body:
            raise SystemExit(f"{name}.svg is not drawn as expected")
        shapes = " ".join(re.sub(r'<path stroke="none"[^>]*/>', "", body.group(1)).split())
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{shapes}</symbol>')
    return "\n".join([*symbols, "</svg>"]) + "\n"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rebuild() -> None:
    manifests: dict[Path, dict[str, dict[str, str]]] = {HERE: {}, BROWSER_TESTS: {}}
    for package, version, folder, licence, files, home in PACKAGES:
        target = home / f"{folder}-{version}"
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            source = unpack(package, version, Path(scratch))
            made = {"LICENSE": "as published"}
            (target / "LICENSE").write_bytes((source / "LICENSE").read_bytes())
            for path, name in files.items():
                content = (source / path).read_bytes()
                made[name] = "as published"
                if name.endswith((".css", ".js")):
                    text = content.decode()
                    stripped = SOURCE_MAP.sub("\n", text)
                    if stripped != text:
                        content, made[name] = stripped.encode(), "source-map reference removed"
                (target / name).write_bytes(content)
            if package == "@tabler/icons":
                (target / "icons.svg").write_text(sprite(source))
                made["icons.svg"] = "sprite of the icons named in icons.txt"
        for name, how in sorted(made.items()):
            manifests[home][f"{target.name}/{name}"] = {
                "sha256": digest(target / name),
                "source": f"npm:{package}",
                "version": version,
                "licence": licence,
                "made": how,
            }
    for home, manifest in manifests.items():
        (home / "MANIFEST.json").write_text(json.dumps(manifest, indent=2) + "\n")


def differences() -> list[str]:
    """Files that are missing or differ from their manifest, and files no manifest knows."""
    found = []
    for home in (HERE, BROWSER_TESTS):
        manifest = json.loads((home / "MANIFEST.json").read_text())
        for name, entry in manifest.items():
            path = home / name
            if not path.is_file():
                found.append(f"{name}: missing")
            elif digest(path) != entry["sha256"]:
                found.append(f"{name}: changed")
        known = {home / name for name in manifest}
        found += [
            f"{path.relative_to(home)}: not in the manifest"
            for path in home.glob("*/*")
            if path.parent.name != "__pycache__" and path not in known
        ]
    return found


if __name__ == "__main__":
    if "--check" not in sys.argv:
        rebuild()
    problems = differences()
    print("\n".join(problems) or "all vendored files match their manifests")
    sys.exit(1 if problems else 0)
