"""The index, and everything that may happen to it -> counts: what `make soak` runs, for as long as SOAK_MINUTES allow.

Readers and runs at once come first. Standard output gets a table of faults: how many points there are and how many of
them were struck, whether readers saw the old release or the new one right after, how many runs ended well all the same,
what they left in $TMPDIR, and how many broke a promise, which is told on standard error. Ends with 1 where one was.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CODE))  # `tests/` itself is where Python has found this script

import small_disk  # noqa: E402
from faults import FAULTS, SCENARIOS, Scenario, Struck, prepare, strike  # noqa: E402
from readers import eight, readers  # noqa: E402
from traced import KILL, STRACE  # noqa: E402
from upstream import Upstream  # noqa: E402

from scripts.terminal import Progress  # noqa: E402

_COLUMNS = ("scenario", "fault", "points", "struck", "old", "new", "went on", "TMPDIR", "failures")
_PAGE = 4096  # bytes; a tmpfs takes no less for a file


@dataclass
class Count:
    """A row of the table.

    went_on are those of the runs that ended well although something failed in them; left_in_tmp are temporary files
    outside the shared folder, which nothing but the system removes.
    """

    scenario: str
    fault: str
    points: int
    struck: int = 0
    old: int = 0
    new: int = 0
    went_on: int = 0
    left_in_tmp: int = 0
    failures: list[str] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the row."""
        numbers = (self.points, self.struck, self.old, self.new, self.went_on, self.left_in_tmp, len(self.failures))
        return (self.scenario, self.fault, *map(str, numbers))


@dataclass(frozen=True)
class Soak:
    """What a part of the soak works with: its own folder, the tests' upstream, until when, and how many at once."""

    folder: Path
    upstream: Upstream
    deadline: float
    at_once: int
    progress: Progress

    @property
    def is_over(self) -> bool:
        """Whether the time is up: a part ends then and counts what it has."""
        return time.monotonic() > self.deadline


class _Job:
    """One fault of a row; work raises AssertionError where a promise is broken, which is counted and told."""

    def __init__(self, row: Count, what: str, work: Callable[[Path], Struck]) -> None:
        self.row, self.what, self.work = row, what, work

    def run(self, soak: Soak, folders: queue.Queue[Path]) -> Struck | str | None:
        if soak.is_over:
            return None
        folder = folders.get()
        try:
            return self.work(folder)
        except AssertionError as error:
            return f"{self.row.scenario}, {self.row.fault} at {self.what}: {error}".strip()
        finally:
            folders.put(folder)

    def count(self, result: Struck | str | None) -> None:
        if result is None:
            return
        self.row.struck += 1
        if isinstance(result, str):
            self.row.failures.append(result)
            print(result, file=sys.stderr, flush=True)
            return
        self.row.went_on += result.went_on
        self.row.left_in_tmp += result.left_in_tmp
        self.row.old += result.seen == "old"
        self.row.new += result.seen != "old"


def _run_all(soak: Soak, jobs: Sequence[_Job]) -> None:
    """Run jobs side by side, in their order, until all are done or the time is up."""
    folders: queue.Queue[Path] = queue.Queue()
    for number in range(soak.at_once):
        (soak.folder / f"worker-{number}").mkdir(exist_ok=True)
        folders.put(soak.folder / f"worker-{number}")
    with ThreadPoolExecutor(soak.at_once) as pool:
        results = pool.map(lambda job: job.run(soak, folders), jobs)
        for number, (job, result) in enumerate(zip(jobs, results, strict=True), 1):
            job.count(result)
            soak.progress.show(
                f"Soaking: {number} of {len(jobs)} faults, at most {_minutes_left(soak):.0f} minutes more"
            )
    soak.progress.clear()


def _minutes_left(soak: Soak) -> float:
    return max(0.0, soak.deadline - time.monotonic()) / 60


def _sweep(scenario: Scenario, fault: str) -> list[_Job]:
    targets = scenario.targets(fault)
    row = Count(scenario.name, fault, len(targets))
    return [_Job(row, str(point), partial(strike, scenario, point, fault)) for point in targets]


def _full_disk(scenario: Scenario, unit: small_disk.Unit, folder: Path) -> list[_Job]:
    """List every room that is too small, and some that are not, since a run takes more for a while than for good."""
    step = _PAGE if unit == "size" else 1
    rooms = range(step, small_disk.needed(scenario, unit, folder) + 20 * step, step)
    row = Count(scenario.name, {"size": "full tmpfs", "nr_inodes": "tmpfs without inodes"}[unit], len(rooms))
    return [_Job(row, f"{room} more ({unit})", partial(small_disk.fill, scenario, unit, room)) for room in rooms]


def faults(soak: Soak) -> list[Count]:
    """Strike every call of every scenario: kills, a disk that is full for real, single errors.

    Where the time does not suffice, the points struck are a sample of all that is the same each time.
    """
    scenarios = [prepare(name, soak.folder / name, soak.upstream) for name in SCENARIOS]
    groups = [[job for one in scenarios for job in _sweep(one, KILL)]]
    (soak.folder / "small").mkdir()
    if small_disk.can_mount(soak.folder / "small"):
        full = [one for one in scenarios if one.name in ("first", "update")]
        groups.append(
            [job for one in full for unit in small_disk.UNITS for job in _full_disk(one, unit, soak.folder / "small")]
        )
    groups.append([job for one in scenarios for fault in FAULTS if fault != KILL for job in _sweep(one, fault)])
    jobs = [job for group in groups for job in group]
    random.Random(0).shuffle(jobs)  # noqa: S311 (an order, no secret)
    _run_all(soak, jobs)
    rows = {id(job.row): job.row for job in jobs}.values()
    return sorted(rows, key=lambda row: (SCENARIOS.index(row.scenario), row.fault))


def together(soak: Soak) -> list[str]:
    """Let many run and read at once: a minute of releases that take turns, and eight runs; returns what went wrong."""
    soak.progress.show("Soaking: readers while two releases take turns")
    seen = readers(60)
    soak.progress.clear()
    looks = f"{seen.looks} looks, {seen.pip} installs by pip and {seen.uv} by uv"
    print(f"readers: {seen.publishes} publishes in a minute, {looks}: {len(seen.problems)} failures")
    (soak.folder / "eight").mkdir()
    problems = eight(soak.folder / "eight")
    print(f"eight runs at once, three times: {len(problems)} failures\n")
    return [*seen.problems, *problems]


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if cell[0].isalpha() else cell.rjust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def main(argv: Sequence[str] | None = None) -> int:
    """Run it all and print the counts; returns 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="when to stop and to count what is done")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="how many runs side by side")
    args = parser.parse_args(argv)
    if not STRACE:
        raise SystemExit("strace: there is no such program; install it, it is what makes calls fail")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        soak = Soak(Path(folder), upstream, start + args.minutes * 60, args.at_once, Progress())
        broken = together(soak)
        counts = faults(soak)
    print("\n".join(_table([_COLUMNS, *(count.cells() for count in counts)])))
    struck, points = sum(count.struck for count in counts), sum(count.points for count in counts)
    print(f"{struck} of {points} points in {(time.monotonic() - start) / 60:.0f} minutes")
    print("".join(f"{one}\n" for one in broken), end="", file=sys.stderr)
    return 1 if broken or any(count.failures for count in counts) else 0


if __name__ == "__main__":
    raise SystemExit(main())
