"""A scenario and a fault -> what becomes of the run, its readers and the next run: the sweeps of `make soak`."""

from __future__ import annotations

import compileall
import contextlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import traced
from approved import approve
from conftest import Checkout
from distributions import Distribution, sdist, wheel
from publish_test import age
from traced import INDEX, KILL, THREAD, Point
from upstream import Upstream
from whole import Files, State, left, pages_of, seen, state_of

ERRORS = ("ENOSPC", "EDQUOT", "EIO")
FAULTS = (KILL, *ERRORS)
_SETTINGS = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nallow_sdists: [zeta]\nclosure: off\n'
_ALPHA, _BETA, _GAMMA, _DELTA = (wheel(name, "1.0") for name in ("alpha", "beta", "gamma", "delta"))
_ALPHA_2, _EPSILON = wheel("alpha", "2.0", files={"alpha.py": bytes(100_000)}), wheel("epsilon", "1.0")
_ZETA = sdist("zeta", "1.0")
# name -> what was published before, one release after another; what the locks name now
_STORIES: dict[str, tuple[list[list[Distribution]], list[Distribution]]] = {
    "first": ([], [_ALPHA, _ZETA]),
    "update": ([[_ALPHA, _BETA, _DELTA]], [_ALPHA_2, _BETA, _EPSILON, _ZETA]),
    "prune": ([[_ALPHA, _BETA], [_BETA, _GAMMA], [_GAMMA]], [_GAMMA]),
    "unchanged": ([[_ALPHA, _BETA]], [_ALPHA, _BETA]),
}
SCENARIOS = tuple(_STORIES)


class Scenario(NamedTuple):
    """A shared folder before a run, and what must be after it: what readers see, and what stands beside that."""

    name: str
    folder: Path
    arguments: tuple[str, ...]
    old: State | None
    new: State
    whole: list[Files]
    rest: Files
    releases: int
    points: list[Point]

    @property
    def checkout(self) -> Path:
        """Where its runs are started."""
        return self.folder / "checkout"

    def targets(self, fault: str) -> list[Point]:
        """List where a fault can strike."""
        if fault == KILL:
            return self.points
        # strace makes close fail without closing; in truth the file is closed then, and its lock has ended.
        return [point for point in self.points if (point.call, point.path) != ("close", ".pypi-index")]


class Struck(NamedTuple):
    """What came of a fault: what readers saw, whether the run ended well all the same, and what it left in $TMPDIR."""

    seen: str
    went_on: bool
    left_in_tmp: int


class _MissedError(Exception):
    """The fault met another call than the one that was meant."""


def _run(
    scenario: Path, arguments: Sequence[str], folder: Path, where: str = "", options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    arguments = (*arguments, f"--root={folder / 'shared'}")
    return traced.run(arguments, folder, scenario / "checkout", where, options)


def start(source: Path, folder: Path) -> Path:
    """Copy the shared folder in a scenario's folder, with its hard links; where none is yet, none will be."""
    subprocess.run(("rm", "--recursive", "--force", folder / "shared", folder / "tmp"), check=True)
    folder.mkdir(exist_ok=True)
    if (source / "shared").exists():
        subprocess.run(("cp", "--archive", source / "shared", folder), check=True)
    return folder / "shared"


def _recorded(scenario: Path, arguments: Sequence[str], folder: Path) -> list[Point]:
    """List the calls that change the shared folder: of the run's other threads, and of its first."""
    found = []
    for where, options in ((THREAD, ("--follow-forks", "--output-separately")), (INDEX, ())):
        root = start(scenario, folder)
        done = _run(scenario, arguments, folder, where, options)
        assert done.returncode == 0, done.stderr
        logs = sorted(folder.glob("trace*"))
        found += traced.points_of_threads(logs, root) if where == THREAD else traced.points(logs[0], where, root)
    return found


def prepare(name: str, folder: Path, upstream: Upstream) -> Scenario:
    """Publish what was before, and record what a run without any fault does."""
    before, now = _STORIES[name]
    # A module compiled in between would give later calls other numbers.
    compileall.compile_dir(traced.CODE / "scripts", quiet=1)
    (folder / "checkout").mkdir(parents=True)
    checkout = Checkout(folder / "checkout", upstream)
    checkout.write(packages_yaml=_SETTINGS)
    keep = "1" if name == "prune" else "5"
    arguments = ("-m", "scripts.index", f"--upstream={upstream.url}", "--caddy=/bin/true", f"--keep={keep}")
    with contextlib.chdir(checkout.path):
        for files in (*before, now):
            for one in files:
                upstream.add(one)
            approve(*files)
            if files is not now:
                done = _run(folder, arguments, folder)
                assert done.returncode == 0, done.stderr
    if before:  # so that no two releases have the same day, and what only old ones need may go
        age(checkout, 2)
    old = state_of(folder / "shared")
    whole = [pages_of(release) for release in (folder / "shared" / "releases").glob("*")]
    points = _recorded(folder, arguments, folder / "clean")
    root = folder / "clean" / "shared"
    new = state_of(root)
    assert new
    whole.append(new.pages)
    return Scenario(
        name, folder, arguments, old, new, whole, left(root, whole), len(list((root / "releases").iterdir())), points
    )


def strike(scenario: Scenario, point: Point, fault: str, folder: Path) -> Struck:
    """Let a run fail at a point, and the next one be; raises AssertionError where either leaves what it must not.

    A call that has another number this time, since something on the machine was slower, is tried again.
    """
    for _ in range(5):
        with contextlib.suppress(_MissedError):
            return _strike(scenario, point, fault, folder)
    raise AssertionError("the call was not met in five runs")


def _strike(scenario: Scenario, point: Point, fault: str, folder: Path) -> Struck:
    root = start(scenario.folder, folder)
    options = traced.injection(point, fault, root)
    done = _run(scenario.folder, scenario.arguments, folder, point.where, options)
    if not traced.was_hit(folder / "trace", point, root):
        raise _MissedError
    if fault == KILL:
        assert traced.was_killed(done), f"it was not killed, but ended with {done.returncode}: {done.stderr}"
    else:
        check_refused(done, root)
    now = seen(root, scenario.old, scenario.new)
    assert done.returncode or now != "old", "it said that all was well, and published nothing"
    in_tmp = len(list((folder / "tmp").iterdir()))
    check_next(scenario, folder)
    return Struck(now, done.returncode == 0, in_tmp)


def check_refused(done: subprocess.CompletedProcess[str], root: Path) -> None:
    """Check that a run went on, or ended with status 1 and one sentence that names a path of the shared folder."""
    lines = done.stderr.splitlines()
    assert done.returncode in (0, 1), f"it ended with {done.returncode}: {done.stderr}"
    assert len(lines) == 1, f"it did not say one sentence: {done.stderr}"
    assert str(root) in lines[0], f"it named no path: {done.stderr}"


def check_next(scenario: Scenario, folder: Path) -> None:
    """Check that the next run succeeds and leaves what a run without any fault leaves."""
    root = folder / "shared"
    done = _run(scenario.folder, scenario.arguments, folder)
    assert done.returncode == 0, f"the next run ended with {done.returncode}: {done.stderr}"
    assert seen(root, scenario.old, scenario.new) != "old", "the next run did not publish"
    rest = left(root, scenario.whole)
    assert rest == scenario.rest, f"the next run left other things: {sorted(rest.keys() ^ scenario.rest.keys())}"
    releases = sorted(path.name for path in (root / "releases").iterdir())
    assert len(releases) <= scenario.releases + 1, f"releases were left: {releases}"
