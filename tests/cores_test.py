"""scripts/cores.py: work on all cores has the results and the errors that it has on one."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from approved import approve
from conftest import Checkout
from distributions import wheel
from index_test import tree
from publish_test import live

import scripts.cores
from scripts import CODE, build, conformance
from scripts.cores import cores, in_loads, in_pieces, on_all_cores

WHEELS = [wheel(name, "1.0") for name in ("alpha", "beta", "gamma")]


@pytest.fixture(autouse=True)
def _beside_a_thread() -> Iterator[None]:
    """Keep a thread, as a run does that holds the shared folder."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield
    end.set()
    thread.join()


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(on_all_cores(lambda number: number * 2, range(50))) == list(range(0, 100, 2))
    assert list(on_all_cores(str, [])) == []


def test_one_item_is_worked_on_here_and_many_are_elsewhere() -> None:
    assert list(on_all_cores(lambda _: os.getpid(), [1])) == [os.getpid()]
    elsewhere = set(on_all_cores(lambda _: os.getpid(), range(8)))
    assert cores() < 2 or os.getpid() not in elsewhere


def test_without_semaphores_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    assert set(on_all_cores(lambda _: os.getpid(), range(8))) == {os.getpid()}


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit("one sentence"), OSError(28, "No space left", "x")])
def test_the_first_error_ends_all(error: BaseException, tmp_path: Path) -> None:
    def work(number: int) -> None:
        if number == 1:
            raise error
        (tmp_path / str(number)).touch()

    with pytest.raises(type(error)) as caught:
        list(on_all_cores(work, range(1000)))
    assert caught.value.args == error.args
    assert len(list(tmp_path.iterdir())) < 900


@pytest.mark.skipif(cores() < 2, reason="there is one core, or a fork is not safe")
def test_a_process_that_is_killed_is_one_sentence() -> None:
    with pytest.raises(SystemExit, match=r"^a process that had a part of the work was killed, .* try again$"):
        list(on_all_cores(lambda _: os.kill(os.getpid(), signal.SIGKILL), range(4)))


_SLEEPS = """
import os, sys, time
from scripts.cores import on_all_cores

def work(number):
    os.write(1, b"here")
    time.sleep(30)

list(on_all_cores(work, range(2)))
"""


@pytest.mark.skipif(cores() < 2, reason="there is one core, or a fork is not safe")
def test_who_is_forked_dies_with_who_forked() -> None:
    command, environment = (sys.executable, "-c", _SLEEPS), os.environ | {"PYTHONPATH": str(CODE)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as run:
        assert run.stdout
        found = b""
        while found.count(b"here") < 2:
            data = os.read(run.stdout.fileno(), 100)
            assert data
            found += data
        run.kill()
        # The end of what they all write to comes when all are gone.
        assert select.select([run.stdout], [], [], 20)[0]
        assert run.stdout.read() == b""


def test_pieces_are_of_a_size() -> None:
    assert in_pieces([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
    assert in_pieces([], 2) == []


def test_a_load_is_many_small_files_or_one_that_is_large() -> None:
    large, small = 2**24, 1
    assert in_loads([("a", small), ("b", large), ("c", large), ("d", small)]) == [["a", "b"], ["c"], ["d"]]
    assert [len(piece) for piece in in_loads((number, small) for number in range(600))] == [256, 256, 88]
    assert in_loads([]) == []


def published(checkout: Checkout) -> dict[str, bytes]:
    checkout.index()
    return {path: data for path, data in tree(live(checkout)).items() if path.startswith(("simple/", "project/"))}


def test_a_release_is_the_same_on_one_core_and_on_all(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in WHEELS:
        checkout.upstream.add(one)
    approve(*WHEELS)
    alone = published(checkout)
    (checkout.root / ".last-run").unlink()
    (live(checkout) / "sbom.cdx.json").write_text("")  # so that a release is made again
    for module, name in ((build, "_PROJECTS_AT_ONCE"), (conformance, "_PROJECTS_AT_ONCE"), (scripts.cores, "_LOAD")):
        monkeypatch.setattr(module, name, 1)
    assert published(checkout) == alone
