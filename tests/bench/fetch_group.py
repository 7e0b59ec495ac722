"""Fetching what a lock names into an empty shared folder, beside pip; with the configured registry."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from project import CODE, environment

from bench.closure_set import PLATFORMS, PYTHONS, REQUIREMENT, checkout, stock
from bench.measure import Medians, run, side_by_side
from bench.place import Place, fresh_caches
from bench.shares import FETCH, FETCHED, INDEX, shares
from bench.table import Row, row
from scripts import locks
from scripts.target import host_python


def _locked(place: Place, name: str, pythons: Sequence[str], platforms: Sequence[str]) -> Path:
    """Return a checkout with its locks."""
    path = checkout(place, name, pythons, platforms)
    place.make(path, "lock", path / "shared", online=True)
    return path


def _index(place: Place, path: Path) -> float:
    """Fetch and publish: all of `make index`, since that is what one runs."""
    return place.make(path, "index", place.empty("fetched"), online=True).seconds


def _fetch(place: Place, path: Path) -> float:
    """Fetch alone, without the checks and the pages that follow."""
    env = environment(PYTHONPATH=os.pathsep.join((str(path), str(CODE / "tests"))), **fresh_caches(place))
    return run(sys.executable, "-P", "-m", "bench.fetch_step", place.empty("fetched"), cwd=path, env=env).seconds


def _pip_download(place: Place, *requirements: Path) -> float:
    """Let a pip fetch each file of requirements; there are as many processes as files."""
    folder, env = place.empty("downloaded"), stock(place)
    options = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet", f"--dest={folder}")
    command = (sys.executable, "-m", "pip", "download", *options)
    return sum(run(*command, f"--requirement={each}", env=env).seconds for each in requirements)


def _split(place: Place, lock: Path) -> list[Path]:
    """Write each pin of a lock into a file of its own."""
    folder = place.empty("split")
    found = []
    for number, block in enumerate(locks.blocks(locks.read_body(lock))):
        found.append(folder / f"{number}.txt")
        found[-1].write_text(block)
    return found


def rows(place: Place) -> Iterator[Row]:
    """Measure one target beside pip, then six."""
    one = _locked(place, "fetch-one", (host_python(),), PLATFORMS[:1])
    six = _locked(place, "fetch-six", PYTHONS, PLATFORMS)
    lock = next((one / "locks").glob("*/*.txt"))
    single = _split(place, lock)

    def fetch_beside(*requirements: Path, runs: int = 3) -> Medians:
        return side_by_side(lambda: _fetch(place, one), lambda: _pip_download(place, *requirements), runs=runs)

    def beside(*requirements: Path, runs: int = 3) -> Medians:
        return side_by_side(lambda: _index(place, one), lambda: _pip_download(place, *requirements), runs=runs)

    def beside_one() -> Medians:
        return side_by_side(lambda: _index(place, six), lambda: _index(place, one))

    env = environment(PYTHONPATH=os.pathsep.join((str(one), str(CODE / "tests"))), **fresh_caches(place))
    told = shares(FETCH, "bench.fetch_step", str(place.empty("fetched")), cwd=one, env=env)
    options = f"--root={place.empty('fetched')}", f"--caddy={place.caddy}"
    of_all = shares({**INDEX, **FETCHED}, "scripts.index", *options, cwd=one, env=env | fresh_caches(place))
    place.profiles["fetch"] = {"time goes, the fetch by itself": told, "time goes, all of make index": of_all}
    work = f"make index, the {len(single)} wheels of {REQUIREMENT}'s lock, empty root"
    yield row(work, "one pip download --require-hashes", "≤ 0.5 ×", lambda: beside(lock))
    yield row(work, "one pip for each requirement", "≤ 0.04 ×", lambda: beside(*single, runs=1))
    alone = f"the fetch of {len(single)} wheels by itself, without checks and publishing"
    yield row(alone, "one pip download --require-hashes", "≤ 0.5 ×", lambda: fetch_beside(lock))
    yield row(alone, "one pip for each requirement", "≤ 0.04 ×", lambda: fetch_beside(*single, runs=1))
    yield row("make index, the same lock for 6 targets", "our own time for one target", "≤ 3 ×", beside_one)
