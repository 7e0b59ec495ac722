"""What locks and installs a project, and what mirrors an index: which versions, and how each is told of an index."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import pytest
from client_environment import alone, run, tool_environment
from client_index import RUNNING
from project import free_port

from scripts.target import Target

OLD_UV = "0.4.30"
_PROJECT = """\
[project]
name = "project"
version = "1.0"
requires-python = "==$python.*"
dependencies = ["$requirement"]
"""
_UV = """
[tool.uv]
package = false

[[tool.uv.index]]
url = "$url"
default = true
"""
_POETRY = """
[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "ours"
url = "$url"
"""
_PDM = """
[tool.pdm]
distribution = false

[[tool.pdm.source]]
name = "pypi"
url = "$url"
"""
_PIPFILE = """\
[[source]]
name = "ours"
url = "$url"
verify_ssl = false

[packages]
$name = {version = "*", extras = [$extras]}
"""
_HATCH = """
[tool.hatch.envs.default]
skip-install = true
path = ".venv"
dependencies = ["$requirement"]
installer = "pip"
env-vars = {PIP_INDEX_URL = "$url"}
"""


class Tool(NamedTuple):
    """A tool that makes `.venv` in a project's folder; without pins it is one of those that run the tests."""

    commands: tuple[str, ...]
    pins: tuple[str, ...]
    project: str
    file: str = "pyproject.toml"
    env: Mapping[str, str] = {}

    def programs(self, of_this_run: Path) -> Path:
        """Return the folder of its programs, installed where need be."""
        name = self.pins[0] if self.pins else ""
        return tool_environment(of_this_run / name, *self.pins) if name else Path(sys.executable).parent

    def install(self, programs: Path, folder: Path, requirement: str, url: str) -> subprocess.CompletedProcess[str]:
        """Lock and install a project that needs a distribution of an index, up to the first command that fails."""
        name, _, extra = requirement.rstrip("]").partition("[")
        extras = json.dumps([extra] if extra else [])[1:-1]
        folder.mkdir()
        text = Template(self.project).substitute(
            url=url, python=RUNNING, requirement=requirement, name=name, extras=extras
        )
        (folder / self.file).write_text(text)
        for command in self.commands:
            program, *arguments = command.split()
            done = run(programs / program, *arguments, home=folder.parent, cwd=folder, **self.env)
            if done.returncode:
                break
        return done


_UV_ENV = {"UV_PYTHON": sys.executable}
TOOLS = {
    "uv": Tool(("uv lock", "uv sync"), (), _PROJECT + _UV, env=_UV_ENV),
    "old-uv": Tool(("uv lock", "uv sync"), (f"uv=={OLD_UV}",), _PROJECT + _UV, env=_UV_ENV),
    "poetry": Tool(
        ("poetry lock", "poetry install --no-root"),
        ("poetry==2.5.1",),
        _PROJECT + _POETRY,
        env={"POETRY_VIRTUALENVS_IN_PROJECT": "true"},
    ),
    # The hishel that pdm's own lock names: it does not work with 2.0, which it does not exclude.
    "pdm": Tool(("pdm lock", "pdm sync"), ("pdm==2.29.4", "hishel==1.4.0"), _PROJECT + _PDM),
    "pipenv": Tool(
        ("pipenv lock", "pipenv sync"),
        ("pipenv==2026.10.3",),
        _PIPFILE,
        "Pipfile",
        env={"PIPENV_VENV_IN_PROJECT": "1"},
    ),
    "hatch": Tool(("hatch env create",), ("hatch==1.18.2",), _PROJECT + _HATCH),
}


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the mirror ended with {process.returncode}: {log.read_text()}")


@contextmanager
def _running(home: Path, port: int, *command: str | Path, **env: str) -> Iterator[None]:
    log = home / "mirror.log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, cwd=home, env=alone(home, **env), stdout=stream, stderr=stream) as process,
    ):
        try:
            _wait_for(process, port, log)
            yield
        finally:
            process.terminate()


def _ask_devpi(method: str, url: str, body: Mapping[str, str], login: str = "") -> Any:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    headers |= {"X-Devpi-Auth": base64.b64encode(login.encode()).decode()} if login else {}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)["result"]


@contextmanager
def _devpi(of_this_run: Path, home: Path, upstream: str) -> Iterator[str]:
    programs, port = tool_environment(of_this_run / "devpi", "devpi-server==6.20.3"), free_port()
    url, folder = f"http://127.0.0.1:{port}", f"--serverdir={home / 'devpi'}"
    done = run(programs / "devpi-init", folder, "--no-root-pypi", home=home)
    assert done.returncode == 0, done.stdout
    with _running(home, port, programs / "devpi-server", folder, f"--port={port}"):
        token = _ask_devpi("POST", f"{url}/+login", {"user": "root", "password": ""})["password"]
        _ask_devpi("PUT", f"{url}/root/ours", {"type": "mirror", "mirror_url": upstream}, f"root:{token}")
        yield f"{url}/root/ours/+simple/"


@contextmanager
def _proxpi(of_this_run: Path, home: Path, upstream: str) -> Iterator[str]:
    programs, port = tool_environment(of_this_run / "proxpi", "proxpi==1.3.1"), free_port()
    flask = (programs / "flask", "--app=proxpi.server", "run", f"--port={port}")
    with _running(home, port, *flask, PROXPI_INDEX_URL=upstream, PROXPI_CACHE_DIR=str(home / "proxpi")):
        yield f"http://127.0.0.1:{port}/index/"


# Where clients are, where its files may be, the index that it mirrors -> the index URL of the mirror, while it runs.
Mirror = Callable[[Path, Path, str], AbstractContextManager[str]]
MIRRORS: dict[str, Mirror] = {"devpi": _devpi, "proxpi": _proxpi}


def pip_options(target: Target) -> tuple[str, ...]:
    """Return what makes pip take just what a target accepts."""
    return (
        f"--python-version={target.python.removesuffix('t')}",
        "--implementation=cp",
        f"--abi={target.abi}",
        *(f"--platform={platform}" for platform in target.platforms),
    )
