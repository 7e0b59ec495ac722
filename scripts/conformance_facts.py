"""A project's JSON page, the locks, the files -> problems: what the page says must be approved, and true."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts.conformance_simple import Forms
from scripts.distribution import parse_filename
from scripts.facts import STATUSES, Json, is_time, provenance_url, sha256_in
from scripts.held import Held
from scripts.locate import Wanted
from scripts.locks import Pin
from scripts.problem import Problem, Rule
from scripts.simple_json import API_VERSION, PACKAGES_URL, serves


class Approved(NamedTuple):
    """What may be published: the pins of the locks with the locks that name them, and the denied names with reasons."""

    wanted: Wanted
    denied: Mapping[str, str]

    @property
    def names(self) -> set[str]:
        """The projects that have a page."""
        return {pin.name for pin in self.wanted} | set(self.denied)

    @property
    def by_project(self) -> dict[str, dict[str, Pin]]:
        """Project -> sha256 -> pin."""
        found: dict[str, dict[str, Pin]] = {name: {} for name in self.names}
        for pin in self.wanted:
            found[pin.name][pin.sha256] = pin
        return found


def project_problems(
    name: str, forms: Forms, pins: Mapping[str, Pin], approved: Approved, held: Mapping[str, Held]
) -> Iterator[Problem]:
    """Compare a project's page with its pins, given by hash, and with its files as they are."""
    path = forms.json_path
    yield from _locks(path, forms.files, pins)
    yield from _page(path, name, forms)
    if name in approved.denied:
        yield from _denied(path, forms.page, approved.denied[name])
    for file in forms.files:
        for rule, fact in _file(name, file, held, pins, approved.wanted):
            yield Problem(rule, path, f"{file.get('filename')}: {fact}")


def _locks(path: str, files: Sequence[Json], pins: Mapping[str, Pin]) -> Iterator[Problem]:
    listed = {sha256_in(file): str(file.get("filename")) for file in files}
    for sha256 in listed.keys() - pins.keys():
        yield Problem(Rule.LOCKS, path, f"lists {listed[sha256]}, whose sha256 stands in no lock: {sha256}")
    for sha256 in pins.keys() - listed.keys():
        yield Problem(Rule.LOCKS, path, f"lists no file of {pins[sha256]}, which the locks name, with sha256 {sha256}")


def _page(path: str, name: str, forms: Forms) -> Iterator[Problem]:
    page = forms.page
    if page.get("meta") != {"api-version": API_VERSION}:
        fact = f"its meta is {page.get('meta')}, and not the api-version {API_VERSION}"
        yield Problem(Rule.FACTS, path, fact)
    if page.get("name") != name:
        yield Problem(Rule.NAMES, path, f"its name is {page.get('name')}, and not {name}")
    versions = _versions(forms.files)
    if page.get("versions") != versions:
        yield Problem(Rule.FACTS, path, f"its versions are {page.get('versions')}, and those of its files {versions}")
    status = page.get("project-status")
    if not isinstance(status, dict) or status.get("status") not in STATUSES:
        yield Problem(Rule.FACTS, path, f"its project-status is {status}, which PEP 792 does not know")


def _versions(files: Sequence[Json]) -> list[str]:
    found: set[Version] = set()
    for file in files:
        try:
            found.add(parse_filename(str(file.get("filename")))[1])
        except ValueError:  # another rule names it
            continue
    return [str(version) for version in sorted(found)]


def _denied(path: str, page: Json, reason: str) -> Iterator[Problem]:
    promised = {"status": "quarantined", "reason": reason}
    if page.get("project-status") != promised:
        yield Problem(Rule.FACTS, path, f"its project-status is {page.get('project-status')}, and not {promised}")


def _file(
    name: str, file: Json, held: Mapping[str, Held], pins: Mapping[str, Pin], wanted: Wanted
) -> Iterator[tuple[Rule, str]]:
    """Yield what is wrong with a file's object, each with the rule that it breaks."""
    filename = str(file.get("filename"))
    pin = pins.get(sha256_in(file))
    try:
        found = parse_filename(filename)
    except ValueError:
        yield Rule.NAMES, "is not the name of a wheel or sdist"
        return
    if found[0] != canonicalize_name(name):
        yield Rule.LOCKS, f"is a file of {found[0]}"
    elif pin and found[1] != pin.version:
        yield Rule.LOCKS, f"is of version {found[1]}, and its hash is locked for {pin.version}"
    for key, promised in _promised(filename, file, pin, wanted):
        if file.get(key) != promised:
            yield Rule.FACTS, f"its {key} is {file.get(key)}, and not {promised}"
    for key in ("upload-time", "_approved"):
        if key in file and not is_time(file[key]):
            yield Rule.FACTS, f"its {key} is {file[key]}, which is no time as PEP 700 writes it"
    if file.get("yanked") == "":
        yield Rule.FACTS, "its yanked is empty, which PEP 691 does not count as a yank"
    if filename in held:
        yield from _really(file, held[filename])


def _promised(filename: str, file: Json, pin: Pin | None, wanted: Wanted) -> Iterator[tuple[str, object]]:
    yield "url", f"{PACKAGES_URL}/{filename}"
    if pin:
        yield "_serves", serves(tuple(sorted(wanted[pin], key=str)))
    if file.keys() & {"provenance", "_provenance-sha256"}:
        yield "provenance", provenance_url(filename)


def _really(file: Json, one: Held) -> Iterator[tuple[Rule, str]]:
    """Compare a file's object with the file."""
    if one.sha256 != sha256_in(file):
        yield Rule.FILES, f"is listed with sha256 {sha256_in(file)}, and the file has {one.sha256}"
    facts: dict[str, object] = {"size": one.size}
    if not one.fault:
        facts["core-metadata"] = False if one.metadata is None else {"sha256": one.metadata}
        facts["requires-python"] = one.requires_python
    for key, fact in facts.items():
        if file.get(key) != fact:
            yield Rule.FACTS, f"its {key} is {file.get(key)}, and of the file {fact}"


def provenance_problems(forms: Forms, read: Callable[[str], bytes | None]) -> Iterator[Problem]:
    """Compare each provenance file (PEP 740) with its digest; read returns the bytes at a path of the release."""
    for file in forms.files:
        if "provenance" not in file:
            continue
        path = f"provenance/{file.get('filename')}.json"
        data = read(path)
        if data is not None and hashlib.sha256(data).hexdigest() != file.get("_provenance-sha256"):
            yield Problem(Rule.FACTS, path, f"its sha256 is not the one in {forms.json_path}")
