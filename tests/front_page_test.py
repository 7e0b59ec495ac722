"""scripts/front_page.py: what a person sees who opens the index."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from scripts.build import build

FILES = ("alpha-1.9-py3-none-any.whl", "alpha-1.10-py3-none-any.whl", "alpha-1.10.tar.gz", "Beta-2.0-py3-none-any.whl")


def front_page(folder: Path, *files: str) -> str:
    lines = [json.dumps({"filename": name, "hash": f"sha256={'0' * 64}"}) + "\n" for name in files]
    build("".join(lines), folder / "site")
    return (folder / "site" / "index.html").read_text()


def rows(page: str) -> list[list[str]]:
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in page.split("<tr>")[2:]]
    return [[re.sub("<.*?>", "", cell) for cell in row] for row in cells]


def test_it_lists_each_project_with_its_versions_newest_first(tmp_path: Path) -> None:
    page = front_page(tmp_path, *FILES)
    assert rows(page) == [["alpha", "1.10, 1.9", "3"], ["beta", "2.0", "1"]]
    assert "2 projects in 4 files" in page


def test_it_says_so_where_nothing_is_approved(tmp_path: Path) -> None:
    assert "0 projects in 0 files" in front_page(tmp_path)


def test_every_link_leads_to_something_in_the_release(tmp_path: Path) -> None:
    links = re.findall(r'(?:href|src)="([^"]*)"', front_page(tmp_path, *FILES))
    assert links == ["style.css", "simple/alpha/", "simple/beta/"]
    assert all((tmp_path / "site" / link).exists() for link in links)


def test_a_strict_content_security_policy_blocks_nothing_of_it(tmp_path: Path) -> None:
    inline: list[str] = []

    class Inline(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            inline.extend([tag] if tag in {"script", "style"} else [])
            inline.extend(name for name, _ in attrs if name == "style" or name.startswith("on"))

    Inline().feed(front_page(tmp_path, *FILES))
    assert inline == []
