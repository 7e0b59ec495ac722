"""scripts/before.py, scripts/project.py: pages that are kept are what would be written, and what changed is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from browser_offers import KEYS, company, file
from index_test import tree

from scripts.before import Before, before_of
from scripts.build import Built, build
from scripts.facts import Status
from scripts.list_files import File
from scripts.locks import Key
from scripts.manifest import fact_of
from scripts.offer import Offer
from scripts.target import Target
from scripts.waivers import Waiver
from scripts.why import Chain

OFFER = company()
ALL = frozenset(OFFER.projects)
WAIVER = Waiver(1, "licenses", "idna", "any", "known", "A. Turing", date(2030, 1, 1))
REASON = Chain("requirements", ("idna",), "requirements.in:1", "idna", "somebody wants it")


def files(change: Callable[[File], File | None], of: str = "idna") -> Offer:
    """Return the company's offer with the files of a project changed, or without them."""
    changed = [change(one) if one.distribution.name == of else one for one in OFFER.files]
    return dataclasses.replace(OFFER, files=[one for one in changed if one])


def told(**facts: Any) -> Offer:
    """Return the company's offer with something else told of a project's file."""
    return files(lambda one: one._replace(facts=one.facts._replace(**facts)))


def changed(**facts: Any) -> Offer:
    """Return the company's offer with a project's file changed."""
    return files(lambda one: one._replace(distribution=one.distribution._replace(**facts)))


class Case(NamedTuple):
    """What a later run offers, and the projects whose pages it has to write."""

    name: str
    offer: Offer
    written: Collection[str]


def users_of(name: str) -> set[str]:
    """List the projects whose pages name another one."""
    needs = {one.distribution.name: " ".join(one.distribution.requires_dist) for one in OFFER.files}
    asked = {one for one, chains in OFFER.chains.items() if any(name in chain.projects for chain in chains)}
    return {one for one, text in needs.items() if name in text.lower()} | asked


def with_file(filename: str) -> Offer:
    """Return the company's offer with one more file."""
    return dataclasses.replace(OFFER, files=[*OFFER.files, file(filename)])


def denying(name: str) -> Offer:
    """Return the company's offer with one more name denied."""
    return dataclasses.replace(OFFER, denied={**OFFER.denied, name: "no"})


OTHER_TARGET = Key("requirements", Target("3.14", "win_arm64"))
ABSENT = "asgiref"  # which flask names
CASES = [
    Case("nothing", company(), ()),
    Case("other bytes", changed(sha256="0" * 64), ["idna"]),
    Case("a yank", told(yanked="broken"), ["idna"]),
    Case("a publisher", told(publisher="github: somebody/idna"), ["idna"]),
    Case("provenance", told(provenance=b"[1]"), ["idna"]),
    Case("when it was approved", told(approved="2026-01-01T00:00:00Z"), ["idna"]),
    Case("a file on fewer targets", files(lambda one: one._replace(serves=KEYS[:1])), ["idna"]),
    Case("no such project", files(lambda _: None), users_of("idna") - {"idna"}),
    Case("one more file", with_file("six-1.16-py3-none-any.whl"), ["six"]),
    Case("a need that is here now", with_file(f"{ABSENT}-4-py3-none-any.whl"), {"flask", ABSENT}),
    Case("a need that is denied", denying(ABSENT), {"flask", ABSENT}),
    Case(
        "another status", dataclasses.replace(OFFER, statuses={**OFFER.statuses, "idna": Status("archived")}), ["idna"]
    ),
    Case("a waiver", dataclasses.replace(OFFER, waivers={"idna": [WAIVER]}), ["idna"]),
    Case("another reason", dataclasses.replace(OFFER, chains={**OFFER.chains, "idna": [REASON]}), ["idna"]),
    Case("another way to ask", dataclasses.replace(OFFER, request_url="https://ask.example.com/"), ALL),
    Case("one more target", files(lambda one: one._replace(serves=(*KEYS, OTHER_TARGET))), ALL),
]


class Release:
    """The company's release, as an earlier run left it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._new = folder / "live", folder / "new"
        self._digests = build(OFFER, self.folder).digests
        self._facts = {path: fact_of(self.folder / path) for path in tree(self.folder)}

    @property
    def before(self) -> Before:
        """What a later run knows of it."""
        return before_of(self.folder, self._facts, self._digests)

    def built(self, offer: Offer) -> Built:
        """Build a site beside it; it has to be what is built without it."""
        whole = self._new.with_name("whole")
        build(offer, whole)
        found = build(offer, self._new, self.before)
        assert tree(self._new) == tree(whole)
        assert found.pages == {path: fact_of(self._new / path) for path in tree(self._new)}
        return found

    def is_linked(self, path: str) -> bool:
        """Whether a page of the new site is the same file."""
        return (self._new / path).samefile(self.folder / path)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_not_as_it_was_is_written(case: Case, release: Release) -> None:
    live = tree(release.folder)
    built = release.built(case.offer)
    assert built.digests.keys() - built.kept == set(case.written)
    assert tree(release.folder) == live
    for name in built.kept:
        assert release.is_linked(f"simple/{name}/index.json")
        assert release.is_linked(f"project/{name}/index.html")


@pytest.mark.parametrize(
    "page",
    ["simple/idna/index.json", "simple/idna/index.html.etag", "simple/idna/index.json.etag", "project/idna/index.html"],
)
@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"x")], ids=["gone", "changed"])
def test_a_page_that_was_changed_since_is_written_anew(
    release: Release, page: str, change: Callable[[Path], object]
) -> None:
    change(release.folder / page)
    assert "idna" not in release.built(OFFER).kept


def test_without_hard_links_everything_is_written(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    assert not release.built(OFFER).kept
