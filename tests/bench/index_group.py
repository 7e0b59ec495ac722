"""`make index` beside dumb-pypi: a first build of files that are on disk, nothing changed, one project changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, pairwise
from operator import attrgetter
from pathlib import Path

from project import CODE, environment

from bench import synthetic, without
from bench.measure import Medians, Run, run, side_by_side
from bench.place import Curves, Place
from bench.shares import INDEX, SAME, Shares, memory, shares
from bench.table import Row, row
from scripts.root import Root

FILES_EACH = 10
_PROFILED = 20_000  # files at most, since a profiler makes all slower


class Pair:
    """So many files, published by us and rendered by dumb-pypi, whose list of the time before is kept.

    Nothing is deleted between measurements: for a while after that, file systems take longer to make files.
    """

    def __init__(self, place: Place, files: int) -> None:
        self._place, self.files = place, files
        self._folder = place.empty(f"index-{files}")
        self._checkout = place.checkout(f"index-{files}/checkout")
        self._wheels = self._folder / "wheels"
        self._approvals = synthetic.save(synthetic.versions(files // FILES_EACH, FILES_EACH), self._wheels)
        synthetic.approve(self._checkout, self._approvals)
        self._fresh = map(str, count(1))
        self._root = self._html = self._folder
        self._list = synthetic.package_list(self._approvals, self._folder / "list.json")
        self._changes = count(2)
        self.peak_mb: list[float] = []

    def _hold_all(self) -> None:
        self._root = self._folder / next(self._fresh)
        synthetic.hold(self._root, sorted(self._wheels.iterdir()))

    def first(self) -> float:
        """Publish to an empty folder, the files being on disk."""
        self._hold_all()
        done = self._place.make(self._checkout, "index", self._root)
        self.peak_mb.append(done.peak_mb)
        return done.seconds

    def again(self) -> float:
        """Run with what is published already, or changed as little as was approved since."""
        return self._place.make(self._checkout, "index", self._root).seconds

    def change(self) -> None:
        """Approve, in place of the first project's files, others that are on disk."""
        wanted = synthetic.versions(1, FILES_EACH, major=next(self._changes))
        folder = self._place.empty(f"index-{self.files}/changed")
        self._approvals = [*synthetic.save(wanted, folder), *self._approvals[FILES_EACH:]]
        synthetic.approve(self._checkout, self._approvals)
        for wheel in folder.iterdir():
            wheel.rename(Root(self._root).incoming / wheel.name)

    def _dumb_pypi(self, packages: Path, *more: str) -> float:
        command = (
            *(sys.executable, "-W", "ignore", "-m", "dumb_pypi.main", f"--package-list-json={packages}", *more),
            *(f"--output-dir={self._html}", "--packages-url=../../packages/", "--no-generate-timestamp"),
            "--no-per-release-json",
        )
        return run(*command, env=os.environ | {"PYTHONUTF8": "1"}).seconds

    def dumb_first(self) -> float:
        """Render everything from a list that is ready."""
        self._html = self._folder / next(self._fresh)
        return self._dumb_pypi(self._list)

    def dumb_again(self) -> float:
        """Render what is not as in the list of the time before."""
        before = self._list.rename(self._list.with_name("before.json"))
        synthetic.package_list(self._approvals, self._list)
        return self._dumb_pypi(self._list, f"--previous-package-list-json={before}")

    def profiles(self) -> Iterator[tuple[str, Shares]]:
        """Say where time and memory go, of a first build and of a change."""
        works = f"first build of {self.files:,}", f"10 files changed of {self.files:,}"
        self._hold_all()
        for work in works:
            yield self.profile_of_time(work)
        self._hold_all()
        for work in works:
            self.change()
            peak, found = self._place.profile(memory, self._checkout, self._root)
            yield f"memory goes, {work}: {peak / 1e6:.0f} MB at its peak", found

    def profile_of_time(self, work: str) -> tuple[str, Shares]:
        """Change a project, and say where the time goes to publish that."""
        self.change()
        return f"time goes, {work}", self._place.profile(partial(shares, INDEX), self._checkout, self._root)

    def profile_of_nothing(self) -> tuple[str, Shares]:
        """Say where the time goes where nothing changed since the last run."""
        found = self._place.profile(partial(shares, SAME), self._checkout, self._root)
        return f"time goes, nothing changed, {self.files:,} files", found

    def without(self, optimisation: str, taken: Callable[[Run], float], *, is_first: bool) -> float:
        """Publish to an empty folder or after a change, with an optimisation taken out; returns what that has taken."""
        if is_first:
            self._hold_all()
        self.change()
        return taken(self._place.profile(partial(without.run, optimisation), self._checkout, self._root))

    def changed(self) -> float:
        """Change a project, and publish."""
        self.change()
        return self.again()

    def dumb_changed(self) -> float:
        """Change a project, and render that."""
        self.change()
        return self.dumb_again()

    def part_of_first(self) -> float:
        """Do a part of a first build, and nothing else."""
        return self._part("first", self._wheels, self._list)

    def part_of_change(self) -> float:
        """Do a part of a change, and nothing else."""
        return self._part("change")

    def _part(self, *kind: str | Path) -> float:
        place, live = self._place.empty(f"index-{self.files}/{next(self._fresh)}"), (self._root / "web").resolve()
        command = sys.executable, "-m", "bench.part", *kind, live, place
        return run(*command, env=environment(PYTHONPATH=os.pathsep.join((str(CODE), str(CODE / "tests"))))).seconds


def _rows_of(pair: Pair, place: Place, is_largest: bool) -> Iterator[Row]:
    """Measure one size; what we took goes to the curves, and of the largest that is not too large, to the profiles."""
    works = (
        (f"first build, {pair.files:,} files on disk", pair.first, pair.dumb_first, "dumb-pypi", "≤ 1.5 ×"),
        (f"nothing changed, {pair.files:,} files", pair.again, pair.dumb_again, "dumb-pypi incremental", "≤ 0.2 ×"),
        (f"10 files changed of {pair.files:,}", pair.changed, pair.dumb_again, "dumb-pypi incremental", "≤ 0.2 ×"),
    )
    for kind, (work, ours, theirs, beside, target) in zip(("first", "same", "changed"), works, strict=True):
        runs = 1 if kind == "first" and pair.files >= 50_000 else 3
        one = row(work, beside, target if is_largest else "", partial(side_by_side, ours, theirs, runs=runs))
        yield one
        for who, value in zip(("ours", "theirs"), one.medians or (), strict=False):
            place.curves.setdefault(f"{kind} {who}", {})[pair.files] = value or 0.0
    told = place.profiles.setdefault("index", {})
    if is_largest:
        told.update([pair.profile_of_nothing(), pair.profile_of_time(f"10 files changed of {pair.files:,}")])
    if pair.files == max((size for size in place.sizes if size <= _PROFILED), default=None):
        told.update(pair.profiles())
        yield from _brought(pair)
    peak = max(pair.peak_mb, default=0.0)
    target = "≤ 400 MB" if is_largest else ""
    yield row("peak memory of that first build", "", target, lambda: Medians(peak, None, len(pair.peak_mb)), "MB")
    if is_largest:
        for work, ours, theirs, beside in (
            ("a part of a first build, see below", pair.part_of_first, pair.dumb_first, "dumb-pypi"),
            ("a part of a change, see below", pair.part_of_change, pair.dumb_changed, "dumb-pypi incremental"),
        ):
            yield row(work, beside, "", partial(side_by_side, ours, theirs))


def _brought(pair: Pair) -> Iterator[Row]:
    """Measure what an optimisation brings: what is taken without it, beside what is taken with all of them."""
    seconds, peak = attrgetter("seconds"), attrgetter("peak_mb")
    works = f"first build of {pair.files:,}", f"10 files changed of {pair.files:,}"
    for work, is_first, optimisation, taken, unit in (
        (works[0], True, without.CORES, seconds, "s"),
        (works[0], True, without.SYNC, seconds, "s"),
        (works[1], False, without.CORES, seconds, "s"),
        (works[1], False, without.LEARNED, seconds, "s"),
        (works[1], False, without.PAGES, seconds, "s"),
        (works[1], False, without.COLLECTOR, seconds, "s"),
        (f"peak memory of a {works[0]}", True, without.SHARED, peak, "MB"),
    ):
        names = optimisation, without.NONE
        ours, theirs = (partial(pair.without, name, taken, is_first=is_first) for name in names)
        yield row(f"{work}, without {optimisation}", "with it", "", partial(side_by_side, ours, theirs), unit)


def _growth(own: Curves, sizes: Sequence[int]) -> Iterator[Row]:
    """Compare our own times with each other."""
    first = own.get("first ours", {})
    for small, large in pairwise(sizes):
        if {small, large} <= first.keys():
            medians = Medians(first[large], first[small], 1)
            work, beside = f"first build, {large:,} files", f"our own time at {small:,}"
            yield Row(work, beside, f"≤ {large / small:g} ×", medians)


def _same(small: Pair, large: Pair) -> Iterator[Row]:
    """Compare a run that has nothing to do with one of fewer files, in turn: a machine is not as fast all the time."""
    for pair in (small, large):
        pair.again()  # what was measured last may have left something to do
    measure = partial(side_by_side, large.again, small.again, runs=7)
    yield row(f"nothing changed, {large.files:,} files", f"our own time at {small.files:,}", "≤ 1.5 ×", measure)


def rows(place: Place) -> Iterator[Row]:
    """Measure every size."""
    pairs = []
    for size in place.sizes:
        pairs.append(Pair(place, size))
        yield from _rows_of(pairs[-1], place, is_largest=size == place.sizes[-1])
    yield from _growth(place.curves, place.sizes)
    if pairs[1:]:
        yield from _same(pairs[0], pairs[-1])
