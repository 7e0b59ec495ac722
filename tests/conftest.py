"""Fixtures: an upstream, a checkout that takes from it, and an environment without the user's own pip settings."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from published import Published, publish
from upstream import Upstream

from scripts import index, lock, terminal

# Any program does as CADDY where a test does not serve: the pinned one has 50 MB to copy.
_SOME_PROGRAM = shutil.which("true") or sys.executable


class Checkout:
    """A checkout whose requirements and configuration a test writes, with a shared folder next to it."""

    def __init__(self, path: Path, upstream: Upstream) -> None:
        self.path = path
        self.root = path.parent / "shared"
        self.upstream = upstream

    def write(self, requirements: str = "", **files: str) -> None:
        """Write requirements.in and other files: `packages_yaml="…"` is packages.yaml, `dev_in="…"` is dev.in."""
        (self.path / "requirements.in").write_text(requirements)
        for name, text in files.items():
            (self.path / name.replace("_", ".")).write_text(text)

    def lock(self, *options: str) -> int:
        """Run what `make lock` runs, in this process."""
        return lock.main([f"--upstream={self.upstream.url}", *options])

    def index(self, *options: str) -> int:
        """Run what `make index` runs, in this process."""
        return index.main(
            [f"--root={self.root}", f"--upstream={self.upstream.url}", f"--caddy={_SOME_PROGRAM}", *options]
        )

    def locked(self, name: str) -> str:
        """Return the text of locks/<name>.txt."""
        return (self.path / "locks" / f"{name}.txt").read_text()


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's indexes, proxies and caches out of the tests, except those that are about the real registry."""
    if request.node.get_closest_marker("live"):
        return
    for name in os.environ:
        if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    # On a slow machine a run of more than ten seconds would say how far it is.
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LOG_LINES", float("inf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An index on loopback, empty at first."""
    with Upstream() as running:
        yield running


@pytest.fixture
def checkout(tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """An empty checkout, which is the current folder, for Python 3.12 on glibc 2.28; needs may be met by nothing."""
    path = tmp_path / "checkout"
    path.mkdir()
    monkeypatch.chdir(path)
    result = Checkout(path, upstream)
    result.write(packages_yaml='python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\n')
    return result


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A published index, made once for a module's tests."""
    return publish(tmp_path_factory.mktemp("original"))


@pytest.fixture
def published(original: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """A copy of it, which a test may break; its checkout is the current folder."""
    copy = original.copy(tmp_path)
    monkeypatch.chdir(copy.checkout)
    return copy
