"""JupyterLab's closure -> a checkout that asks for it, and the environment in which a stock pip takes the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.place import Place, fresh_caches
from scripts.pip_environment import pip_environment

REQUIREMENT = "jupyterlab"
# pip-compile resolves for the Python that runs it, so that the one target is that one's.
PYTHONS, PLATFORMS = ("3.11", "3.12", "3.13"), ("manylinux_2_28_x86_64", "win_amd64")


def checkout(place: Place, name: str, pythons: Sequence[str], platforms: Sequence[str]) -> Path:
    """Return a checkout that asks for the closure on so many targets."""
    path = place.checkout(name)
    (path / "requirements.in").write_text(f"{REQUIREMENT}\n")
    (path / "packages.yaml").write_text(
        f"resolve_deps: true\npython_versions: {json.dumps(list(pythons))}\nplatforms: {json.dumps(list(platforms))}\n"
    )
    return path


def stock(place: Place) -> dict[str, str]:
    """Return the environment of a stock pip: the configured index alone, and nothing downloaded before."""
    return pip_environment() | fresh_caches(place)
