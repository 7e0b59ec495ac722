"""Pins -> clients of an index: installed from the configured registry, then run with nothing but loopback in reach."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from project import ALONE, environment

# What the clients need comes from before this day, so that no release of it breaks a test.
_RELEASED_BEFORE = "2026-11-20T00:00:00Z"
_SEEDS = {"pip", "setuptools", "wheel"}
_SHOW = """
import importlib.metadata, json
import app, extra, fast, posix_only
names = sorted(each.metadata["Name"].replace("_", "-") for each in importlib.metadata.distributions())
print(json.dumps([fast.TAG, names]))
"""


def alone(home: Path, **more: str) -> dict[str, str]:
    """Return the whole environment of a client: nothing of the user's, and no way to another index."""
    return {
        **ALONE,
        "HOME": str(home),
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CONFIG_DIRS": str(home / "no-configuration"),
        **more,
    }


def run(*command: str | Path, home: Path, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a client alone; what it says is in stdout."""
    return subprocess.run(
        command,
        cwd=cwd or home,
        env=alone(home, **env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def holds(python: Path) -> tuple[str, list[str]]:
    """Import what an environment must hold; returns what `fast` was compiled for, and the names of all it holds."""
    done = subprocess.run((python, "-I", "-c", _SHOW), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    compiled_for, names = json.loads(done.stdout)
    return compiled_for, [name for name in names if name not in _SEEDS]


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder unless another worker of the same run of pytest did; what is left of a failed try goes first."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = path.with_name(f"{path.name}.made")
        if not made.exists():
            shutil.rmtree(path, ignore_errors=True)
            make(path)
            made.touch()
    return path


def empty_environment(path: Path, python: Path) -> Path:
    """Make a virtual environment without a pip; returns its interpreter."""
    subprocess.run((python, "-m", "venv", "--without-pip", path), check=True)
    return path / "bin" / "python"


def _from_the_registry(*arguments: str | Path) -> None:
    subprocess.run((sys.executable, "-m", "pip", *arguments), check=True, env=environment())


def pip_environment(path: Path, python: Path, version: str) -> Path:
    """Make a virtual environment with a pip, which may be too old for the pip that installs it, and so may Python."""
    result = empty_environment(path, python)
    site_packages = next(path.glob("lib/python3*/site-packages"))
    _from_the_registry("install", "--quiet", "--no-deps", f"--target={site_packages}", f"pip=={version}")
    return result


def tool_environment(path: Path, *pins: str) -> Path:
    """Make a virtual environment with tools, unless this run of pytest has it; returns the folder of its programs."""

    def make(path: Path) -> None:
        python = empty_environment(path, Path(sys.executable))
        options = ("--quiet", "--no-compile", f"--uploaded-prior-to={_RELEASED_BEFORE}")
        _from_the_registry("--python", python, "install", *options, *pins)

    return once(path, make) / "bin"
