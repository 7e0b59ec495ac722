"""Work under way -> one line on a terminal: progress, side-by-side work, the end on Ctrl-C, and errors of the disk."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from scripts import end_by_signal
from scripts.texts import printable_lines

Item = TypeVar("Item")
Result = TypeVar("Result")

SECONDS_BETWEEN_LOG_LINES = 10.0
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
_CLEAR = "\r\x1b[K"  # to the line's beginning, and erase it


class Progress:
    """One line on standard error: redrawn in place on a terminal, a line now and then in a log."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._next = 0.0 if self._on_terminal else time.monotonic() + SECONDS_BETWEEN_LOG_LINES
        self._drawn = False

    def is_due(self) -> bool:
        """Whether `show` would print something now, for those to whom the text is work."""
        return time.monotonic() >= self._next

    def show(self, text: str) -> None:
        """Say how far the work is; calls that come too soon after another print nothing."""
        if not self.is_due():
            return
        self._next = time.monotonic() + (0.1 if self._on_terminal else SECONDS_BETWEEN_LOG_LINES)
        self._write(text)

    def clear(self) -> None:
        """Take the line off the terminal again."""
        if self._drawn:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        self._drawn = False

    def _write(self, text: str) -> None:
        if self._on_terminal:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            print(f"{_CLEAR}{text[: columns - 1]}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        else:
            print(text, file=sys.stderr, flush=True)


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result as it is done; an exception ends the rest before it is raised."""
    with ThreadPoolExecutor(at_once) as pool:
        try:
            futures = {pool.submit(work, item): item for item in items}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def disk_errors(folder: Path, verb: str) -> Iterator[None]:
    """Tell what a file system refuses in one sentence; what cannot be written names itself, or else folder does.

    What fails when data reach the disk comes without a name, and temporary files are written too.
    """
    try:
        yield
    except BrokenPipeError:  # no disk's: see `run`
        raise
    except OSError as error:
        # Of two names, the second is the one that was written.
        where = str(error.filename2 or error.filename or " or ".join(filter(None, (str(folder), tempfile.tempdir))))
        if os.sep not in where and where != str(folder):  # of what fails within a folder that is open, the name alone
            where = f"{where}, somewhere below {folder}"
        reason = error.strerror or str(error)
        raise SystemExit(f"{where}: {reason}; mend that, then run {verb} again") from None


def raise_disk_error(said: str, where: Path) -> None:
    """Raise the OSError of a Python that we ran, from what it said, if its disk failed: that is no fault of a file."""
    number = re.search(r"OSError: \[Errno (\d+)\]", said)
    if number and int(number[1]) in _DISK_ERRORS:
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(where))


def _leave_output() -> None:
    """Let the interpreter not write what is left, and fail again."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(main: Callable[[], int]) -> int:
    """Call main; on Ctrl-C end by that signal once everything is cleaned up, so that make prints the one line."""
    if signal.getsignal(signal.SIGINT) is end_by_signal:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = main()
        if sys.stdout:  # which whoever starts us may have closed
            sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read our output, such as head, has enough
        _leave_output()
        return 1
    except OSError as error:
        if not error.filename:
            _leave_output()
        text = f"{error.filename or 'standard output'}: {error.strerror or error}; mend that"
        raise SystemExit(printable_lines(text)) from None
    except SystemExit as error:
        # A sentence may quote a package, an upstream or a server.
        raise SystemExit(printable_lines(error.code) if isinstance(error.code, str) else error.code) from None
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        end_by_signal()
        raise
