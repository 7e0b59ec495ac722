"""A scenario and a bit of room -> what becomes of a run whose disk is full after that: a small tmpfs, for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import traced
from faults import Scenario, Struck, check_next, check_refused, start
from whole import seen

Unit = Literal["size", "nr_inodes"]
UNITS: tuple[Unit, ...] = ("size", "nr_inodes")
_ENOUGH: dict[str, str] = {"size": "64m", "nr_inodes": "10000"}


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a tmpfs."""
    done = subprocess.run(("mount", "-t", "tmpfs", "tmpfs", folder), capture_output=True, check=False)
    if not done.returncode:
        subprocess.run(("umount", folder), check=True)
    return not done.returncode


@contextmanager
def _mounted(place: Path) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(("mount", "-t", "tmpfs", "-o", _options(_ENOUGH), "tmpfs", place), check=True)
    try:
        yield
    finally:
        subprocess.run(("umount", place), check=True)


def without_temporary(scenario: Scenario, folder: Path) -> None:
    """Let a run have no room for temporary files; raises AssertionError where it needs some, or leaves any."""
    root = start(scenario.folder, folder)
    with _mounted(folder / "tmp"):
        _resize(folder / "tmp", size="4096")
        done = traced.run((*scenario.arguments, f"--root={root}"), folder, scenario.checkout)
        left = list((folder / "tmp").iterdir())
    assert (done.returncode, left) == (0, []), f"{done.returncode}, {left}: {done.stderr}"
    assert seen(root, scenario.old, scenario.new) == "new"


def _options(options: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in options.items())


def _resize(place: Path, **options: str) -> None:
    subprocess.run(("mount", "-o", f"remount,{_options(_ENOUGH | options)}", place), check=True)


def used(place: Path) -> dict[Unit, int]:
    """Return how many bytes and inodes of a file system are taken."""
    told = os.statvfs(place)
    return {"size": (told.f_blocks - told.f_bfree) * told.f_frsize, "nr_inodes": told.f_files - told.f_ffree}


def needed(scenario: Scenario, unit: Unit, folder: Path) -> int:
    """Return how many bytes or inodes a run takes at least: what it adds for good."""
    root = folder / "shared"
    with _mounted(root):
        _copy(scenario, root)
        before = used(root)[unit]
        done = traced.run((*scenario.arguments, f"--root={root}"), folder, scenario.checkout)
        assert done.returncode == 0, done.stderr
        return used(root)[unit] - before


def _copy(scenario: Scenario, root: Path) -> None:
    if (scenario.folder / "shared").exists():
        subprocess.run(("cp", "--archive", f"{scenario.folder / 'shared'}/.", root), check=True)


def fill(scenario: Scenario, unit: Unit, room: int, folder: Path) -> Struck:
    """Let a run have this room, in bytes or inodes, and the next one enough.

    Raises AssertionError where either leaves what it must not.
    """
    root = folder / "shared"
    with _mounted(root):
        _copy(scenario, root)
        _resize(root, **{unit: str(used(root)[unit] + room)})
        done = traced.run((*scenario.arguments, f"--root={root}"), folder, scenario.checkout)
        check_refused(done, root)
        now = seen(root, scenario.old, scenario.new)
        assert done.returncode or now != "old", "it said that all was well, and published nothing"
        _resize(root)
        check_next(scenario, folder)
    return Struck(now, done.returncode == 0, 0)
