"""Pages for people behind Caddy, and a Chromium to read them with: for the tests and for the pictures."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from browser_offers import RELEASE, TIME
from playwright.sync_api import Browser, Playwright
from project import CODE, find_caddy, free_port, wait_until_served

from scripts import people
from scripts.build import build
from scripts.history import Entry
from scripts.offer import Offer

CHROMIUM = shutil.which("chromium")


def write(offer: Offer, site: Path, history: Sequence[Entry] = (Entry(RELEASE, TIME, ()),)) -> Path:
    """Write all pages of a release; returns its folder."""
    site.parent.mkdir(parents=True, exist_ok=True)
    build(offer, site)
    people.write_release_pages(offer, site, history)
    (site / "release.txt").write_text(f"{history[0].release}\n")
    return site


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a shared folder with Caddy; yields the URL of its top."""
    port = free_port()
    command = (CODE / "caddy" / "caddy", "run", "--config", CODE / "caddy" / "Caddyfile", "--adapter", "caddyfile")
    env = {"PYPI_ROOT": str(root), "LISTEN": f"127.0.0.1:{port}", "CADDY": find_caddy(), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            wait_until_served(process, port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


@contextmanager
def served_offer(offer: Offer, root: Path, history: Sequence[Entry] = (Entry(RELEASE, TIME, ()),)) -> Iterator[str]:
    """Serve an offer as `make index` would publish it, without its files; yields the URL of its top."""
    write(offer, root / "releases" / history[0].release, history)
    (root / "web").symlink_to(f"releases/{history[0].release}")
    with served(root) as url:
        yield url


def launch(playwright: Playwright) -> Browser:
    """Start Debian's Chromium, which takes pypi.test for this machine and asks nothing else of the network."""
    options = ("no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync")
    arguments = [f"--{option}" for option in (*options, "no-first-run", "host-resolver-rules=MAP pypi.test 127.0.0.1")]
    return playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
