"""files.jsonl -> a site: the pages of a release, in a folder of their own.

dumb-pypi renders the pages. Its links read `../../packages/<file>`, so that the tree works below any path prefix. Next
to each page stands its validator, `<page>.etag`: Caddy's own is made of size and time, which two pages can share.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from pypi_simple import ProjectPage

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
        *(
            sys.executable,
            "-m",
            "dumb_pypi.main",
            f"--package-list-json={site / FILE}",
            f"--output-dir={site}",
        ),
        *(f"--packages-url={PACKAGES_URL}", "--title=Python package index"),
        *("--no-generate-timestamp", "--no-per-release-json"),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"dumb-pypi failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
    # Sizes and upload times are not there in the form that its readers want, so nobody is better off with it.
    shutil.rmtree(site / "pypi")
    _check_links(listing, site, done.stderr)
    for page in sorted(site.rglob("*.html")):
        page.with_name(f"{page.name}.etag").write_text(f'"{hashlib.sha256(page.read_bytes()).hexdigest()[:32]}"')


def _check_links(listing: str, site: Path, said: str) -> None:
    """Compare what dumb-pypi was given with what its pages link: it skips names that it cannot parse."""
    given = {(r["filename"], r["hash"]) for r in map(json.loads, listing.splitlines())}
    linked = {link for page in (site / "simple").glob("*/index.html") for link in _links(page)}
    if given == linked:
        return
    names = sorted({name for name, _ in given ^ linked})
    raise SystemExit(f"dumb-pypi's pages do not match what it was given, for {', '.join(names)}: {said.strip()}")


def _links(page: Path) -> set[tuple[str, str]]:
    project = page.parent.name
    parsed = ProjectPage.from_html(project, page.read_text(encoding="utf-8"), f"{_BASE}simple/{project}/")
    return {
        (file.url.removeprefix(f"{_BASE}packages/"), f"sha256={file.digests.get('sha256')}") for file in parsed.packages
    }
