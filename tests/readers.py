"""Two releases that take turns -> what pip, uv and a poller see of them: nothing that fails, nothing of both.

What both releases hold can be installed at any moment. Whatever is read between two answers of `/healthz` that name one
release is of that release: its root page, its projects' pages in both forms, its story, and every file and sidecar that
these name. A look that spans a publish may mix the two, as with any server, and then counts only by what both hold.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import chdir, closing
from dataclasses import dataclass, field
from pathlib import Path

from approved import approve
from client_environment import alone
from client_environment import run as run_client
from distributions import Distribution, wheel
from poller import Poller
from project import CODE, copy_of_project, environment, find_caddy, served
from upstream import Upstream

UV = Path(sys.prefix) / "bin" / "uv"
SETTINGS = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\n'
APP, LIB = wheel("app", "1.0", requires=["lib"]), wheel("lib", "1.0", files={"lib.py": b"#" * 300_000})
# By what they hold besides: a project that comes and goes, one whose version moves, one whose page is always there.
RELEASES = {
    "odd": (APP, LIB, wheel("odd", "1.0"), wheel("moving", "1.0"), wheel("growing", "1.0")),
    "even": (APP, LIB, wheel("even", "1.0"), wheel("moving", "2.0"), wheel("growing", "1.0"), wheel("growing", "2.0")),
}
BOTH = {"app": {APP.filename}, "lib": {LIB.filename}, "growing": {"growing-1.0-py3-none-any.whl"}}


@dataclass
class Counts:
    """What was done, and the sentences of what went wrong; whole are the looks within one release."""

    publishes: int = 0
    looks: int = 0
    whole: int = 0
    pip: int = 0
    uv: int = 0
    problems: list[str] = field(default_factory=list)


# Publishing


def _index(root: Path, upstream: str) -> tuple[str, ...]:
    return (
        sys.executable,
        "-m",
        "scripts.index",
        f"--root={root}",
        f"--upstream={upstream}",
        f"--caddy={find_caddy()}",
    )


def _checkout(folder: Path, upstream: Upstream, distributions: Sequence[Distribution]) -> Path:
    folder.mkdir()
    with chdir(folder):
        Path("packages.yaml").write_text(SETTINGS)
        approve(*map(upstream.add, distributions))
    return folder


def _publish(checkout: Path, root: Path, upstream: str) -> str:
    """Run what `make index` runs; returns the release, or raises AssertionError with what it said."""
    command = _index(root, upstream)
    env = alone(checkout, PYTHONPATH=str(CODE))
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (root / "web").readlink().name


# Installing


def _install(home: Path, url: str, *command: str | Path) -> str:
    """Install what both releases hold into a new folder; returns what was said where that fails."""
    to = home / "to"
    shutil.rmtree(to, ignore_errors=True)
    done = run_client(*command, f"--target={to}", "app", home=home, PIP_INDEX_URL=url, UV_DEFAULT_INDEX=url)
    is_there = (to / "app.py").is_file() and (to / "lib.py").is_file()
    return "" if done.returncode == 0 and is_there else f"{command}: {done.stdout}"


def _pip(home: Path, url: str) -> str:
    # Not --isolated: it would not read the index URL either, and `run_client` has nothing else in the environment.
    return _install(home, url, sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-compile")


def _uv(home: Path, url: str) -> str:
    return _install(home, url, UV, "--no-config", "pip", "install", "--no-cache", f"--python={sys.executable}")


def _again_and_again(over: threading.Event, work: Callable[[], None], counts: Counts) -> threading.Thread:
    """Do it once at least, and until it is over; what it raises is a problem too."""

    def loop() -> None:
        try:
            work()
            while not over.is_set():
                work()
        except Exception as error:  # a thread's error would be lost
            counts.problems.append(repr(error))

    thread = threading.Thread(target=loop)
    thread.start()
    return thread


def take_turns(folder: Path, is_over: Callable[[Counts], bool]) -> Counts:
    """Publish one release and the other, with readers all the time, until that is over."""
    counts, over, root = Counts(), threading.Event(), folder / "shared"
    with Upstream() as upstream:
        checkouts = {name: _checkout(folder / name, upstream, held) for name, held in RELEASES.items()}
        ids = {name: _publish(checkouts[name], root, upstream.url) for name in RELEASES}
        nowhere = upstream.url
    held = {ids[name].rpartition("-")[2]: {one.filename for one in files} for name, files in RELEASES.items()}
    for each in ("pip", "uv"):
        (folder / f"{each}-home").mkdir()

    def poll() -> None:
        is_whole, problems = poller.look()
        counts.looks += 1
        counts.whole += is_whole
        counts.problems += problems

    def with_pip() -> None:
        counts.problems.extend(filter(None, [_pip(folder / "pip-home", url)]))
        counts.pip += 1

    def with_uv() -> None:
        counts.problems.extend(filter(None, [_uv(folder / "uv-home", url)]))
        counts.uv += 1

    with served(root) as url, closing(Poller(url, held, BOTH)) as poller:
        threads = [_again_and_again(over, each, counts) for each in (poll, with_pip, with_uv)]
        try:
            while not is_over(counts):
                _publish(checkouts[list(RELEASES)[counts.publishes % 2]], root, nowhere)
                counts.publishes += 1
        finally:
            over.set()
            for thread in threads:
                thread.join()
    return counts


def readers(seconds: float) -> Counts:
    """Let two releases take turns for so long."""
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        return take_turns(Path(folder), lambda counts: bool(counts.problems) or time.monotonic() > end)


# Eight at once


def _run_at_once(project: Path, root: Path, upstream: str, many: int) -> list[str]:
    """Run `make index` so many times at once; returns what those said that failed."""
    given = f"VENV={sys.prefix}", f"PYPI_ROOT={root}", f"UPSTREAM={upstream}", f"CADDY={find_caddy()}"
    runs = [
        subprocess.Popen(("make", "index", *given), cwd=project, env=environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(many)
    ]
    said = [run.communicate()[1] for run in runs]
    return [text for run, text in zip(runs, said, strict=True) if run.returncode]


def _pool(*distributions: Distribution) -> dict[str, bytes]:
    files = {one.filename: one.data for one in distributions}
    return files | {f"{one.filename}.metadata": one.metadata for one in distributions}


def eight(folder: Path, many: int = 8) -> list[str]:
    """Run many `make index` at once, from nothing, with a change, and with none; returns what went wrong."""
    project, root = copy_of_project(folder / "project", without=("locks/",)), folder / "shared"
    problems: list[str] = []
    with Upstream() as upstream, chdir(project):
        Path("packages.yaml").write_text(SETTINGS)
        for releases, name in enumerate(RELEASES, 1):
            approve(*map(upstream.add, RELEASES[name]))
            upstream.requests.clear()
            problems += _run_at_once(project, root, upstream.url, many)
            asked = upstream.file_requests()
            problems += [f"{name}: asked for {asked}"] if len(set(asked)) != len(asked) else []
            found = len(list((root / "releases").iterdir()))
            problems += [f"{name}: {found} releases, and not {releases}"] if found != releases else []
            pool = {path.name: path.read_bytes() for path in (root / "packages").iterdir()}
            problems += [f"{name}: the pool has {sorted(pool)}"] if pool != _pool(*RELEASES[name]) else []
    return problems
