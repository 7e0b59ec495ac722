"""A published index, made once for a module of tests and copied for each test that breaks it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from approved import approve
from distributions import sdist, wheel
from project import find_caddy
from upstream import Upstream

from scripts import index
from scripts.build import seal

# Long enough that it has a compressed twin.
PROVENANCE = json.dumps({"version": 1, "attestation_bundles": [{"padding": "x" * 20_000}]}).encode()
ALPHA = wheel("alpha", "1.0", requires_python=">=3.8,<4", metadata_headers="Home-page: https://alpha.example/")
YANKED = wheel("alpha", "1.9")
BETA = wheel("beta-x", "2.0+cu1")
GAMMA = sdist("gamma", "3.0")
SETTINGS = (
    'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nallow_sdists: [gamma]\n'
    "denied: {evil: it steals}\nrequest_url: https://ask.example/\n"
)


def _copy(source: str, place: str) -> None:
    """Copy a file; the server's binary, which no test writes into, gets a second name."""
    if source.endswith("caddy-server"):
        os.link(source, place)
    else:
        shutil.copy2(source, place)


class Published(NamedTuple):
    """A checkout with its locks, and the shared folder that was published from it."""

    checkout: Path
    root: Path

    @property
    def live(self) -> Path:
        """The live release."""
        return self.root / (self.root / "web").readlink()

    def copy(self, folder: Path) -> Published:
        """Copy both into a folder, for a test to break."""
        shutil.copytree(self.checkout, folder / "checkout")
        shutil.copytree(self.root, folder / "shared", symlinks=True, copy_function=_copy)
        return Published(folder / "checkout", folder / "shared")


def publish(folder: Path) -> Published:
    """Publish wheels, an sdist, yanks, provenance and a denied name; what the user has set does not count."""
    made = Published(folder / "checkout", folder / "shared")
    made.checkout.mkdir()
    with pytest.MonkeyPatch.context() as patch, Upstream() as upstream:
        patch.chdir(made.checkout)
        for name in filter(lambda name: name.startswith("PIP_"), list(os.environ)):
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        upstream.add(ALPHA, provenance=PROVENANCE)
        upstream.add(YANKED, yanked=True)
        upstream.add(BETA, yanked="it <fails>")
        upstream.add(GAMMA)
        Path("packages.yaml").write_text(SETTINGS)
        approve(ALPHA, YANKED, BETA, GAMMA)
        index.main([f"--root={made.root}", f"--upstream={upstream.url}", f"--caddy={find_caddy()}"])
    return made


def rewrite(page: Path, old: str, new: str) -> None:
    """Change a page, and its validators with it, so that no more than this is wrong."""
    text = page.read_text()
    assert old in text, text
    page.unlink()  # a hard link may share it
    page.write_text(text.replace(old, new))
    seal(page.parent, [page.name])


def edit(page: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON page, and its validators with it."""
    value = json.loads(page.read_text())
    change(value)
    page.unlink()
    page.write_text(json.dumps(value, separators=(",", ":")))
    seal(page.parent, [page.name])
