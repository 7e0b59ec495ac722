"""scripts/terminal.py: what a file system refuses is told in one sentence that says where."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from scripts.terminal import disk_errors, run


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("shared/web", "shared/web"),
        ("shared", "shared"),
        ("json", "json, somewhere below shared"),
    ],
)
def test_an_error_of_the_disk_says_where(named: str, told: str) -> None:
    with pytest.raises(SystemExit) as caught, disk_errors(Path("shared"), "make index"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), named)
    assert str(caught.value) == f"{told}: No space left on device; mend that, then run make index again"


def test_an_error_that_nobody_expected_is_one_sentence_that_no_terminal_obeys() -> None:
    def fail() -> int:
        raise OSError(errno.EIO, "Input/output error", "/x\x1b[2J")

    with pytest.raises(SystemExit) as caught:
        run(fail)
    assert caught.value.code == "/x\ufffd[2J: Input/output error; mend that"
