"""locks/, $(PYPI_ROOT) or a URL -> problems: whether what is published is exactly what the locks name, and whole.

Only reads. Without a URL the live release and the pool are examined; with one, what a server sends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts import manifest, rolled_back, variables
from scripts.config import Config
from scripts.conformance import Show, examine_folder
from scripts.conformance_facts import Approved
from scripts.conformance_pages import written
from scripts.conformance_tree import FOLDER, LINK, REGULAR, kind, misplaced
from scripts.digest import sha256_of
from scripts.distribution import SUFFIXES, is_filename
from scripts.files import is_file, is_folder, is_silly
from scripts.gather import read_approved
from scripts.held import PACKAGES, hold_all, with_sidecars, wrong_sidecars
from scripts.last_run import LEFT as LAST_RUN
from scripts.origin import locks_digest
from scripts.owner import FILE as OWNER
from scripts.problem import Problem, Rule
from scripts.release import GENERATION
from scripts.rolled_back import FILE as ROLLED_BACK
from scripts.root import NOT_CONTENT, Root, opened_to_read
from scripts.stage import CADDYFILE, START
from scripts.terminal import Progress, run
from scripts.verify_manifest import kept, listed, programs, rolled_back_to
from scripts.verify_url import verify_url

_REMEDY = "run make index"
_TOP = {
    **dict.fromkeys(("packages", "retired", "incoming", "releases", "bin"), FOLDER),
    **{"web": LINK, ".pypi-index": REGULAR},
}


class Verified(NamedTuple):
    """What was examined, which release it is, and the sentences of all problems."""

    where: str
    release: str
    problems: list[str]


def _kinds(folder: Path, above: str = "") -> dict[str, str]:
    """Say what stands in a folder, without what NFS keeps there for a while, which the server does not serve."""
    return {f"{above}{path.name}": kind(path) for path in folder.iterdir() if not is_silly(path)}


def _is_left(path: Path) -> bool:
    """Whether NFS kept it: such a file, or a folder that could not be removed with such a file in it."""
    return is_silly(path) or (is_folder(path) and any(path.iterdir()) and all(map(_is_left, path.iterdir())))


def _top_problems(root: Root) -> Iterator[Problem]:
    """Compare the top of the shared folder with its layout; retired/ may hold whatever left the pool, strays too."""
    found = {name: what for name, what in _kinds(root.path).items() if name not in NOT_CONTENT}
    # A killed run leaves the first, make rollback the second, and every run that had work to do the others.
    expected = _TOP | {name: REGULAR for name in found if name in {OWNER, ROLLED_BACK, GENERATION, *LAST_RUN}}
    yield from (one._replace(remedy=_to_remove(one)) for one in misplaced(found, expected))
    strays = (path for path in root.releases.iterdir() if path not in root.all_releases and not _is_left(path))
    for path in strays:
        if path.name.endswith((".new", ".old")) and path.name.startswith(".2"):
            yield Problem(Rule.LAYOUT, f"releases/{path.name}", "was left by a run that died")
            continue
        yield Problem(Rule.LAYOUT, f"releases/{path.name}", f"is {kind(path)} that is no release", "remove it")


def _waits(name: str) -> bool:
    """Whether a name is one of what a run that failed or was killed leaves in incoming/."""
    stem = name.removesuffix(".new").removeprefix(".") if name.startswith(".") and name.endswith(".new") else name
    return is_filename(stem.removesuffix(".json").removesuffix(".provenance"))


def _incoming_problems(root: Root) -> Iterator[Problem]:
    """Name what no run left there; what one did is hashed before it is used, and gone after the next."""
    found = _kinds(root.incoming) if is_folder(root.incoming) else {}
    expected = {name: REGULAR for name in found if _waits(name)}
    expected |= {root.scratch.name: FOLDER} if root.scratch.name in found else {}
    for one in misplaced(found, expected):
        yield one._replace(path=f"incoming/{one.path}")


def _to_remove(problem: Problem) -> str:
    return "remove it" if "does not belong" in problem.fact else ""


def _pool_problems(root: Root, names: set[str]) -> Iterator[Problem]:
    """Compare the pool with the files that the pages list; missing files are named with the pages."""
    found = _kinds(root.packages, f"{PACKAGES}/")
    expected = {f"{PACKAGES}/{name}": REGULAR for name in with_sidecars(names)}
    absent = {f"{PACKAGES}/{name}" for name in names} - found.keys()
    yield from misplaced(found, {path: REGULAR for path in expected if path not in absent})


def _sidecar_digests(root: Root, names: set[str]) -> dict[str, str]:
    places = {name: root.packages / f"{name}.metadata" for name in names}
    return {name: sha256_of(place) for name, place in places.items() if is_file(place)}


def verify_root(root: Root, settings: Config, approved: Approved, allowed: Path, show: Show) -> Verified:
    """Examine the live release of a shared folder, its pool, and the folder itself."""
    live = root.published()
    if (taken_back := rolled_back.taken_back(root)) and manifest.read(live).locks != locks_digest():
        told = {*rolled_back_to(root, live, taken_back), *kept(root, live, allowed)}
        return Verified(str(root.path), live.name, [one.sentence(f"{root.path}/", _REMEDY) for one in sorted(told)])
    files = {path.name: path for path in root.packages.iterdir() if path.name.endswith(SUFFIXES)}
    held = hold_all(files, show)
    found = examine_folder(live, approved, held, live.name, show, is_published=True)
    of_pool = (*_pool_problems(root, set(found.files)), *wrong_sidecars(held, _sidecar_digests(root, set(held))))
    # The files belong to the folder and not to the release.
    pages = [one for one in found.problems if not one.path.startswith(f"{PACKAGES}/")]
    pool = [one for one in found.problems if one.path.startswith(f"{PACKAGES}/")]
    told = {*_web_problems(root, live), *_top_problems(root), *_bin_problems(root), *_incoming_problems(root)}
    told |= {*of_pool, *pool, *kept(root, live, allowed)}
    if not told and not pages:
        pages = [*written(root, live, settings, approved.wanted), *listed(live, found.files)]
    told |= {one._replace(path=f"releases/{live.name}/{one.path}") for one in pages}
    return Verified(str(root.path), live.name, [one.sentence(f"{root.path}/", _REMEDY) for one in sorted(told)])


def _bin_problems(root: Root) -> Iterator[Problem]:
    """Compare what the serving side runs with the checkout's; the binary may be the user's own."""
    found = _kinds(root.bin, "bin/")
    expected = dict.fromkeys(("bin/caddy-server", *(f"bin/{source.name}" for source in (START, CADDYFILE))), REGULAR)
    yield from (one._replace(remedy=_to_remove(one)) for one in misplaced(found, expected))
    yield from programs(root, {START.name, CADDYFILE.name})
    for source in (START, CADDYFILE):
        if is_file(place := root.bin / source.name) and place.read_bytes() != source.read_bytes():
            yield Problem(Rule.LAYOUT, f"bin/{place.name}", f"is not the checkout's caddy/{source.name}")


def _web_problems(root: Root, live: Path) -> Iterator[Problem]:
    if str(root.web.readlink()) != f"releases/{live.name}":
        fact = f"leads to {root.web.readlink()}, and not to releases/{live.name}"
        yield Problem(Rule.RELEASE, "web", fact)


def _verify(args: argparse.Namespace, settings: Config, approved: Approved) -> Verified:
    progress = Progress()
    try:
        if args.url:
            live, allowed = Root(args.root).live, args.allowed_signers
            return Verified(*verify_url(args.url, approved, live, allowed, args.fetch_timeout, progress.show))
        with opened_to_read(args.root) as root:
            return verify_root(root, settings, approved, args.allowed_signers, progress.show)
    finally:
        progress.clear()


def main(argv: Sequence[str] | None = None) -> int:
    """Return 1 where anything is not as approved; raises SystemExit where there is nothing to examine."""
    parser = variables.parser(__doc__, "root", "fetch-timeout", "allowed-signers")
    parser.add_argument("--url", default="", help="a server's index URL, to examine what it sends")
    args = parser.parse_args(argv)
    settings, wanted = read_approved()
    approved = Approved(wanted, settings.denied)
    verified = _verify(args, settings, approved)
    if verified.problems:
        print("\n".join(verified.problems), file=sys.stderr)
        return 1
    projects, files = len({pin.name for pin in approved.wanted}), len({pin.sha256 for pin in approved.wanted})
    signed = f", signed as {args.allowed_signers} allows" if args.allowed_signers.is_file() else ""
    print(f"{verified.where}: verified {verified.release}: {projects} projects, {files} files{signed}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
