"""A release that a test changed -> its manifest, as if it had been made like that."""

from __future__ import annotations

from pathlib import Path

from scripts import manifest
from scripts.manifest import OWN, PACKAGES, Manifest, fact_of
from scripts.release import paths


def make(release: Path) -> None:
    """Write the manifest of a release that has pages and nothing else."""
    pages = {path: fact_of(release / path) for path in paths(release) - OWN}
    (release / manifest.FILE).write_text("".join(Manifest(release.name, 1, "", "0" * 64, {}, 0, {}, pages).lines()))


def remake(release: Path, generation: int | None = None) -> None:
    """Write a release's manifest anew for the pages that are there, of another generation where one is given."""
    old = manifest.parse((release / manifest.FILE).read_bytes())
    pages = {path: fact_of(release / path) for path in paths(release) - OWN}
    pool = {path: fact for path, fact in old.files.items() if path.startswith(PACKAGES)}
    new = old._replace(release=release.name, files=pages | pool, generation=generation or old.generation)
    (release / manifest.FILE).write_text("".join(new.lines()))
