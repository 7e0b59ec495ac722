"""A release's pages, its files, the locks -> problems: what is published is exactly what was approved, and says so.

The pages are those of a folder: a site before it is published, a release, or what was fetched from a server. Each is
read and parsed once. Whatever is in them is untrusted: a damaged page is a problem, and never an error of ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from scripts import conformance_sbom, sbom
from scripts.conformance_facts import Approved, project_problems, provenance_problems
from scripts.conformance_links import file_problems, link_problems, links_of
from scripts.conformance_simple import Forms, disagreements, parse_html, read_forms, root_problems
from scripts.conformance_tree import pages, pages_of_projects, release_problems, tree_problems
from scripts.cores import in_pieces, on_all_cores
from scripts.digest import sha256_of
from scripts.distribution import Distribution
from scripts.facts import sha256_in
from scripts.files import is_file
from scripts.held import PACKAGES, Held, as_read, faults, hold_all
from scripts.list_files import FILE, Record
from scripts.locks import Pin
from scripts.problem import Problem, Rule

Show = Callable[[str], None]
Pins = Mapping[str, Pin]  # by sha256
_PROJECTS_AT_ONCE = 200
BEFORE = "nothing is published; this should not happen, report it with this line"


class Findings(NamedTuple):
    """The problems of the pages, the files that they list, by name, and the paths of all pages that there must be."""

    problems: list[Problem]
    files: Mapping[str, str]
    pages: set[str]


class Listed(NamedTuple):
    """What a project's page lists: name -> sha256, and the files that have a provenance."""

    files: Mapping[str, str] = {}
    with_provenance: frozenset[str] = frozenset()


_NONE: Mapping[str, Listed] = MappingProxyType({})


def _read(folder: Path, path: str) -> bytes | None:
    return (folder / path).read_bytes() if is_file(folder / path) else None


class _Pool(Container[str]):
    """The paths of files and their sidecars, given the files' names: in full they would be many, and long."""

    def __init__(self, names: Container[str]) -> None:
        self._names = names

    def __contains__(self, path: object) -> bool:
        folder, _, name = str(path).rpartition("/")
        distribution = name.removesuffix(".metadata") if name.endswith(".whl.metadata") else name
        return folder == PACKAGES and distribution in self._names


def _listed(forms: Forms) -> Listed:
    files = {str(file.get("filename")): sha256_in(file) for file in forms.files}
    return Listed(files, frozenset(str(file.get("filename")) for file in forms.files if "provenance" in file))


def _shared(listed: Listed) -> Listed:
    """Return an equal value whose texts are there already."""
    files = {sys.intern(name): sys.intern(sha256) for name, sha256 in listed.files.items()}
    return Listed(files, frozenset(map(sys.intern, listed.with_provenance)))


def _as_approved(folder: Path, pins: Collection[str], held: Mapping[str, Held]) -> Listed:
    """Say what a project's page that cannot be read should list, so that one damaged page is one problem."""
    files = {name: one.sha256 for name, one in held.items() if one.sha256 in pins}
    return Listed(files, frozenset(name for name in files if is_file(folder / "provenance" / f"{name}.json")))


def _examine_forms(
    folder: Path, name: str, pins: Pins, approved: Approved, held: Mapping[str, Held]
) -> tuple[Listed, list[Problem]]:
    """Examine both forms of a project's page; one that is not there is for others to name."""
    in_json, in_html = (_read(folder, f"simple/{name}/index.{form}") for form in ("json", "html"))
    if in_json is None or in_html is None:
        return _as_approved(folder, pins, held), []
    forms = read_forms(name, in_json, in_html)
    if not isinstance(forms, Forms):
        return _as_approved(folder, pins, held), forms
    listed = _listed(forms)
    problems = [
        *disagreements(forms),
        *project_problems(name, forms, pins, approved, held),
        *provenance_problems(forms, lambda path: _read(folder, path)),
        *link_problems(forms.html_path, links_of(forms.document), _Pool(listed.files.keys())),
    ]
    return listed, problems


def _follow(folder: Path, path: str, *known: Container[str], files: Collection[str] | None = None) -> Iterator[Problem]:
    """Follow the links of a page; that of a project for people links its files."""
    if (data := _read(folder, path)) is None:
        return
    try:
        links = links_of(parse_html(data))
    except ValueError:
        yield Problem(Rule.LINKS, path, "is no HTML page")
        return
    yield from link_problems(path, links, *known)
    if files is not None:
        yield from file_problems(path, links, files)


def _examine_projects(
    folder: Path,
    approved: Approved,
    held: Mapping[str, Held],
    known: Sequence[Container[str]],
    piece: Mapping[str, Pins],
) -> list[tuple[str, Listed, list[Problem]]]:
    """Examine the pages of some projects, given with their pins; known are the pages and files of all."""
    found = []
    for name, pins in piece.items():
        listed, problems = _examine_forms(folder, name, pins, approved, held)
        pool, proofs = _Pool(listed.files.keys()), {f"provenance/{file}.json" for file in listed.with_provenance}
        problems += _follow(folder, f"project/{name}/index.html", *known, pool, proofs, files=listed.files)
        found.append((name, listed, problems))
    return found


def _lists(folder: Path, files: Mapping[str, str], held: Mapping[str, Held]) -> Iterator[Problem]:
    """Compare the lists for machines with what the pages list, and with the files."""
    known: dict[str, list[tuple[Rule, str]]] = {}  # both are the same, mostly
    for path in (FILE, "packages.json"):
        if is_file(folder / path):
            digest = sha256_of(folder / path)
            if digest not in known:
                with (folder / path).open("rb") as lines:
                    known[digest] = list(_list(lines, files, held))
            yield from (Problem(rule, path, text) for rule, text in known[digest])


def _list(lines: Iterable[bytes], files: Mapping[str, str], held: Mapping[str, Held]) -> Iterator[tuple[Rule, str]]:
    """Yield what is wrong with a list, each with the rule that it breaks."""
    hashes: dict[str, str] = {}
    wrong: list[str] = []
    try:
        for line in lines:
            record = json.loads(line.decode("ascii"))
            name = sys.intern(str(record.get("filename")))
            hashes[name] = sys.intern(str(record.get("hash")).removeprefix("sha256="))
            wrong += _record(name, record, held)
    except (ValueError, AttributeError, RecursionError):
        yield Rule.FACTS, "is no list of files, one JSON object a line"
        return
    for name in sorted(name for name in hashes.keys() | files.keys() if hashes.get(name) != files.get(name)):
        pair = hashes.get(name), files.get(name)
        yield Rule.LOCKS, f"{name}: its sha256 is {pair[0]}, and on its project's page {pair[1]}"
    yield from ((Rule.FACTS, text) for text in wrong)


def _record(name: str, record: Record, held: Mapping[str, Held]) -> Iterator[str]:
    if name not in held or held[name].fault:
        return
    metadata = held[name].metadata
    facts = {"core_metadata": metadata and f"sha256={metadata}", "requires_python": held[name].requires_python}
    for key, fact in facts.items():
        if record.get(key) != fact:
            yield f"{name}: its {key} is {record.get(key)}, and of the file {fact}"


def examine(
    folder: Path, approved: Approved, held: Mapping[str, Held], show: Show, kept: Mapping[str, Listed] = _NONE
) -> Findings:
    """Compare all pages below folder with what is approved and with the files, given by their names.

    kept are projects whose pages were examined when they were written, and are as they were. show is told how far that
    is. A page that is not there is for others to name.
    """
    problems, projects = list(faults(held)), dict(kept)
    pins = approved.by_project
    work = partial(_examine_projects, folder, approved, held, (pages(pins, ()), _Pool(held.keys())))
    names = sorted(pins.keys() - kept.keys())
    pieces = [{name: pins[name] for name in piece} for piece in in_pieces(names, _PROJECTS_AT_ONCE)]
    for found in on_all_cores(work, pieces):
        for name, listed, wrong in found:
            projects[name] = _shared(listed)
            problems += wrong
        show(f"Checking: {len(projects)} of {len(pins)} projects")
    files = {name: sha256 for listed in projects.values() for name, sha256 in listed.files.items()}
    expected = pages(pins, (name for listed in projects.values() for name in listed.with_provenance))
    for path in ("index.html", "changes/index.html", "not-here.html", "simple/index.html"):
        problems += _follow(folder, path, expected, _Pool(files.keys()))
    problems += _lists(folder, files, held)
    if is_file(folder / sbom.FILE):
        problems += conformance_sbom.problems(folder, files)
    roots = [_read(folder, f"simple/index.{form}") for form in ("json", "html")]
    if roots[0] is not None and roots[1] is not None:
        problems += root_problems(roots[0], roots[1], pins)
    return Findings(problems, files, expected)


def examine_folder(
    folder: Path,
    approved: Approved,
    held: Mapping[str, Held],
    release: str,
    show: Show,
    *,
    is_published: bool,
    kept: Mapping[str, Listed] = _NONE,
) -> Findings:
    """Examine a whole release, or a site that is to become it, whose files are held."""
    found = examine(folder, approved, held, show, kept)
    absent = [
        Problem(Rule.FILES, f"{PACKAGES}/{name}", "is missing, and a page lists it")
        for name in found.files.keys() - held.keys()
    ]
    sealed = pages_of_projects(kept, (name for listed in kept.values() for name in listed.with_provenance))
    tree = tree_problems(folder, found.pages, is_published=is_published, sealed=sealed)
    return found._replace(problems=[*found.problems, *absent, *tree, *release_problems(folder, release)])


def refuse(
    site: Path,
    approved: Approved,
    files: Mapping[str, Path],
    release: str,
    show: Show,
    read: Mapping[str, Distribution],
    kept: Mapping[str, Listed] = _NONE,
) -> None:
    """Raise SystemExit with all problems where a site, which would become a release, breaks a rule.

    read are the distributions that were read and checked before, by name, and are not looked at again until they are in
    the pool; kept are the projects whose pages are as an earlier run wrote and examined them.
    """
    held = hold_all({name: files[name] for name in files if name not in read}, show)  # items() would make every path
    held |= {name: as_read(one) for name, one in read.items()}
    found = examine_folder(site, approved, held, release, show, is_published=False, kept=kept)
    if found.problems:
        raise SystemExit("\n".join(one.sentence("", BEFORE) for one in sorted(set(found.problems))))
