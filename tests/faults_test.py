"""The shared folder when a run is killed or its disk fails: a sample of what `make soak` does in full."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import traced
from _pytest.mark import ParameterSet
from faults import Scenario, Struck, prepare, strike
from small_disk import can_mount, fill, without_temporary
from traced import INDEX, KILL, THREAD, Point
from upstream import Upstream

pytestmark = pytest.mark.skipif(traced.STRACE is None, reason="strace is missing, which makes calls fail")

WRITING = ("openat", "write", "fsync", "close", "rename")
ARRIVING = "incoming/.scratch/0"
SIDECAR = "packages/epsilon-1.0-py3-none-any.whl.metadata"
NEW_SIDECAR = "packages/.epsilon-1.0-py3-none-any.whl.metadata.new"
# What follows when everything is written: readers' way to the new release, and what no page lists leaves the pool.
SWITCH = [
    *(("rename", "releases/ID"), ("fsync", "releases"), ("symlink", ".web.new"), ("rename", "web"), ("fsync", ".")),
    *(("utimensat", "packages/alpha-1.0-py3-none-any.whl"), ("rename", "retired/alpha-1.0-py3-none-any.whl")),
]


@pytest.fixture(scope="module")
def update(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    """A release that adds, upgrades and removes projects."""
    with Upstream() as upstream:
        yield prepare("update", tmp_path_factory.mktemp("faults") / "update", upstream)


def one_of(scenario: Scenario, call: str, where: str = INDEX, path: str = "") -> Point:
    """Choose one of the points of a call, the same each time; path is what it is on, if that matters."""
    found = [
        point
        for point in scenario.targets(KILL)
        if (point.call, point.where) == (call, where) and path in ("", traced.plain(point.path))
    ]
    return random.Random(call).choice(found)  # noqa: S311 (a choice, no secret)


def slowly(*values: object) -> ParameterSet:
    """Return a case that `make test` leaves out."""
    return pytest.param(*values, marks=pytest.mark.slow)


def before_the_switch(scenario: Scenario) -> Scenario:
    """Return a scenario with only what comes once the folder is ours, and before readers see anything of it."""
    calls = [(point.where, point.call, point.path) for point in scenario.points]
    start, end = calls.index((INDEX, "mkdir", "incoming/.scratch")), calls.index((INDEX, "rename", "web"))
    return scenario._replace(points=scenario.points[start:end])


def test_a_run_without_any_fault_changes_the_folder_in_all_the_ways_that_are_swept(update: Scenario) -> None:
    assert {point.call for point in update.points if point.where == INDEX} >= {
        *("close", "fsync", "link", "mkdir", "openat", "rename", "rmdir", "sendfile", "symlink"),
        *("unlink", "utimensat", "write"),
    }
    of_threads = {(point.call, point.path) for point in update.points if point.where == THREAD}
    assert of_threads >= {
        *((call, path) for call in WRITING for path in (ARRIVING, "incoming/.epsilon-1.0-py3-none-any.whl.json.new")),
        ("fsync", SIDECAR),
    }


@pytest.mark.parametrize("call", ["write", "rename", *map(slowly, ("mkdir", "openat", "sendfile", "close", "link"))])
def test_a_run_that_is_killed_before_the_switch_changes_nothing_for_readers(
    update: Scenario, tmp_path: Path, call: str
) -> None:
    assert strike(update, one_of(before_the_switch(update), call), KILL, tmp_path).seen == "old"


@pytest.mark.parametrize(("call", "path"), [*SWITCH[:4:3], *(slowly(*each) for each in (*SWITCH[1:3], *SWITCH[4:]))])
def test_a_run_that_is_killed_in_the_switch_shows_the_old_release_or_the_new_one(
    update: Scenario, tmp_path: Path, call: str, path: str
) -> None:
    expected = "old" if SWITCH.index((call, path)) <= SWITCH.index(("rename", "web")) else "new"
    assert strike(update, one_of(update, call, path=path), KILL, tmp_path).seen == expected


def test_a_run_that_is_killed_while_a_file_arrives_leaves_no_part_of_it(update: Scenario, tmp_path: Path) -> None:
    assert strike(update, one_of(update, "write", THREAD, ARRIVING), KILL, tmp_path).seen == "old"


@pytest.mark.parametrize(
    ("call", "error"), [("write", "ENOSPC"), ("rename", "EIO"), slowly("fsync", "EIO"), slowly("close", "EDQUOT")]
)
def test_a_file_that_cannot_be_written_as_it_arrives_ends_the_run_with_one_sentence(
    update: Scenario, tmp_path: Path, call: str, error: str
) -> None:
    struck = strike(update, one_of(update, call, THREAD, ARRIVING), error, tmp_path)
    assert struck == Struck("old", went_on=False, left_in_tmp=0)


@pytest.mark.parametrize(
    ("call", "error", "path"),
    [
        slowly("openat", "EDQUOT", ""),
        slowly("write", "ENOSPC", ""),
        slowly("sendfile", "ENOSPC", ""),
        ("close", "ENOSPC", NEW_SIDECAR),  # on NFS a disk is full only then
        slowly("close", "EDQUOT", "incoming/.scratch/tmp/site/files.jsonl"),
        slowly("mkdir", "ENOSPC", ""),
        slowly("rename", "EIO", ""),
        ("symlink", "ENOSPC", ".web.new"),
    ],
)
def test_an_error_of_the_disk_ends_the_run_with_one_sentence(
    update: Scenario, tmp_path: Path, call: str, error: str, path: str
) -> None:
    struck = strike(update, one_of(before_the_switch(update), call, path=path), error, tmp_path)
    assert struck == Struck("old", went_on=False, left_in_tmp=0)


def test_a_file_that_cannot_be_synced_ends_the_run_with_one_sentence(update: Scenario, tmp_path: Path) -> None:
    struck = strike(update, one_of(update, "fsync", THREAD, SIDECAR), "EIO", tmp_path)
    assert struck == Struck("old", went_on=False, left_in_tmp=0)


@pytest.mark.parametrize("room", [40960, slowly(4096), slowly(122880)])
def test_a_full_disk_ends_the_run_with_one_sentence_and_more_room_mends_it(
    update: Scenario, tmp_path: Path, room: int
) -> None:
    if not can_mount(tmp_path):
        pytest.skip("this user may not mount a tmpfs")
    assert fill(update, "size", room, tmp_path) == Struck("old", went_on=False, left_in_tmp=0)


def test_a_run_writes_below_the_shared_folder_alone(update: Scenario, tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        pytest.skip("this user may not mount a tmpfs")
    without_temporary(update, tmp_path)
