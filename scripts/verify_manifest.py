"""Manifests of $(PYPI_ROOT) -> problems: each kept release is what its manifest lists, signed by whom we allow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from scripts import manifest, pool
from scripts.files import is_file, is_silly
from scripts.manifest import PACKAGES, is_right
from scripts.problem import Problem, Rule
from scripts.release import problems
from scripts.root import Root
from scripts.signature import verified


def _told(release: Path, error: ValueError) -> Problem:
    """Return the problem that a manifest's error is, which begins with its path."""
    path, _, fact = str(error).partition(": ")
    return Problem(Rule.RELEASE, Path(path).relative_to(release).as_posix(), fact)


def _vouched(release: Path, allowed: Path) -> Iterator[Problem]:
    try:
        manifest.read(release)
        verified(release, allowed)
    except ValueError as error:
        yield _told(release, error)


def _as_listed(root: Root, release: Path) -> Iterator[Problem]:
    """Compare a release with its manifest, and look for its files."""
    try:
        made = manifest.read(release)
    except ValueError:  # is told already
        return
    yield from (Problem(Rule.PAGES, path, fact) for path, fact in problems(release, made))
    for name, fact in made.pool.items():
        if pool.find(root, name, fact) is None:
            yield Problem(Rule.FILES, manifest.FILE, f"lists {PACKAGES}{name}, which is gone")


def kept(root: Root, live: Path, allowed: Path) -> Iterator[Problem]:
    """Examine every kept release; the pages of the live one are compared with more than its manifest, elsewhere."""
    for release in root.all_releases:
        others = () if release == live else _as_listed(root, release)
        remedy = "" if release == live else f"no rollback goes there, so remove {release}"
        signing = remedy or "run make index with SIGNING_KEY, a key that is allowed"
        for one in (*(one._replace(remedy=signing) for one in _vouched(release, allowed)), *others):
            yield one._replace(path=f"releases/{release.name}/{one.path}", remedy=one.remedy or remedy)


def rolled_back_to(root: Root, live: Path, taken_back: str) -> Iterator[Problem]:
    """Examine what somebody went back to: it is not what the locks name, and yet may be whole."""
    made = manifest.read(live)
    commit = f" (commit {made.commit[:12]})" if made.commit else ""
    fact = f"{taken_back} was rolled back to {live.name}, which was made of other locks than the checkout's{commit}"
    yield Problem(Rule.RELEASE, "web", fact, "change the locks, and run make index")
    for one in _as_listed(root, live):
        yield one._replace(path=f"releases/{live.name}/{one.path}", remedy="run make rollback to another release")
    for path in root.packages.iterdir():
        if path.name not in made.pool and not is_silly(path):
            fact = f"is in no page of {live.name}"
            yield Problem(Rule.LAYOUT, f"{PACKAGES}{path.name}", fact, "remove it")


def listed(live: Path, files: Mapping[str, str]) -> Iterator[Problem]:
    """Compare the live release's manifest with what is right; files are what its pages list, name -> sha256."""
    made = manifest.read(live)
    if {name: made.pool[name].sha256 for name in made.distributions} != files:
        yield Problem(Rule.RELEASE, manifest.FILE, "lists other files than the pages")
    wrong = [path for path, fact in made.pages.items() if not is_right(live / path, fact)]
    yield from (Problem(Rule.RELEASE, manifest.FILE, f"lists another {path}") for path in wrong)


def sent(folder: Path, release: str, allowed: Path) -> Iterator[Problem]:
    """Compare what a server sent, which is in a folder, with the manifest that it sent, and ask who signed that."""
    if not is_file(folder / manifest.FILE):  # the server's answer is told
        return
    try:
        made = manifest.parse((folder / manifest.FILE).read_bytes())
        verified(folder, allowed)
    except ValueError as error:
        yield Problem(Rule.RELEASE, manifest.FILE, str(error).removeprefix(f"{folder}/{manifest.FILE}: "))
        return
    if made.release != release:
        yield Problem(Rule.RELEASE, manifest.FILE, f"is of the release {made.release}")
        return
    for path, fact in made.pages.items():
        if is_file(folder / path) and not is_right(folder / path, fact):
            yield Problem(Rule.RELEASE, path, "is not what the manifest lists")


def programs(root: Root, known: Collection[str]) -> Iterator[Problem]:
    """Compare what serves the index, but for what is known otherwise, with what the newest release was made with."""
    newest = max(root.all_releases, key=manifest.generation_of)
    try:
        expected = manifest.read(newest).programs
    except ValueError:  # is told of that release
        return
    for name, fact in expected.items():
        if name not in known and is_file(place := root.bin / name) and not is_right(place, fact):
            yield Problem(Rule.LAYOUT, f"bin/{name}", f"is not what {newest.name} was made with")
