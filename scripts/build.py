"""What is offered -> a site: the pages of a release, in a folder of their own.

simple/    the Simple API, in HTML by dumb-pypi (PEP 503) and in JSON by us (PEP 691)
project/   the pages for people
provenance/<file>.json   attestations, as the upstream had them (PEP 740)
sbom.cdx.json   the bill of materials (CycloneDX)

Links are relative, so that the tree works below any path prefix.
"""

from __future__ import annotations

import hashlib
import operator
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from scripts import sbom
from scripts.before import Before, keep
from scripts.cores import in_pieces, on_all_cores
from scripts.files import pieces
from scripts.list_files import FILE, File, listing
from scripts.manifest import Fact, fact_of
from scripts.offer import Offer
from scripts.people import AS_IS, write_pages, write_project
from scripts.project import Project, projects_of
from scripts.simple_html import complete_pages, write_root
from scripts.simple_json import PACKAGES_URL, project_page, write_json
from scripts.terminal import raise_disk_error

Answer = TypeVar("Answer")

# From here on a page is compressed once and not for each reader. Those that installers ask for all day are so from 4 kB
# on, where compressing is a quarter of a request; below, a twin would save no block of the disk.
PRECOMPRESSED_BYTES, PRECOMPRESSED_JSON_BYTES = 2**14, 2**12
_PROJECTS_AT_ONCE = 500
_PACKAGES_JSON = "packages.json"
_OF_A_PROJECT = (("simple", "index.html"), ("simple", "index.json"), ("project", "index.html"))
_LEVEL = 6  # of 9, which takes twice as long for 2 % less


class Built(NamedTuple):
    """A site: each project's digest, by name, the projects that were kept, and what each of its files is, by path."""

    digests: Mapping[str, str]
    kept: frozenset[str]
    pages: Mapping[str, Fact]


def build(offer: Offer, site: Path, before: Before | None = None) -> Built:
    """Make the pages of what is offered in the folder site, which must not exist.

    A project that is as it was before keeps its pages. Raises SystemExit where dumb-pypi's pages link anything but what
    is offered.
    """
    return build_and_ask(offer, site, before, lambda: None)[0]


def build_and_ask(offer: Offer, site: Path, before: Before | None, ask: Callable[[], Answer]) -> tuple[Built, Answer]:
    """Make the pages as `build` does, and meanwhile, where they are many, ask something else of the offer."""
    (site / "simple").mkdir(parents=True)
    projects = projects_of(offer)
    digests = {project.name: project.digest for project in projects}
    parts: list[Callable[[], Any]] = [  # what takes longest comes first
        ask,
        partial(_write_bill, offer, site),
        partial(_write_lists, offer, site, digests),
        *(partial(_make_projects, site, before, digests, piece) for piece in in_pieces(projects, _PROJECTS_AT_ONCE)),
    ]
    kept, pages = set[str](), dict[str, Fact]()
    is_large = len(projects) > _PROJECTS_AT_ONCE  # else all is done before another process has begun
    done = on_all_cores(operator.call, parts) if is_large else map(operator.call, parts)
    answer = next(done)
    for part in done:
        kept.update(part.kept)
        pages.update(part.pages)
    pages.update(page for project in projects if before and project.name in kept for page in before.pages_of(project))
    return Built(digests, frozenset(kept), pages), answer


class _Part(NamedTuple):
    """What was written of a site, by path, and the projects that were kept."""

    pages: Mapping[str, Fact]
    kept: Collection[str] = ()


def _write_bill(offer: Offer, site: Path) -> _Part:
    sbom.write(offer, site)
    return _Part(seal(site, [sbom.FILE]))


def _write_lists(offer: Offer, site: Path, names: Collection[str]) -> _Part:
    """Write what names all projects or files, or none of them."""
    with (site / FILE).open("w", encoding="ascii") as file:
        file.writelines(listing(offer.files))
    write_root(site / "simple", names)
    write_pages(offer, site)
    pages = seal(site, (FILE, "simple/index.html", "simple/index.json", "not-here.html", *AS_IS))
    for path in [path for path in pages if path.startswith(FILE)]:  # readers of a dumb-pypi look elsewhere
        twin = f"{_PACKAGES_JSON}{path.removeprefix(FILE)}"
        shutil.copyfile(site / path, site / twin)
        pages[twin] = pages[path]
    return _Part(pages)


def _make_projects(site: Path, before: Before | None, digests: Mapping[str, str], projects: Sequence[Project]) -> _Part:
    """Keep the pages of projects that are as they were, and write those of the others."""
    kept = {one.name for one in projects if before and keep(one, digests[one.name], before, site)}
    others = [one for one in projects if one.name not in kept]
    return _Part(_write_projects(site, others) if others else {}, kept)


def _write_projects(site: Path, projects: Sequence[Project]) -> dict[str, Fact]:
    """Write the pages of projects, and what stands beside them; returns what they are."""
    simple = site / "simple"
    with tempfile.TemporaryDirectory(dir=site) as folder:
        said = _run_dumb_pypi((file for project in projects for file in project.files), Path(folder))
        pages = {one.name: project_page(one.name, one.files, one.status) for one in projects}
        if wrong := complete_pages(Path(folder) / "simple", pages, simple):
            names = ", ".join(wrong)
            raise SystemExit(f"dumb-pypi's pages do not match what it was given, for {names}: {said.strip()}")
    for project in projects:
        write_json(simple / project.name / "index.json", pages[project.name])
        write_project(project, site)
    proved = [file for project in projects for file in project.files if file.facts.provenance is not None]
    written = (f"{folder}/{one.name}/{page}" for one in projects for folder, page in _OF_A_PROJECT)
    return seal(site, [*written, *(_write_provenance(file, site) for file in proved)])


def _write_provenance(file: File, site: Path) -> str:
    path = f"provenance/{file.distribution.filename}.json"
    (site / path).parent.mkdir(exist_ok=True)
    (site / path).write_bytes(file.facts.provenance or b"")
    return path


def _run_dumb_pypi(files: Iterable[File], folder: Path) -> str:
    """Let dumb-pypi write its pages of a list of files; returns what it said.

    Only those of the Simple API are used. In its /pypi/<name>/json, sizes and upload times do not have the form that
    readers want; its change log and front page need inline scripts and styles, which no strict Content-Security-Policy
    lets run.
    """
    command = (
        *(sys.executable, "-W", "ignore", "-m", "dumb_pypi.main"),  # newer Pythons warn of its utcnow
        *("--package-list-json=-", f"--output-dir={folder}", f"--packages-url={PACKAGES_URL}"),
        *("--title=Python package index", "--no-generate-timestamp", "--no-per-release-json"),
    )
    # It writes its pages in the locale's encoding.
    environment = os.environ | {"PYTHONUTF8": "1"}
    text = "".join(listing(files))
    done = subprocess.run(
        command, input=text, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise_disk_error(done.stderr, folder)
        reason = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise SystemExit(f"dumb-pypi failed: {reason}; take other versions of what it names")
    return done.stderr


def validator(data: bytes) -> str:
    """Return a page's ETag; a strong one would hold for one encoding only."""
    return validator_of(hashlib.sha256(data).hexdigest())


def validator_of(sha256: str) -> str:
    """Return the ETag of a page, given its sha256 in hex."""
    return f'W/"{sha256[:32]}"'


def has_twin(page: str, size: int) -> bool:
    """Whether a page of so many bytes, given by its path, is also there in a compressed form."""
    is_for_installers = page.rpartition("/")[2] == "index.json"
    return size >= (PRECOMPRESSED_JSON_BYTES if is_for_installers else PRECOMPRESSED_BYTES)


def seal(site: Path, pages: Iterable[str]) -> dict[str, Fact]:
    """Put beside each page its validator, `<page>.etag`, and where that is faster a compressed twin, `<page>.gz`.

    pages are paths below the folder site; returns what they and the files beside them are, by path. Caddy reads both
    (`etag_file_extensions`, `precompressed`): its own validator is made of size and time, which two pages can share.
    """
    found: dict[str, Fact] = {}
    for page in pages:
        place = f"{site}/{page}"
        found[page] = fact = fact_of(place)
        names = [page]
        if has_twin(page, fact.size):
            _compress(Path(place), Path(f"{place}.gz"))
            found[f"{page}.gz"] = fact_of(f"{place}.gz")
            names.append(f"{page}.gz")  # Caddy asks for the validator of the file that it sends
        etag = validator_of(fact.sha256).encode()
        for name in names:
            Path(f"{site}/{name}.etag").write_bytes(etag)
            found[f"{name}.etag"] = fact_of(etag)
    return found


def _compress(page: Path, twin: Path) -> None:
    """Write a page's twin piece by piece: of 100,000 files, the bill of materials has 80 MB."""
    packer = zlib.compressobj(_LEVEL, wbits=16 + zlib.MAX_WBITS)  # as gzip, without a time
    with twin.open("wb") as file:
        file.writelines(map(packer.compress, pieces(page)))
        file.write(packer.flush())
