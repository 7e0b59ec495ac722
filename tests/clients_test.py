"""Real clients against the served index, with nothing else in reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Checkout
from distributions import wheel
from interpreters import found
from project import ALONE, copy_of_project, environment, find_caddy, make, served
from upstream import Upstream

from scripts import locks
from scripts.target import Target


def _run(command: Sequence[str | Path], **env: str) -> str:
    done = subprocess.run(
        command, env=environment(**ALONE, **env), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _pip(*arguments: str | Path, python: str | Path = sys.executable) -> str:
    return _run(
        (python, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments), PIP_CONFIG_FILE=os.devnull
    )


@pytest.fixture
def offered(checkout: Checkout, upstream: Upstream) -> Checkout:
    """An index with a dependency that a marker decides, a compiled wheel for Linux and one for Windows."""
    upstream.add(wheel("app", "1.0", requires=("fast>=1", 'winonly; sys_platform == "win32"')))
    for tag in ("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-win_amd64"):
        upstream.add(wheel("fast", "1.0", tag=tag))
    upstream.add(wheel("winonly", "1.0"))
    checkout.write(
        "app\n",
        packages_yaml='resolve_deps: true\npython_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64, win_amd64]\n',
    )
    assert checkout.lock() == 0
    assert checkout.index(f"--caddy={find_caddy()}") == 0
    upstream.stop()
    return checkout


def test_pip_installs_for_each_target_from_the_index_alone(offered: Checkout, tmp_path: Path) -> None:
    with served(offered.root) as url:
        for key in locks.existing():
            folder = tmp_path / str(key.target)
            options = (*key.target.pip_options(), "--only-binary=:all:", f"--target={folder}")
            _pip("install", f"--index-url={url}", "--no-cache-dir", "--no-deps", *options, "app", "fast")
            assert sorted(path.name for path in folder.glob("*.dist-info")) == [
                "app-1.0.dist-info",
                "fast-1.0.dist-info",
            ]
            installed = (folder / "fast-1.0.dist-info" / "WHEEL").read_text()
            assert ("win_amd64" in installed) == (key.target.platform == "win_amd64")


@pytest.mark.parametrize(
    ("platform", "expected"), [("linux", ["app", "fast"]), ("windows", ["app", "fast", "winonly"])]
)
def test_uv_resolves_and_installs_from_the_index_alone(
    offered: Checkout, tmp_path: Path, platform: str, expected: list[str]
) -> None:
    uv = Path(sys.prefix) / "bin" / "uv"
    options = ("--python-version=3.12", f"--python-platform={platform}", "--no-config", "--no-cache")
    plain = ("--no-header", "--no-annotate")
    with served(offered.root) as url:
        pins = _run(
            (uv, "pip", "compile", *options, *plain, f"--default-index={url}", offered.path / "requirements.in")
        )
        assert [pin.partition("==")[0] for pin in pins.split()] == expected
        _run((uv, "pip", "install", *options, f"--default-index={url}", f"--target={tmp_path / 'to'}", "app"))
        assert [path.name.partition("-")[0] for path in sorted((tmp_path / "to").glob("*.dist-info"))] == expected


def test_the_tree_works_below_a_path_prefix(offered: Checkout, tmp_path: Path) -> None:
    (tmp_path / "prefix").mkdir()
    (tmp_path / "prefix" / "python").symlink_to(offered.root / "web")
    url = f"file://{tmp_path}/prefix/python/simple/"
    _pip("download", f"--index-url={url}", "--no-deps", f"--dest={tmp_path / 'to'}", "app")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["app-1.0-py3-none-any.whl"]


@pytest.mark.live
def test_the_shipped_example_is_published_and_installed_in_two_commands(tmp_path: Path) -> None:
    clone = copy_of_project(tmp_path / "a clone")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in ("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message=shipped"):
        subprocess.run((*git, *command), cwd=clone, check=True)
    done = make(clone, "index", own_venv=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run(("git", "status", "--porcelain"), cwd=clone, check=True, capture_output=True).stdout == b""
    used = []
    with served(clone / "pypi") as url:
        for python, interpreter in found().items():
            if any(path.name.startswith(f"{python}-manylinux") for path in (clone / "locks").glob("*/*.txt")):
                _install_and_import(interpreter, tmp_path / python, url)
                used.append(python)
        for path in sorted((clone / "locks").glob("*/*.txt")):
            target = Target.parse(path.stem)
            options = (*target.pip_options(), "--only-binary=:all:", f"--target={tmp_path / 'nowhere'}")
            _pip(
                "install",
                "--dry-run",
                f"--index-url={url}",
                "--no-cache-dir",
                *options,
                "flask",
                "pyyaml",
                "requests[socks]",
            )
    if not used:
        pytest.skip("no Python here that the shipped example names: resolved for all, imported by none")


def _install_and_import(interpreter: Path, venv: Path, url: str) -> None:
    _run((interpreter, "-m", "venv", venv))
    python = venv / "bin" / "python"
    _pip("install", f"--index-url={url}", "--no-cache-dir", "flask", "pyyaml", "requests[socks]", "rich", python=python)
    _run((python, "-c", "import flask, markupsafe._speedups, requests, rich, socks, yaml"))
