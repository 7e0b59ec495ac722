"""What is offered -> a site: the pages of a release, in a folder of their own.

simple/    the Simple API, in HTML by dumb-pypi (PEP 503) and in JSON by us (PEP 691)
project/   the pages for people
provenance/<file>.json   attestations, as the upstream had them (PEP 740)
sbom.cdx.json   the bill of materials (CycloneDX)

Links are relative, so that the tree works below any path prefix.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts import sbom
from scripts.facts import Json
from scripts.list_files import FILE, listing
from scripts.offer import Offer
from scripts.people import write_pages
from scripts.simple_html import complete_pages
from scripts.simple_json import PACKAGES_URL, project_page, root_page
from scripts.terminal import raise_disk_error

# From here on a page is compressed once and not for each reader. Those that installers ask for all day are so from 4 kB
# on, where compressing is a quarter of a request; below, a twin would save no block of the disk.
PRECOMPRESSED_BYTES, PRECOMPRESSED_JSON_BYTES = 2**14, 2**12


def build(offer: Offer, site: Path) -> None:
    """Render the pages of what is offered into the folder site, which must not exist.

    Raises SystemExit where dumb-pypi's pages link anything but what is offered.
    """
    site.mkdir()
    (site / FILE).write_text(listing(offer.files), encoding="ascii")
    said = _run_dumb_pypi(site)
    pages = {name: project_page(name, files, offer.status(name)) for name, files in offer.projects.items()}
    if wrong := complete_pages(site / "simple", pages):
        names = ", ".join(wrong)
        raise SystemExit(f"dumb-pypi's pages do not match what it was given, for {names}: {said.strip()}")
    _write_json(site / "simple", pages)
    for file in offer.files:
        if file.facts.provenance is not None:
            place = site / "provenance" / f"{file.distribution.filename}.json"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(file.facts.provenance)
    write_pages(offer, site)
    sbom.write(offer, site)
    seal(sorted(path for path in site.rglob("*") if path.is_file()))


def _run_dumb_pypi(site: Path) -> str:
    """Let dumb-pypi write its pages of the site's list; returns what it said."""
    command = (
        *(sys.executable, "-W", "ignore", "-m", "dumb_pypi.main"),  # newer Pythons warn of its utcnow
        *(f"--package-list-json={site / FILE}", f"--output-dir={site}", f"--packages-url={PACKAGES_URL}"),
        *("--title=Python package index", "--no-generate-timestamp", "--no-per-release-json"),
    )
    # It writes its pages in the locale's encoding.
    environment = os.environ | {"PYTHONUTF8": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise_disk_error(done.stderr, site)
        reason = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise SystemExit(f"dumb-pypi failed: {reason}; take other versions of what it names")
    # In /pypi/<name>/json, sizes and upload times do not have the form that its readers want. The change log and the
    # front page need inline scripts and styles, which no strict Content-Security-Policy lets run: we write our own.
    for folder in ("pypi", "changelog"):
        shutil.rmtree(site / folder, ignore_errors=True)
    (site / "index.html").unlink()
    return done.stderr


def _write_json(simple: Path, pages: Mapping[str, Json]) -> None:
    for path, page in {
        "index.json": root_page(pages),
        **{f"{name}/index.json": page for name, page in pages.items()},
    }.items():
        (simple / path).write_text(json.dumps(page, separators=(",", ":")), encoding="ascii")


def validator(data: bytes) -> str:
    """Return a page's ETag; a strong one would hold for one encoding only."""
    return f'W/"{hashlib.sha256(data).hexdigest()[:32]}"'


def has_twin(page: Path, size: int) -> bool:
    """Whether a page of so many bytes is also there in a compressed form."""
    return size >= (PRECOMPRESSED_JSON_BYTES if page.name == "index.json" else PRECOMPRESSED_BYTES)


def seal(pages: Iterable[Path]) -> None:
    """Put beside each page its validator, `<page>.etag`, and where that is faster a compressed twin, `<page>.gz`.

    Caddy reads both (`etag_file_extensions`, `precompressed`). Its own validator is made of size and time, which two
    pages can share.
    """
    for page in pages:
        data = page.read_bytes()
        etag = validator(data)
        page.with_name(f"{page.name}.etag").write_text(etag)
        if has_twin(page, len(data)):
            page.with_name(f"{page.name}.gz").write_bytes(gzip.compress(data, mtime=0))
            page.with_name(f"{page.name}.gz.etag").write_text(etag)  # Caddy asks for the one of the file that it sends
