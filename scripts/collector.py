"""Python's garbage collector: when it works, and when it rests.

Of a run's objects millions live to the end, none of them in circles, and it would look at each, over and over.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_rest() -> Iterator[None]:
    """Let it rest."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def at_work() -> Iterator[None]:
    """Let it look at what comes from now on, such as parsed HTML, full of circles; at what there is, never."""
    is_at_rest = not gc.isenabled()
    gc.freeze()
    gc.enable()
    try:
        yield
    finally:
        if is_at_rest:
            gc.disable()
