"""What is offered -> a site: the pages of a release, in a folder of their own.

simple/    the Simple API, in HTML by dumb-pypi (PEP 503) and in JSON by us (PEP 691)
project/   the pages for people
provenance/<file>.json   attestations, as the upstream had them (PEP 740)
sbom.cdx.json   the bill of materials (CycloneDX)

Links are relative, so that the tree works below any path prefix.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from scripts import sbom
from scripts.before import Before, keep
from scripts.cores import in_pieces, on_all_cores
from scripts.digest import sha256_of
from scripts.files import pieces
from scripts.list_files import FILE, File, listing
from scripts.offer import Offer
from scripts.people import write_pages, write_project
from scripts.project import Project, projects_of
from scripts.simple_html import complete_pages, write_root
from scripts.simple_json import PACKAGES_URL, project_page, write_json
from scripts.terminal import raise_disk_error

# From here on a page is compressed once and not for each reader. Those that installers ask for all day are so from 4 kB
# on, where compressing is a quarter of a request; below, a twin would save no block of the disk.
PRECOMPRESSED_BYTES, PRECOMPRESSED_JSON_BYTES = 2**14, 2**12
_PROJECTS_AT_ONCE = 500
_LEVEL = 6  # of 9, which takes twice as long for 2 % less


class Built(NamedTuple):
    """What stands in a site: the digest of each project, by name, and which of them were kept as they were."""

    digests: Mapping[str, str]
    kept: frozenset[str] = frozenset()


def build(offer: Offer, site: Path, before: Before | None = None) -> Built:
    """Make the pages of what is offered in the folder site, which must not exist.

    A project that is as it was before keeps its pages. Raises SystemExit where dumb-pypi's pages link anything but what
    is offered.
    """
    (site / "simple").mkdir(parents=True)
    projects = projects_of(offer)
    digests = {project.name: project.digest for project in projects}
    kept = frozenset(one.name for one in projects if before and keep(one, digests[one.name], before, site))
    others = [one for one in projects if one.name not in kept]
    for _ in on_all_cores(partial(_write_projects, site), in_pieces(others, _PROJECTS_AT_ONCE)):
        pass
    _write_lists(offer, site)
    write_root(site / "simple", digests)
    write_pages(offer, site)
    sbom.write(offer, site)
    seal(path for folder in (site, site / "simple") for path in sorted(folder.iterdir()) if path.is_file())
    return Built(digests, kept)


def _write_lists(offer: Offer, site: Path) -> None:
    with (site / FILE).open("w", encoding="ascii") as file:
        file.writelines(listing(offer.files))
    shutil.copyfile(site / FILE, site / "packages.json")  # which is where readers of a dumb-pypi look


def _write_projects(site: Path, projects: Sequence[Project]) -> None:
    """Write the pages of projects, and what stands beside them."""
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
    seal(
        path
        for one in projects
        for part in ("simple", "project")
        for path in sorted((site / part / one.name).iterdir())
    )
    seal(_write_provenance(file, site) for file in proved)


def _write_provenance(file: File, site: Path) -> Path:
    place = site / "provenance" / f"{file.distribution.filename}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(file.facts.provenance or b"")
    return place


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


def has_twin(page: Path, size: int) -> bool:
    """Whether a page of so many bytes is also there in a compressed form."""
    return size >= (PRECOMPRESSED_JSON_BYTES if page.name == "index.json" else PRECOMPRESSED_BYTES)


def seal(pages: Iterable[Path]) -> None:
    """Put beside each page its validator, `<page>.etag`, and where that is faster a compressed twin, `<page>.gz`.

    Caddy reads both (`etag_file_extensions`, `precompressed`). Its own validator is made of size and time, which two
    pages can share.
    """
    for page in pages:
        found = page.stat()
        etag = validator_of(sha256_of(page, found))
        page.with_name(f"{page.name}.etag").write_text(etag)
        if has_twin(page, found.st_size):
            _compress(page, page.with_name(f"{page.name}.gz"))
            page.with_name(f"{page.name}.gz.etag").write_text(etag)  # Caddy asks for the one of the file that it sends


def _compress(page: Path, twin: Path) -> None:
    """Write a page's twin piece by piece: of 100,000 files, the bill of materials has 80 MB."""
    packer = zlib.compressobj(_LEVEL, wbits=16 + zlib.MAX_WBITS)  # as gzip, without a time
    with twin.open("wb") as file:
        file.writelines(map(packer.compress, pieces(page)))
        file.write(packer.flush())
