"""scripts/terminal.py: what a file system refuses is told in one sentence that says where."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from scripts.terminal import disk_errors


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
