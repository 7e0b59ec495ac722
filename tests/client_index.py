"""What the clients of the tests are offered -> an index, published once for a run of pytest and served with its log."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from client_environment import alone
from distributions import wheel
from interpreters import found
from packaging.version import Version
from project import CODE, find_caddy, free_port, wait_until_served
from upstream import Upstream

RUNNING = "{}.{}".format(*sys.version_info)
# An old pip -> the newest Python that it works on.
PIPS = {"19.3.1": "3.11", "20.3.4": "3.11", "21.3.1": "3.11", "22.3.1": "3.11", "23.3.2": "3.13", "24.3.1": "3.14"}
OLD, NEW = "2024-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901Z"
BETWEEN = "2025-01-01T00:00:00Z"
WEIGHT = 1 << 20


class Asked(NamedTuple):
    """A request as the access log tells it; `size` is what was sent as the body."""

    path: str
    status: int
    size: int


class Served(NamedTuple):
    """An index that is served: its URL and its log."""

    url: str
    log: Path
    process: subprocess.Popen[str]

    def asked(self) -> list[Asked]:
        """End the server, so that no line is still to come, and return what it was asked for."""
        self.process.terminate()
        self.process.wait()
        lines = map(json.loads, self.log.read_text(encoding="utf-8").splitlines())
        return [Asked(line["request"]["uri"], line["status"], line["size"]) for line in lines]


def newest_python(limit: str) -> str | None:
    """Return the newest Python here up to `limit`, the one that runs the tests among them."""
    versions = [version for version in {*found(), RUNNING} if not version.endswith("t")]
    return max((each for each in versions if Version(each) <= Version(limit)), key=Version, default=None)


def interpreter(version: str) -> Path:
    """Return the executable of a Python that newest_python named."""
    return Path(sys.executable) if version == RUNNING else found()[version]


def pythons() -> list[str]:
    """Return the Pythons that the clients run on, and so the index is for."""
    return sorted({RUNNING, *filter(None, map(newest_python, PIPS.values()))}, key=Version)


def compiled_tag(python: str, *, windows: bool = False) -> str:
    """Return the tag of a wheel that is compiled for a Python: as manylinux names it now, and for older pips."""
    cpython, machine = f"cp{python.replace('.', '')}", platform.machine()
    made_for = "win_amd64" if windows else f"manylinux_2_17_{machine}.manylinux2014_{machine}"
    return f"{cpython}-{cpython}-{made_for}"


def _offer(upstream: Upstream, name: str, version: str, upload_time: str = OLD, **more: object) -> None:
    # Random, so that what is heavy stays heavy however it is sent.
    heavy = random.Random(f"{name} {more}").randbytes(WEIGHT)  # noqa: S311
    code = f"__version__ = {version!r}\nTAG = {more.get('tag')!r}\n".encode()
    files = {f"{name}/__init__.py": code, f"{name}/heavy.bin": heavy}
    one = wheel(name, version, files=files, **more)  # type: ignore[arg-type]
    # A client that minds the relative URL of a provenance would fail on every page.
    upstream.add(one, upload_time=upload_time, provenance=b'{"version": 1, "attestation_bundles": [{}]}')


def _fill(upstream: Upstream) -> str:
    """Offer an app with an extra, a compiled wheel and markers, one of two ages, one in need of what is not there.

    Returns the requirements that approve all of it.
    """
    needs = ("fast>=1", 'posix_only; sys_platform != "win32"', 'win_only; sys_platform == "win32"')
    _offer(upstream, "app", "1.0", requires=needs, extras={"more": ["extra>=1"]})
    for python in pythons():
        for windows in (False, True):
            _offer(upstream, "fast", "1.0", tag=compiled_tag(python, windows=windows))
    for name in ("extra", "posix_only", "win_only"):
        _offer(upstream, name, "1.0")
    _offer(upstream, "aged", "1.0", OLD)
    _offer(upstream, "aged", "2.0", NEW)
    _offer(upstream, "orphan", "1.0", requires=("idna",))
    pins = ["aged==1.0", "aged==2.0", "app==1.0", "extra==1.0", "fast==1.0", "orphan==1.0"]
    pins += ['posix_only==1.0; sys_platform != "win32"', 'win_only==1.0; sys_platform == "win32"']
    return "\n".join([*pins, ""])


def publish(folder: Path) -> None:
    """Publish what clients are offered to `shared` in a new folder; its upstream is gone then."""
    checkout = folder / "checkout"
    checkout.mkdir(parents=True)
    (checkout / "packages.yaml").write_text(
        f"python_versions: {json.dumps(pythons())}\nplatforms: [manylinux_2_28_{platform.machine()}, win_amd64]\n"
    )
    (checkout / "waivers.yaml").write_text(
        '- {rule: closure, project: orphan, versions: "==1.0", reason: its need is what nobody may find, '
        "approved_by: the tests, expires: 2999-01-01}\n"
    )
    with Upstream() as upstream:
        (checkout / "requirements.in").write_text(_fill(upstream))
        for verb, *options in ("lock",), ("index", f"--root={folder / 'shared'}", f"--caddy={find_caddy()}"):
            subprocess.run(
                (sys.executable, "-m", f"scripts.{verb}", f"--upstream={upstream.url}", *options),
                cwd=checkout,
                env=alone(folder, PYTHONPATH=str(CODE)),
                check=True,
            )


@contextmanager
def watched(root: Path, log: Path) -> Iterator[Served]:
    """Serve a shared folder with its staged Caddy, whose access log goes into a file."""
    port = free_port()
    with (
        log.open("w") as stream,
        subprocess.Popen(
            (root / "bin" / "caddy", "run", "--config", root / "bin" / "Caddyfile"),
            env={"PYPI_ROOT": str(root), "LISTEN": f"127.0.0.1:{port}", "PATH": os.environ["PATH"]},
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            wait_until_served(process, port)
            yield Served(f"http://127.0.0.1:{port}/simple/", log, process)
        finally:
            process.terminate()
