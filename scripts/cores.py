"""A function, items -> its results: worked on by as many processes as there are cores.

They are forked, so that each has all that this one has in memory, and only results are sent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1  # prctl(2)
# Bytes of a piece: to hash or unpack them takes longer than to fork. A small file takes as long as so many bytes.
_LOAD, _OF_A_FILE = 2**24, 2**16
# What the processes are forked with.
_forked: list[Any] = []


def _work_on(place: int) -> Any:
    work, items = _forked
    return work(items[place])


def _end_with(parent: int) -> None:
    """End on Ctrl-C without a word, and when the parent dies: what is forked holds its lock on the shared folder."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def cores() -> int:
    """Return how many processes can work at once; 1 where a fork may break what the system's libraries do."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def in_pieces(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Split items into pieces of a size."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def in_loads(files: Iterable[tuple[Item, int]]) -> list[list[Item]]:
    """Split files, given with their sizes in bytes, into pieces that are worth a process, and take about as long."""
    pieces: list[list[Item]] = []
    left = 0
    for file, size in files:
        if left <= 0:
            pieces.append([])
            left = _LOAD
        pieces[-1].append(file)
        left -= size + _OF_A_FILE
    return pieces


def _processes(number: int) -> ProcessPoolExecutor | None:
    """Return so many processes, none of which runs yet; None where one is enough, or the system has none to give."""
    if number < 2:
        return None
    try:
        return ProcessPoolExecutor(number, get_context("fork"), _end_with, (os.getpid(),))
    except OSError:  # they need a semaphore, which a container without /dev/shm does not have
        return None


def on_all_cores(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield the result of each item, in their order; the first exception ends all.

    Raises SystemExit where the system killed a process.
    """
    pool = _processes(min(cores(), len(items)))
    if pool is None:
        yield from map(work, items)
        return
    _forked[:] = work, items
    try:
        with warnings.catch_warnings():
            # Python warns of threads at a fork, which may hold a lock: ours, the heartbeat, holds none that work needs.
            warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*multi-threaded")
            results = pool.map(_work_on, range(len(items)))
        yield from results
    except BrokenProcessPool:
        fact = "a process that had a part of the work was killed, as where memory runs out"
        raise SystemExit(f"{fact}; mend that, then try again") from None
    finally:
        pool.shutdown(cancel_futures=True)
        _forked.clear()
