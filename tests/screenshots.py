"""$(PYPI_ROOT) -> docs/*.png: pictures of the pages for people, by Chromium.

Where nothing is published that has a page for flask, they show an example.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Route, sync_playwright

CODE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CODE))  # `tests/` itself is where Python has found this script

from browser_offers import company, company_history  # noqa: E402
from browser_site import CHROMIUM, launch, served, served_offer  # noqa: E402

DOCS = CODE / "docs"
ADDRESS = "https://pypi.example.com/"
DESKTOP, PHONE = (1280, 900), (390, 844)
# name -> page, width and height, colours
PICTURES: dict[str, tuple[str, tuple[int, int], Literal["light", "dark"]]] = {
    "front": ("", DESKTOP, "light"),
    "project": ("project/flask/", DESKTOP, "light"),
    "dark": ("project/flask/", DESKTOP, "dark"),
    "phone": ("", PHONE, "light"),
}


@contextmanager
def _served(root: Path) -> Iterator[str]:
    if (root / "web" / "project" / "flask").is_dir():
        with served(root) as url:
            yield url
    else:
        with tempfile.TemporaryDirectory() as folder, served_offer(company(), Path(folder), company_history()) as url:
            yield url


def _answer(route: Route, url: str) -> None:
    route.fulfill(response=route.fetch(url=url + route.request.url.removeprefix(ADDRESS)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default="pypi", help="the shared folder; default: pypi")
    parser.add_argument("--caddy", default="", help="Caddy's binary; default: the pinned one")
    args = parser.parse_args(argv)
    if CHROMIUM is None:
        raise SystemExit("chromium is no program; install it")
    if args.caddy:
        os.environ["CADDY"] = args.caddy
    DOCS.mkdir(exist_ok=True)
    with _served(args.root) as url, sync_playwright() as playwright, launch(playwright) as browser:
        for name, (path, (width, height), colours) in PICTURES.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=colours)
            # The pictures show an address as a company has it.
            page.route(f"{ADDRESS}**", lambda route: _answer(route, url))
            page.goto(ADDRESS + path, wait_until="networkidle")
            page.screenshot(path=DOCS / f"{name}.png")
            page.close()
            print(DOCS / f"{name}.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
