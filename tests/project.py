"""The project as its users run it: a copy of it, its make, its server."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parent.parent
# What an outer make hands down, `make test` among them.
_OF_MAKE = {
    *("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"),
    *("PYPI_ROOT", "LISTEN", "UPSTREAM", "PACKAGE", "KEEP", "FETCH_TIMEOUT", "URL", "REVIEW", "PROPOSAL", "CADDY"),
    *("BASE", "FORMAT", "STRICT", "TO", "FORCE", "SIGNING_KEY", "ALLOWED_SIGNERS", "BUNDLE", "SINCE"),
}
_CADDY = Path(os.environ.get("CADDY") or Path(sys.prefix) / "bin" / "caddy").absolute()
# Proxies that answer nothing: whatever is not on loopback is out of reach.
ALONE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}


def copy_of_project(path: Path, *, without: tuple[str, ...] = ()) -> Path:
    """Copy what git would clone, and what is not committed yet, with its times: make goes by them."""
    listed = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"),
        cwd=CODE,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (CODE / name).is_file() and not name.startswith(without):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CODE / name, path / name)
    return path


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without what an outer make handed down."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    return kept | changes


def make(
    path: Path, *arguments: str, env: Mapping[str, str] | None = None, own_venv: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the real make in a copy of the project, with the tools that run the tests unless own_venv."""
    venv = () if own_venv else (f"VENV={sys.prefix}",)
    return subprocess.run(
        ("make", *venv, *arguments),
        cwd=path,
        env=env or environment(),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def find_caddy() -> str:
    """Return the server's binary: the one that CADDY names, or the pinned one."""
    return str(_CADDY)


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_until_served(process: subprocess.Popen[str], port: int) -> str:
    """Wait for a server to answer; returns the release id that it names."""
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().read().decode().strip()
        except ConnectionError:
            continue
        finally:
            connection.close()
    pytest.fail(f"the server ended with {process.returncode}: {process.stderr.read() if process.stderr else ''}")


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a shared folder with its staged Caddy, as a deployment does; yields the index URL."""
    port = free_port()
    process = subprocess.Popen(
        (root / "bin" / "caddy", "run", "--config", root / "bin" / "Caddyfile"),
        env={"PYPI_ROOT": str(root), "LISTEN": f"127.0.0.1:{port}", "PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            wait_until_served(process, port)
            yield f"http://127.0.0.1:{port}/simple/"
        finally:
            process.terminate()
