"""Work that waits for a network -> its results as they come, until a deadline."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

_AT_ONCE = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


def until(deadline: float, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, and give up at the deadline, whatever a thread still waits for.

    A socket's time-out starts anew with every byte, so that alone it bounds nothing. The threads are daemons: nobody
    waits for them at the deadline or on Ctrl-C.
    """
    waiting = deque(items)
    done: SimpleQueue[tuple[Item, Future[Result]]] = SimpleQueue()

    def serve() -> None:
        while waiting:
            try:
                item = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            future: Future[Result] = Future()
            try:
                future.set_result(work(item))
            except Exception as error:
                future.set_exception(error)
            done.put((item, future))

    count = len(waiting)
    for _ in range(min(_AT_ONCE, count)):
        threading.Thread(target=serve, daemon=True).start()
    try:
        for _ in range(count):
            item, future = done.get(timeout=max(0.0, deadline - time.monotonic()))
            yield item, future.result()
    except Empty:
        raise TimeoutError("not done within FETCH_TIMEOUT") from None
    finally:
        waiting.clear()
