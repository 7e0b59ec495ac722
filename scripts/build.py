"""files.jsonl -> a site: the pages of a release, in a folder of their own.

dumb-pypi renders the pages of the Simple API (PEP 503; core metadata is announced as PEP 714 says). Its links read
`../../packages/<file>`, so that the tree works below any path prefix. Next to each page stands its validator,
`<page>.etag` (Caddy's `etag_file_extensions`): Caddy's own is made of size and time, which two pages can share.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from pypi_simple import ProjectPage

from scripts.distribution import parse_filename
from scripts.front_page import write_front_page
from scripts.list_files import FILE

PACKAGES_URL = "../../packages"
_BASE = "https://index.invalid/"


def build(listing: str, site: Path) -> None:
    """Render a release's pages into the folder site, which must not exist.

    Raises SystemExit where the pages link anything but what listing, the text of `files.jsonl`, names.
    """
    site.mkdir()
    (site / FILE).write_text(listing, encoding="ascii")
    command = (
        *(sys.executable, "-W", "ignore", "-m", "dumb_pypi.main"),  # newer Pythons warn of its utcnow
        *(f"--package-list-json={site / FILE}", f"--output-dir={site}", f"--packages-url={PACKAGES_URL}"),
        *("--title=Python package index", "--no-generate-timestamp", "--no-per-release-json"),
    )
    # It writes its pages in the locale's encoding.
    environment = os.environ | {"PYTHONUTF8": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise SystemExit(f"dumb-pypi failed: {reason}; take other versions of what it names")
    # In /pypi/<name>/json, sizes and upload times do not have the form that its readers want. The change log and the
    # front page need inline scripts and styles, which no strict Content-Security-Policy lets run: we write our own.
    for folder in ("pypi", "changelog"):
        shutil.rmtree(site / folder, ignore_errors=True)
    _check_links(listing, site, done.stderr)
    write_front_page(listing, site)
    for page in sorted(site.rglob("*.html")):
        page.with_name(f"{page.name}.etag").write_text(f'"{hashlib.sha256(page.read_bytes()).hexdigest()[:32]}"')


def _check_links(listing: str, site: Path, said: str) -> None:
    """Compare what dumb-pypi was given with what its pages link: it skips names that it cannot parse."""
    records = map(json.loads, listing.splitlines())
    given = {(parse_filename(record["filename"])[0], record["filename"], record["hash"]) for record in records}
    linked = {link for page in (site / "simple").glob("*/index.html") for link in _links(page)}
    if given == linked:
        return
    names = sorted({name for _, name, _ in given ^ linked})
    raise SystemExit(f"dumb-pypi's pages do not match what it was given, for {', '.join(names)}: {said.strip()}")


def _links(page: Path) -> set[tuple[str, str, str]]:
    project = page.parent.name
    parsed = ProjectPage.from_html(project, page.read_text(encoding="utf-8"), f"{_BASE}simple/{project}/")
    return {
        (project, file.url.removeprefix(f"{_BASE}packages/"), f"sha256={file.digests.get('sha256')}")
        for file in parsed.packages
    }
