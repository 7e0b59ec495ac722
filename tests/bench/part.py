"""A part of what `make index` does, as it does it, and nothing else: what that part takes, the whole takes too.

part.py first WHEELS LIST RELEASE PLACE: hash every wheel, parse its METADATA, write its sidecar; let dumb-pypi render
the projects of its list; parse the pages of a release that is ready, and write them.
part.py change RELEASE PLACE: link the pages of a release but for the lists of all files; write and compress those.

All that stands in PLACE then, an empty folder, is synced.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import dumb_pypi.main
from lxml import html
from packaging.metadata import parse_email

from scripts.cores import in_pieces
from scripts.durable import sync_all

_PARSERS: Mapping[str, Callable[[bytes], object]] = {"index.json": json.loads, "index.html": html.document_fromstring}
# Lists of all files, and whether they are compressed: the second is the first again, the last has no twin.
_OF_ALL = {"files.jsonl": True, "packages.json": False, "sbom.cdx.json": True, "manifest.jsonl": False}
_AT_ONCE = 2_500


def read(place: Path, wheels: Sequence[Path]) -> int:
    """Write the sidecars of wheels, each of which is hashed and parsed; returns how many fields they have."""
    fields, sidecars = 0, []
    for wheel in wheels:
        with wheel.open("rb") as file, ZipFile(file) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = archive.read(name)
            file.seek(0)
            hashlib.file_digest(file, "sha256")
        fields += len(parse_email(metadata)[0])
        sidecars.append(place / "packages" / f"{wheel.name}.metadata")
        sidecars[-1].write_bytes(metadata)
    sync_all(sidecars)
    return fields


def render(place: Path, lines: Sequence[str]) -> int:
    """Let dumb-pypi render the projects of some lines; returns how many lines these are."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        packages = Path(folder) / "list.json"
        packages.write_text("".join(lines))
        command = f"--package-list-json={packages}", f"--output-dir={folder}", "--packages-url=../../packages/"
        dumb_pypi.main.main((*command, "--no-generate-timestamp", "--no-per-release-json"))
    return len(lines)


def write(release: Path, place: Path, folders: Sequence[Path]) -> int:
    """Parse and write the pages in folders of a release; returns how many these are."""
    written = []
    for folder in folders:
        (place / folder.relative_to(release)).mkdir(parents=True, exist_ok=True)
        for path in (path for path in folder.iterdir() if path.is_file()):
            data = path.read_bytes()
            if path.name in _PARSERS:
                _PARSERS[path.name](data)
            written.append(place / path.relative_to(release))
            written[-1].write_bytes(data)
    sync_all([*written, *(place / folder.relative_to(release) for folder in folders)])
    return len(written)


def link(release: Path, place: Path, folders: Sequence[Path]) -> int:
    """Link the pages in folders of a release, but no lists of all files; returns how many these are."""
    linked = 0
    for folder in folders:
        new = place / folder.relative_to(release)
        new.mkdir(parents=True, exist_ok=True)
        for path in (path for path in folder.iterdir() if path.is_file() and not path.name.startswith(tuple(_OF_ALL))):
            (new / path.name).hardlink_to(path)
            linked += 1
    sync_all(place / folder.relative_to(release) for folder in folders)
    return linked


def rewrite(release: Path, place: Path, names: Sequence[str]) -> int:
    """Write lists of all files, and compress them; returns how many these are."""
    for name in names:
        data = (release / name).read_bytes()
        written = {name: data, f"{name}.gz": gzip.compress(data, 6)} if _OF_ALL[name] else {name: data}
        for path, told in written.items():
            (place / path).write_bytes(told)
        sync_all(place / path for path in written)
    return len(names)


def main(kind: str, *paths: str) -> None:
    """Do the part of a first build, or of a change."""
    *_, release, place = map(Path, paths)
    (place / "packages").mkdir()
    folders = in_pieces([Path(above) for above, _, _ in os.walk(release)], _AT_ONCE)
    with ProcessPoolExecutor() as pool:
        if kind == "first":
            wheels, packages = map(Path, paths[:2])
            pieces = in_pieces(list(wheels.iterdir()), _AT_ONCE)
            lines = in_pieces(packages.read_text().splitlines(keepends=True), 2 * _AT_ONCE)
            done = {
                "fields of METADATA": pool.map(partial(read, place), pieces),
                "files on pages of dumb-pypi's": pool.map(partial(render, place), lines),
                "pages written": pool.map(partial(write, release, place), folders),
            }
        else:
            names = [[name] for name in _OF_ALL if (release / name).exists()]
            done = {
                "lists written": pool.map(partial(rewrite, release, place), names),
                "pages linked": pool.map(partial(link, release, place), folders),
            }
        print(", ".join(f"{sum(each)} {what}" for what, each in done.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
