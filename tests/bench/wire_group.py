"""Bytes over the wire until a client knows what it would install, with sidecars and without them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from client_environment import alone
from project import served
from published import edit

from bench import synthetic
from bench.measure import run, side_by_side
from bench.place import Place
from bench.table import Row, row
from scripts.build import seal

_PINS = 180
_HTML_SIDECARS = ("data-core-metadata", "data-dist-info-metadata")


class Counter:
    """What passed through, in bytes of both directions."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Pass on and count until either end closes."""
        with contextlib.suppress(OSError):
            while data := source.recv(2**16):
                with self._lock:
                    self.bytes += len(data)
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, to: tuple[str, int], counter: Counter) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            beyond = socket.create_connection(to)
            for pair in ((client, beyond), (beyond, client)):
                threading.Thread(target=counter.pump, args=pair, daemon=True).start()


@contextmanager
def counted(url: str) -> Iterator[tuple[str, Counter]]:
    """Stand between a client and a server of loopback; yields the URL to use instead, and the count."""
    parts, counter = urlsplit(url), Counter()
    with socket.create_server(("127.0.0.1", 0)) as server:
        to = (parts.hostname or "", parts.port or 80)
        threading.Thread(target=_accept, args=(server, to, counter), daemon=True).start()
        yield parts._replace(netloc=f"127.0.0.1:{server.getsockname()[1]}").geturl(), counter
        server.shutdown(socket.SHUT_RDWR)


def _without_sidecars(root: Path, copy: Path) -> Path:
    """Copy a shared folder, and take the sidecars out of its pages and its pool."""
    shutil.copytree(root, copy, symlinks=True)
    for path in (copy / "packages").glob("*.metadata"):
        path.unlink()
    for page in (copy / "web" / "simple").glob("*/index.json"):
        edit(page, lambda value: [file.pop("core-metadata", None) for file in value["files"]])
    pages = list((copy / "web" / "simple").glob("*/index.html"))
    for page in pages:
        text = page.read_text()
        for name in _HTML_SIDECARS:
            text = text.replace(f"{name}=", "data-none=")
        page.unlink()
        page.write_text(text)
    seal(copy, [str(page.relative_to(copy)) for page in pages])
    return copy


def _sizes() -> list[int]:
    """Return sizes of wheels as they are found: half below 100 kB, and a few of 10 MB."""
    chance = random.Random("sizes")  # noqa: S311 (a seed is what is wanted)
    return [min(10_000_000, int(chance.lognormvariate(11.5, 1.7))) for _ in range(_PINS)]


def _publish(place: Place) -> tuple[Path, Path]:
    """Publish a set of pins; returns the shared folder and a requirements file of all of them."""
    checkout = place.checkout("wire")
    root, wheels = checkout / "shared", checkout / "wheels"
    approvals = []
    for project, size in enumerate(_sizes()):
        approvals += synthetic.save([(project, "1.0")], wheels, padding=size)
    synthetic.approve(checkout, approvals)
    synthetic.hold(root, sorted(wheels.iterdir()))
    place.make(checkout, "index", root)
    return root, checkout / "requirements.in"


def _pip(folder: Path, pins: Path, url: str) -> tuple[str, ...]:
    only = ("--only-binary=:all:", "--python-version=3.12", "--platform=manylinux_2_28_x86_64", f"--target={folder}/t")
    options = ("--isolated", "--no-cache-dir", "--no-input", "--quiet", f"--index-url={url}")
    return (sys.executable, "-m", "pip", "install", "--dry-run", *options, *only, f"--requirement={pins}")


def _uv(folder: Path, pins: Path, url: str) -> tuple[str, ...]:
    options = (
        "--no-config",
        f"--cache-dir={folder}/cache",
        f"--default-index={url}",
        f"--output-file={folder}/out.txt",
    )
    only = ("--python-version=3.12", "--python-platform=x86_64-manylinux_2_28", "--quiet")
    return (str(Path(sys.executable).with_name("uv")), "pip", "compile", *options, *only, str(pins))


_CLIENTS = (
    ("pip install --dry-run", "≤ 0.02 ×", _pip),
    ("uv pip compile", "≤ 0.2 ×", _uv),
)


def rows(place: Place) -> Iterator[Row]:
    """Measure both clients, in kB."""
    root, pins = _publish(place)
    bare = _without_sidecars(root, place.folder / "wire-bare")
    with served(root) as url, served(bare) as bare_url:
        for client, target, command in _CLIENTS:

            def kilobytes(url: str, command: object = command) -> float:
                folder = place.empty("client")
                with counted(url) as (own, counter):
                    run(*command(folder, pins, own), env=alone(folder, PATH=os.environ["PATH"]))  # type: ignore[operator]
                return counter.bytes / 1000

            work = f"bytes of {client}, {_PINS} pins"
            measure = partial(side_by_side, partial(kilobytes, url), partial(kilobytes, bare_url), runs=1)
            yield row(work, "the same tree without sidecars", target, measure, unit="kB")
