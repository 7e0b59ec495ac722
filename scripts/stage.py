"""caddy, Caddyfile -> $(PYPI_ROOT)/bin/: puts all that the serving side needs beside what it serves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from scripts import CODE, pool
from scripts.files import is_folder, is_same, pieces, write_synced
from scripts.manifest import Fact, fact_of
from scripts.root import Root

START = CODE / "caddy" / "caddy"
CADDYFILE = CODE / "caddy" / "Caddyfile"


def find_caddy(name: str) -> Path:
    """Return the server's binary, by path or on PATH; raises SystemExit where there is none."""
    binary = shutil.which(name)
    if binary is None:
        raise SystemExit(f"CADDY: {name} is no program; name Caddy's binary, or leave CADDY out")
    return Path(binary).resolve()


def stage(root: Root, caddy: str) -> dict[str, Fact]:
    """Put the server's binary, its start and its Caddyfile into `bin/`; returns what they are, by name."""
    sources = {"caddy-server": find_caddy(caddy), START.name: START, CADDYFILE.name: CADDYFILE}
    put(root, sources)
    return {name: fact_of(source) for name, source in sources.items()}


def put(root: Root, sources: Mapping[str, Path]) -> None:
    """Copy programs to `bin/`, by rename, where they differ from what is there."""
    for name, source in sources.items():
        place, executable = root.bin / name, name != CADDYFILE.name
        if not is_same(source, place) or (executable and not os.access(place, os.X_OK)):
            if is_folder(place):
                pool.make_way(root, place)
            pool.keep_a_day(root, place)
            write_synced(place, pieces(source), executable=executable)
