"""Requests per second of our Caddy, beside a bare one on the same tree and beside other servers of the same wheels."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urljoin

from project import free_port

from bench import peers, synthetic
from bench.load import Load, content, load, opened, server
from bench.measure import FailedError, Medians, side_by_side
from bench.peers import JSON, Served, Tree
from bench.place import Place
from bench.table import Row, row

_PROJECTS, _FILES_EACH, _BIG_BYTES = 10_000, 10, 50 * 2**20
# What pip sends with every request for a page.
_PIP = {
    "Accept": f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "Accept-Encoding": "gzip, deflate",
}
_WORKS = ("project page", f"/simple/ of {_PROJECTS:,} projects, compressed", "50 MB wheel")
_UNITS = ("req/s", "req/s", "MB/s")
_TARGETS = ("≥ 0.9 ×", "≥ 5 ×", "≥ 0.95 ×")
_BARE = "bare caddy file-server"
_PEERS = (*peers.PEERS, "nginx")
# The two dearest parts of the Caddyfile, as patterns, and what stands in their place where we measure what they cost.
PARTS = {
    "an access log": (r"(?ms)^\tlog \{\n\t\toutput stdout\n.*?^\t\}\n", ""),
    "looking up the live release": (r"\{file\.[^\n]*/web/release\.txt\}", "RELEASE"),
}


@dataclass(frozen=True)
class _Loads:
    """What was measured of one path, ours and theirs."""

    ours: list[Load] = field(default_factory=list)
    theirs: list[Load] = field(default_factory=list)

    def measure(self, unit: str, url: str, beside: str, *, runs: int = 3) -> Medians:
        """Load both in turn, once they are warm."""
        for each in (url, beside):
            load(each, _PIP, seconds=1)
        return side_by_side(self._of(self.ours, unit, url), self._of(self.theirs, unit, beside), runs=runs)

    @staticmethod
    def _of(kept: list[Load], unit: str, url: str) -> Callable[[], float]:
        def once() -> float:
            kept.append(load(url, _PIP))
            return kept[-1].per_second if unit == "req/s" else kept[-1].mb_per_second

        return once

    def slowest(self) -> Medians:
        """Return the medians of the latencies that 99 of 100 requests were within."""
        if not self.ours or not self.theirs:
            raise FailedError("nothing was measured")
        ours, theirs = (median(one.p99_ms for one in kept) for kept in (self.ours, self.theirs))
        return Medians(ours, theirs, len(self.ours))


def _publish(place: Place) -> tuple[Path, Tree]:
    """Publish 10,000 projects, the first with ten files, and a big wheel; the URL is not known yet."""
    checkout = place.checkout("serve")
    root, wheels = checkout / "shared", checkout / "wheels"
    approvals = synthetic.save(synthetic.versions(1, _FILES_EACH), wheels)
    approvals += synthetic.save(synthetic.versions(_PROJECTS - 2, 1, first=1), wheels)
    big = synthetic.save([(_PROJECTS - 1, "1.0")], wheels, padding=_BIG_BYTES)
    synthetic.approve(checkout, [*approvals, *big])
    synthetic.hold(root, sorted(wheels.iterdir()))
    place.make(checkout, "index", root)
    wheel = f"{big[0].name.replace('-', '_')}-1.0-py3-none-any.whl"
    return root, Tree(root / "web", wheels, "", synthetic.name_of(0), big[0].name, wheel)


@contextmanager
def _ours(root: Path, log: Path, config: Path) -> Iterator[str]:
    port = free_port()
    url, env = f"http://127.0.0.1:{port}", {"LISTEN": f"127.0.0.1:{port}", "PATH": os.environ["PATH"]}
    command = (root / "bin/caddy", "run", f"--config={config}", "--adapter=caddyfile")
    with server(*command, url=f"{url}/healthz", log=log, env=env):
        yield url


def without(part: str, caddyfile: str, release: str) -> str:
    """Return a Caddyfile without one of the PARTS; raises FailedError where it is not there."""
    pattern, instead = PARTS[part]
    text, count = re.subn(pattern, instead.replace("RELEASE", release), caddyfile)
    if count != 1:
        raise FailedError(f"the Caddyfile has {part} {count} times")
    return text


def _costs(place: Place, root: Path, bare: str, path: str) -> Iterator[Row]:
    def measure(part: str) -> Medians:
        config = place.folder / "Caddyfile"
        config.write_text(without(part, (root / "bin/Caddyfile").read_text(), (root / "web").readlink().name))
        with _ours(root, place.folder / "without.log", config) as url:
            return _measure_the_same(_Loads(), "req/s", f"{url}{path}", f"{bare}{path}index.json")

    yield from (row(f"{_WORKS[0]}, without {part}", _BARE, "", partial(measure, part), "req/s") for part in PARTS)


@contextmanager
def _bare(place: Place, tree: Tree, *options: str) -> Iterator[str]:
    port = free_port()
    url, command = f"http://127.0.0.1:{port}", (place.caddy, "file-server", f"--root={tree.web}")
    env = {"PATH": os.environ["PATH"], "HOME": str(place.folder)}
    listen = f"--listen=127.0.0.1:{port}"
    with server(*command, listen, *options, url=f"{url}/files.jsonl", log=place.folder / f"bare-{port}.log", env=env):
        yield url


def _ours_paths(tree: Tree) -> Sequence[str]:
    return f"/simple/{tree.project}/", "/simple/", f"/packages/{tree.big_wheel}"


def _measure_the_same(loads: _Loads, unit: str, url: str, beside: str) -> Medians:
    """Measure two servers that send the same; raises FailedError where they do not."""
    if content(url, _PIP) != content(beside, _PIP):
        raise FailedError(f"{url} and {beside} do not send the same")
    return loads.measure(unit, url, beside)


def _beside_bare(tree: Tree, bare: str) -> Iterator[Row]:
    """Ask the bare Caddy for the same pages by their own names: it does not look at Accept."""
    names = ("index.json", "index.json", "")
    for work, path, name, target, unit in zip(_WORKS, _ours_paths(tree), names, _TARGETS, _UNITS, strict=True):
        loads, urls = _Loads(), (f"{tree.ours}{path}", f"{bare}{path}{name}")
        yield row(work, _BARE, target, partial(_measure_the_same, loads, unit, *urls), unit)
        if work == _WORKS[0]:
            yield row(f"{work}, 99th percentile", _BARE, "≤ 1.1 ×", loads.slowest, "ms")


def _cost_of_logging(place: Place, tree: Tree, bare: str) -> Iterator[Row]:
    """Measure what a bare Caddy loses by its own access log."""
    path = f"{_ours_paths(tree)[0]}index.json"
    with _bare(place, tree, "--access-log") as logging:
        measure = partial(_measure_the_same, _Loads(), "req/s", f"{logging}{path}", f"{bare}{path}")
        yield row(f"{_WORKS[0]} of a bare caddy file-server, with --access-log", _BARE, "", measure, "req/s")


def _link_in(page: str) -> str:
    """Return the URL of the one wheel on a page, for a server that alone knows where it is."""
    with opened(page) as answer:
        links = re.findall(r'href="([^"#]+\.whl)', answer.read().decode())
    if not links:
        raise FailedError(f"no wheel on {page}")
    return urljoin(page, str(links[0]))


def _urls(base: str, served: Served) -> Iterator[str]:
    for path in served.paths:
        is_page = path.startswith("<")
        yield _link_in(f"{base}{served.paths[1]}{path.strip('<>')}/") if is_page else f"{base}{path}"


def _fetch(url: str) -> None:
    """Have a cache filled."""
    with opened(url) as answer:
        while answer.read(2**20):
            pass


def _peer(place: Place, tree: Tree, name: str) -> tuple[str, ExitStack, list[str]]:
    """Start a peer; returns what to call it, what ends it, and the three URLs."""
    called, programs, setup = peers.found(place, name)
    port = free_port()
    served = setup(place, tree, programs, port)
    base, log = f"http://127.0.0.1:{port}", place.folder / f"{name}.log"
    env: Mapping[str, str] = {"PATH": os.environ["PATH"], "HOME": str(place.folder), **served.env}
    with ExitStack() as stack:
        first = base + (served.paths[0] if served.prepare is None else "/")
        stack.enter_context(server(*served.command, url=first, log=log, env=env, cwd=place.folder))
        if served.prepare:
            served.prepare(base)
        urls = list(_urls(base, served))
        for url in urls:
            _fetch(url)
        return called, stack.pop_all(), urls
    raise AssertionError  # an exit stack lets every exception through


def _beside_peer(place: Place, tree: Tree, name: str) -> Iterator[Row]:
    try:
        called, stack, urls = _peer(place, tree, name)
    except (FailedError, OSError) as error:
        yield Row("the three above", name, failure=str(error))
        return
    with stack:
        works = list(zip(_WORKS, _ours_paths(tree), urls, _UNITS, strict=True))
        # The wheel first: where pages are slow, they go on being made when nobody waits for them any more.
        for work, path, url, unit in (works[-1], *works[:-1]):
            measure = partial(_Loads().measure, unit, f"{tree.ours}{path}", url, runs=1)
            yield row(work, called, "", measure, unit)


def rows(place: Place) -> Iterator[Row]:
    """Measure beside a bare Caddy, then beside each peer."""
    root, tree = _publish(place)
    with _ours(root, place.folder / "ours.log", root / "bin/Caddyfile") as url:
        tree = tree._replace(ours=url)
        with _bare(place, tree) as bare:
            yield from _beside_bare(tree, bare)
            yield from _costs(place, root, bare, _ours_paths(tree)[0])
            yield from _cost_of_logging(place, tree, bare)
        for name in _PEERS:
            yield from _beside_peer(place, tree, name)
