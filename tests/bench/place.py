"""Where everything of one run of the bench is: its folder, its tools, and the project as its users run it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from project import ALONE, CODE, copy_of_project, environment

from bench import measure
from bench.measure import Run
from bench.shares import Shares

Profile = TypeVar("Profile")
Curves = dict[str, dict[int, float]]
# Nobody answers there, so whoever asks an upstream fails.
NO_UPSTREAM = "http://127.0.0.1:9/simple/"


class Place(NamedTuple):
    """A folder that goes with the run, the folder that keeps the peers, Caddy, and the sizes in files, rising.

    curves is filled for the plot: name -> (number of files -> seconds); profiles for the document: group -> (what was
    run -> the shares of its steps).
    """

    folder: Path
    peers: Path
    caddy: Path
    sizes: Sequence[int]
    curves: Curves
    profiles: dict[str, dict[str, Shares]]

    def empty(self, name: str) -> Path:
        """Return a new folder; what was there of that name is gone."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def checkout(self, name: str) -> Path:
        """Return a new copy of the project without its locks."""
        return copy_of_project(self.empty(name), without=("locks/", "docs/", "tests/"))

    def make(self, checkout: Path, verb: str, root: Path, *more: str, online: bool = False) -> Run:
        """Run a verb in a checkout, for a shared folder; unless online, only loopback is in reach."""
        variables = (f"VENV={sys.prefix}", f"CADDY={self.caddy}", f"PYPI_ROOT={root}", *more)
        own = fresh_caches(self) if online else ALONE | {"PIP_CONFIG_FILE": os.devnull}
        if not online and not any(one.startswith("UPSTREAM=") for one in more):
            variables += (f"UPSTREAM={NO_UPSTREAM}",)
        return measure.run("make", "--silent", verb, *variables, cwd=checkout, env=environment(**own))

    def profile(self, measured: Callable[..., Profile], checkout: Path, root: Path) -> Profile:
        """Run what `make index` runs, with only loopback in reach, as it is measured."""
        # As make does, or nothing would be as the last run left it.
        own = f"--caddy={self.caddy}", "--allowed-signers=allowed_signers"
        options = (f"--root={root}", f"--upstream={NO_UPSTREAM}", *own)
        env = environment(**(ALONE | {"PIP_CONFIG_FILE": os.devnull, "PYTHONPATH": str(CODE / "tests")}))
        return measured("scripts.index", *options, cwd=checkout, env=env)


def fresh_caches(place: Place) -> dict[str, str]:
    """Return what keeps a run from what an earlier one downloaded."""
    caches = place.empty("caches")
    return {"XDG_CACHE_HOME": str(caches), "PIP_CACHE_DIR": str(caches / "pip"), "PIP_TOOLS_CACHE_DIR": str(caches)}
