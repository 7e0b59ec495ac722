"""The closure check of `make index`, by its own clock: whether its time follows the number of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from project import ALONE, CODE, environment

from bench import synthetic
from bench.measure import FailedError, Medians, run, side_by_side
from bench.place import NO_UPSTREAM, Place
from bench.table import Row, row

SIZES = (1_000, 5_000)
_FILES_EACH = 10
# The check is one step of a run; how long that step takes only the run itself can tell.
_TIMED = """
import sys, time
from scripts import index, judge
check = judge.closure_findings
def timed(*arguments):
    started = time.perf_counter()
    try:
        return check(*arguments)
    finally:
        print(f"the check took {time.perf_counter() - started}")
judge.closure_findings = timed
sys.exit(index.main(sys.argv[1:]))
"""


def _publish(place: Place, files: int) -> tuple[Path, Path]:
    """Publish so many files for six targets; returns checkout and shared folder."""
    checkout = place.checkout(f"closure-{files}")
    root, wheels = checkout / "shared", checkout / "wheels"
    approvals = synthetic.save(synthetic.versions(files // _FILES_EACH, _FILES_EACH), wheels)
    synthetic.approve(checkout, approvals, synthetic.SIX_TARGETS)
    synthetic.hold(root, sorted(wheels.iterdir()))
    place.make(checkout, "index", root)
    return checkout, root


def _check(place: Place, checkout: Path, root: Path) -> float:
    """Run `make index` again, and return the seconds of its closure check."""
    command = (sys.executable, "-c", _TIMED, f"--root={root}", f"--upstream={NO_UPSTREAM}", f"--caddy={place.caddy}")
    said = run(*command, cwd=checkout, env=environment(**ALONE, PYTHONPATH=str(CODE), PIP_CONFIG_FILE=os.devnull))
    times = [line.rpartition(" ")[2] for line in said.output.splitlines() if line.startswith("the check took")]
    if not times:
        raise FailedError("make index had no closure check")
    return float(times[0])


def rows(place: Place) -> Iterator[Row]:
    """Measure two sizes, and compare them."""
    own: dict[int, float] = {}
    for files in SIZES:
        checkout, root = _publish(place, files)
        target = "≤ 10 s" if files == SIZES[-1] else ""

        def measure(checkout: Path = checkout, root: Path = root) -> Medians:
            return side_by_side(lambda: _check(place, checkout, root))

        one = row(f"closure check, {files:,} files, 6 targets", "", target, measure)
        yield one
        if one.medians:
            own[files] = one.medians.ours
    if len(own) == len(SIZES):
        small, large = SIZES
        medians = Medians(own[large], own[small], 1)
        yield Row(f"closure check, {large:,} files", f"our own time at {small:,}", f"≤ {large / small:g} ×", medians)
