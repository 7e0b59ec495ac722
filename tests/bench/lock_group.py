"""`make lock` of a closure of some 90 packages, beside a stock pip-compile; with the configured registry."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.closure_set import PLATFORMS, PYTHONS, REQUIREMENT, checkout, stock
from bench.measure import Medians, run, side_by_side
from bench.place import Place
from bench.table import Row, row
from scripts.target import host_python


def _lock(place: Place, path: Path) -> float:
    """Make the locks anew."""
    shutil.rmtree(path / "locks", ignore_errors=True)
    return place.make(path, "lock", path / "shared", online=True).seconds


def _pip_compile(place: Place) -> float:
    folder = place.empty("pip-compile")
    (folder / "requirements.in").write_text(f"{REQUIREMENT}\n")
    program = Path(sys.executable).with_name("pip-compile")
    options = ("--quiet", "--generate-hashes", "--output-file=requirements.txt", "requirements.in")
    return run(program, *options, cwd=folder, env=stock(place)).seconds


def rows(place: Place) -> Iterator[Row]:
    """Measure one target, then six."""
    one = checkout(place, "lock-one", (host_python(),), PLATFORMS[:1])
    six = checkout(place, "lock-six", PYTHONS, PLATFORMS)
    work = f"make lock, the closure of {REQUIREMENT}, one target"

    def beside_stock() -> Medians:
        return side_by_side(lambda: _lock(place, one), lambda: _pip_compile(place))

    def beside_one() -> Medians:
        return side_by_side(lambda: _lock(place, six), lambda: _lock(place, one))

    yield row(work, "pip-compile --generate-hashes", "≤ 0.35 ×", beside_stock)
    yield row("the same, 6 targets", "our own time for one target", "≤ 2.5 ×", beside_one)
