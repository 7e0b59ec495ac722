"""This machine -> its CPythons: what the tests of several Pythons run when it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ASK = """
import sys, sysconfig
assert sys.implementation.name == "cpython" and sys.version_info >= (3, 8)
print("%d.%d" % sys.version_info[:2] + "t" * bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
print(sys.executable)
"""


def _candidates() -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from map(str, sorted(pyenv.glob("versions/3.*/bin/python")))
    names = (f"python3.{minor}{suffix}" for minor in range(8, 16) for suffix in ("", "t"))
    yield from filter(None, map(shutil.which, names))


def _ask(candidate: str) -> list[str]:
    """Its version and its real path: a shim on PATH may fail, or run something else in another folder."""
    command = (candidate, "-I", "-S", "-c", _ASK)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


@cache
def found() -> dict[str, Path]:
    """Each CPython from 3.8 on that works: "3.12", or "3.13t" for a free-threaded build -> its executable."""
    answers = [answer for candidate in _candidates() if (answer := _ask(candidate))]
    return {version: Path(executable) for version, executable in reversed(answers)}
