"""caddy, Caddyfile -> $(PYPI_ROOT)/bin/: puts all that the serving side needs beside what it serves."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from scripts import CODE
from scripts.root import Root, write_synced

CADDYFILE = CODE / "caddy" / "Caddyfile"


def stage(root: Root, caddy: Path) -> None:
    """Copy the server's binary and its Caddyfile, by rename, where they differ from what is there.

    Raises SystemExit where caddy is not a file.
    """
    binary = shutil.which(caddy)
    if binary is None:
        raise SystemExit(f"CADDY: {caddy} is no program; name Caddy's binary, or leave CADDY out")
    for source, place in ((Path(binary), root.bin / "caddy"), (CADDYFILE, root.bin / "Caddyfile")):
        if not place.is_file() or not filecmp.cmp(source, place, shallow=False):
            write_synced(place, source.read_bytes(), executable=place.name == "caddy")
