"""caddy, Caddyfile -> $(PYPI_ROOT)/bin/: puts all that the serving side needs beside what it serves."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

from scripts import CODE
from scripts.root import Root, is_file, write_synced

START = CODE / "caddy" / "caddy"
CADDYFILE = CODE / "caddy" / "Caddyfile"


def find_caddy(name: str) -> Path:
    """Return the server's binary, by path or on PATH; raises SystemExit where there is none."""
    binary = shutil.which(name)
    if binary is None:
        raise SystemExit(f"CADDY: {name} is no program; name Caddy's binary, or leave CADDY out")
    return Path(binary).resolve()


def _is_staged(source: Path, place: Path) -> bool:
    return is_file(place) and filecmp.cmp(source, place, shallow=False)


def stage(root: Root, caddy: str) -> None:
    """Copy the server's binary, its start and its Caddyfile, by rename, where they differ from what is there."""
    staged = (
        (find_caddy(caddy), root.bin / "caddy-server"),
        (START, root.bin / "caddy"),
        (CADDYFILE, root.bin / "Caddyfile"),
    )
    for source, place in staged:
        executable = place.name != CADDYFILE.name
        if not _is_staged(source, place) or (executable and not os.access(place, os.X_OK)):
            write_synced(place, source.read_bytes(), executable=executable)
