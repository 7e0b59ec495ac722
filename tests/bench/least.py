"""A folder of wheels, a release, an empty folder -> sidecars and pages there: what a first build does at the least.

Every wheel is hashed and its METADATA read; every page is there already, so that it is parsed once, as whoever checks
it has to, and written. All cores work, and nothing is synced.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from zipfile import ZipFile

from lxml import html

_PARSERS: Mapping[str, Callable[[bytes], object]] = {"index.json": json.loads, "index.html": html.document_fromstring}


def read(sidecars: Path, wheel: Path) -> str:
    """Write a wheel's sidecar; returns the wheel's sha256."""
    with wheel.open("rb") as file, ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        (sidecars / f"{wheel.name}.metadata").write_bytes(archive.read(name))
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(release: Path, place: Path, folder: Path) -> int:
    """Parse the pages of a folder of a release, and write what stands in it; returns how many files that are."""
    (place / folder.relative_to(release)).mkdir(parents=True, exist_ok=True)
    files = [path for path in folder.iterdir() if path.is_file()]
    for path in files:
        data = path.read_bytes()
        if path.name in _PARSERS:
            _PARSERS[path.name](data)
        (place / path.relative_to(release)).write_bytes(data)
    return len(files)


if __name__ == "__main__":
    wheels, release, place = map(Path, sys.argv[1:])
    (place / "packages").mkdir()
    folders = [Path(above) for above, _, _ in os.walk(release)]
    with ProcessPoolExecutor() as pool:
        hashes = pool.map(partial(read, place / "packages"), wheels.iterdir(), chunksize=500)
        pages = pool.map(partial(write, release, place), folders, chunksize=50)
        print(len(set(hashes)), "wheels,", sum(pages), "files of a release")
