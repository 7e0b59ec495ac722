"""A wheel -> is it sound: an archive that every installer reads alike, and that holds what its RECORD says."""

from __future__ import annotations

from pathlib import Path


def check(path: Path) -> None:
    """Raise ValueError with one sentence, which begins with the file's name, where a wheel is not sound."""
    if not path.name.endswith(".whl"):
        raise ValueError(f"{path.name} is no wheel")
