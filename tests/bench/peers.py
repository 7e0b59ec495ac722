"""Other servers of a package index -> what runs each, over the same wheels, in an environment of its own.

What can only be filled by uploads, or caches another index, is put before our own server and asked once before.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.measure import FailedError, run
from bench.place import Place
from scripts.pip_environment import pip_environment

JSON = "application/vnd.pypi.simple.v1+json"


class Tree(NamedTuple):
    """What there is to serve: our release, a folder of its wheels alone, and our own server's URL with no slash."""

    web: Path
    wheels: Path
    ours: str
    project: str
    big_project: str
    big_wheel: str


class Served(NamedTuple):
    """How to run a server, and the paths of project page, `/simple/` and wheel."""

    command: Sequence[str | Path]
    paths: Sequence[str]
    env: Mapping[str, str] = {}
    prepare: Callable[[str], None] | None = None


def _said(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def installed(place: Place, name: str, *pins: str) -> Path:
    """Install a peer unless an earlier run did; returns the folder of its programs."""
    path = place.peers / name
    if not (path / "complete").exists():
        shutil.rmtree(path, ignore_errors=True)
        run(sys.executable, "-m", "venv", "--without-pip", path)
        options = ("--quiet", "--only-binary=:all:", "--no-compile")
        command = (sys.executable, "-m", "pip", "--python", path / "bin" / "python", "install", *options, *pins)
        run(*map(str, command), env=pip_environment(), timeout=600)
        (path / "complete").touch()
    return path / "bin"


def version_of(programs: Path, distribution: str) -> str:
    """Return the version of a peer."""
    ask = f"from importlib.metadata import version; print(version({distribution!r}))"
    return _said(programs / "python", "-c", ask)


def _by_project(place: Place, tree: Tree) -> Path:
    """Make a folder for each project, with links to its wheels."""
    top = place.empty("by-project")
    for wheel in tree.wheels.iterdir():
        folder = top / wheel.name.partition("-")[0].replace("_", "-")
        folder.mkdir(exist_ok=True)
        (folder / wheel.name).hardlink_to(wheel)
    return top


def _pypiserver(_: Place, tree: Tree, programs: Path, port: int) -> Served:
    # It finds waitress by itself.
    options = ("--interface=127.0.0.1", f"--port={port}", "--disable-fallback", tree.wheels)
    paths = (f"/simple/{tree.project}/", "/simple/", f"/packages/{tree.big_wheel}")
    return Served((programs / "pypi-server", "run", *options), paths)


def _simple_repository(place: Place, tree: Tree, programs: Path, port: int) -> Served:
    options = ("--host=127.0.0.1", f"--port={port}", _by_project(place, tree))
    paths = (f"/simple/{tree.project}/", "/simple/", f"/resources/{tree.big_project}/{tree.big_wheel}")
    return Served((programs / "simple-repository-server", *options), paths)


def _proxpi(_: Place, tree: Tree, programs: Path, port: int) -> Served:
    options = ("--workers=1", "--threads=8", f"--bind=127.0.0.1:{port}", "proxpi.server:app")
    paths = (f"/index/{tree.project}/", "/index/", f"/index/{tree.big_project}/{tree.big_wheel}")
    env = {"PROXPI_INDEX_URL": f"{tree.ours}/simple/", "PROXPI_INDEX_TTL": "3600", "PROXPI_DOWNLOAD_TIMEOUT": "60"}
    return Served((programs / "gunicorn", *options), paths, env)


def _ask(url: str, method: str, told: Mapping[str, object], token: str = "") -> dict[str, object]:
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if token:
        headers["X-Devpi-Auth"] = b64encode(f"root:{token}".encode()).decode()
    request = urllib.request.Request(url, json.dumps(told).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        result: dict[str, object] = json.load(answer)
        return result


def _mirror(ours: str) -> Callable[[str], None]:
    """Make a devpi index that mirrors ours."""

    def make(url: str) -> None:
        login = _ask(f"{url}/+login", "POST", {"user": "root", "password": ""})["result"]
        if not isinstance(login, dict):
            raise FailedError("devpi-server lets nobody log in")
        settings = {"type": "mirror", "mirror_url": f"{ours}/simple/", "volatile": True}
        _ask(f"{url}/root/bench", "PUT", settings, str(login["password"]))

    return make


def _devpi(place: Place, tree: Tree, programs: Path, port: int) -> Served:
    data = place.empty("devpi")
    run(programs / "devpi-init", f"--serverdir={data}", "--no-root-pypi")
    options = (f"--serverdir={data}", "--host=127.0.0.1", f"--port={port}")
    paths = (f"/root/bench/+simple/{tree.project}/", "/root/bench/+simple/", f"<{tree.big_project}>")
    return Served((programs / "devpi-server", *options), paths, prepare=_mirror(tree.ours))


# As root, nginx would read as somebody who may not enter a temporary folder.
_NGINX = """\
user {user}; daemon off; worker_processes auto; pid nginx.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
    types {{ text/html html; application/vnd.pypi.simple.v1+json json; }}
    access_log access.log; sendfile on; tcp_nopush on; keepalive_requests 1000000;
    gzip on; gzip_types application/vnd.pypi.simple.v1+json; gzip_static on;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{ listen 127.0.0.1:{port}; root {web}; index index.json; }}
}}
"""


def _nginx(place: Place, tree: Tree, programs: Path, port: int) -> Served:
    folder = place.empty("nginx")
    user = f"{folder.owner()} {folder.group()}"
    (folder / "nginx.conf").write_text(_NGINX.format(port=port, web=tree.web, user=user))
    paths = (f"/simple/{tree.project}/", "/simple/", f"/packages/{tree.big_wheel}")
    return Served((programs / "nginx", "-p", folder, "-c", "nginx.conf"), paths)


Setup = Callable[[Place, Tree, Path, int], Served]
# name -> what is installed, and what runs it.
PEERS: Mapping[str, tuple[Sequence[str], Setup]] = {
    "pypiserver": (("pypiserver[cache]", "waitress"), _pypiserver),
    "devpi-server": (("devpi-server",), _devpi),
    "simple-repository-server": (("simple-repository-server",), _simple_repository),
    "proxpi": (("proxpi", "gunicorn"), _proxpi),
}


def found(place: Place, name: str) -> tuple[str, Path, Setup]:
    """Return a peer's name with its version, its programs, and what runs it; raises FailedError where it is not had."""
    if name == "nginx":
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            raise FailedError("nginx is not installed")
        said = subprocess.run((program, "-v"), check=True, capture_output=True, text=True).stderr
        return f"nginx {said.strip().rpartition('/')[2]}", Path(program).parent, _nginx
    pins, setup = PEERS[name]
    programs = installed(place, name, *pins)
    return f"{name} {version_of(programs, name)}", programs, setup
