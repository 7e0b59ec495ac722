"""The closure check of `make index`, by its own clock: whether its time follows the number of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from project import ALONE, CODE, environment

from bench import synthetic
from bench.measure import FailedError, Medians, run, side_by_side
from bench.place import NO_UPSTREAM, Place
from bench.table import Row, row
from scripts import last_run

SMALL, LARGE = 1_000, 5_000
_FILES_EACH = 10
# The check is a part of a run; how long that part takes only the run itself can tell.
_TIMED = """
import sys, time
from scripts import index, judge
spent = []
def timed(work):
    def run(*arguments):
        started = time.perf_counter()
        try:
            return work(*arguments)
        finally:
            spent.append(time.perf_counter() - started)
    return run
judge.closure_findings, judge.conflict_findings = map(timed, (judge.closure_findings, judge.conflict_findings))
status = index.main(sys.argv[1:])
if spent:
    print(f"the check took {sum(spent)}")
sys.exit(status)
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
    """Run `make index` again, as if it were another day, and return the seconds of its closure check."""
    (root / last_run.FILE).unlink()
    command = (sys.executable, "-c", _TIMED, f"--root={root}", f"--upstream={NO_UPSTREAM}", f"--caddy={place.caddy}")
    said = run(*command, cwd=checkout, env=environment(**ALONE, PYTHONPATH=str(CODE), PIP_CONFIG_FILE=os.devnull))
    times = [line.rpartition(" ")[2] for line in said.output.splitlines() if line.startswith("the check took")]
    if not times:
        raise FailedError("make index had no closure check")
    return float(times[0])


def rows(place: Place) -> Iterator[Row]:
    """Measure two sizes in turn, and compare them."""
    work, sizes = "closure check, {:,} files, 6 targets", (SMALL, LARGE)
    small, large = (partial(_check, place, *_publish(place, files)) for files in sizes)
    measure = partial(side_by_side, large, small, runs=7)
    both = row(work.format(LARGE), f"our own time at {SMALL:,}", f"≤ {LARGE / SMALL:g} ×", measure)
    if both.medians:
        ours, theirs, runs = both.medians
        yield Row(work.format(SMALL), "", medians=Medians(theirs or 0.0, None, runs))
        yield Row(work.format(LARGE), "", "≤ 10 s", Medians(ours, None, runs))
    yield both
