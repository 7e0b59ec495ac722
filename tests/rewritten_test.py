"""scripts/conformance_pages.py, verify.py: a page that breaks no other rule is still the one that make index writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import served
from published import Published, edit

from scripts import verify
from scripts.build import seal
from scripts.facts import Json

WRITES = "is not what make index writes of this checkout; run make index"


def change(path: Path, old: str, new: str) -> None:
    """Change a page in one place, and its validators with it."""
    text = path.read_text()
    assert old in text
    path.unlink()  # it may be a hard link
    path.write_text(text.replace(old, new, 1))
    seal(path.parent, [path.name])


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("site.js", "use strict", "use strict'; fetch('//evil.example');'"),
        ("style.css", "{", "{ background: url(x);"),
        ("index.html", "pip install", "pip install evil"),
        ("project/alpha/index.html", "Uploaded", "Not uploaded"),
        ("not-here.html", "approved", "[[ env `HOME` ]]"),
        ("changes/index.html", "added", "removed"),
        ("files.jsonl", "upload_timestamp", "uploaded_timestamp"),
    ],
)
def test_a_page_that_was_changed_with_its_validators_is_noticed(
    published: Published, capsys: pytest.CaptureFixture[str], path: str, old: str, new: str
) -> None:
    change(published.live / path, old, new)
    assert verify.main([f"--root={published.root}"]) == 1
    assert f"{published.live}/{path}: {WRITES}" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("bin/Caddyfile", "is not the checkout's caddy/Caddyfile; run make index"),
        ("bin/caddy", "is not the checkout's caddy/caddy; run make index"),
        ("bin/more", "is a file that does not belong here; remove it"),
    ],
)
def test_what_the_server_runs_is_the_checkouts(
    published: Published, capsys: pytest.CaptureFixture[str], path: str, fact: str
) -> None:
    place = published.root / path
    place.unlink(missing_ok=True)
    place.write_text("evil")
    assert verify.main([f"--root={published.root}"]) == 1
    assert capsys.readouterr().err == f"{place}: {fact}\n"


def test_a_file_that_is_marked_as_built_in_house_and_is_not_is_noticed(
    published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    def mark(page: Json) -> None:
        page["files"][0]["_first-party"] = True  # type: ignore[index]

    edit(published.live / "simple" / "alpha" / "index.json", mark)
    assert verify.main([f"--root={published.root}"]) == 1
    assert f"{published.live}/simple/alpha/index.json: {WRITES}" in capsys.readouterr().err.splitlines()


def test_a_served_page_is_compared_with_the_shared_folders(
    published: Published, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = published.copy(tmp_path / "other")
    change(copy.live / "site.js", "use strict", "use  strict")
    with served(copy.root) as url:
        assert verify.main([f"--root={published.root}", f"--url={url}"]) == 1
        assert "site.js: is not the page that PYPI_ROOT has; " in capsys.readouterr().err


def test_verify_writes_nothing(published: Published) -> None:
    before = {path: path.lstat().st_mtime_ns for path in published.root.rglob("*")}
    assert verify.main([f"--root={published.root}"]) == 0
    assert {path: path.lstat().st_mtime_ns for path in published.root.rglob("*")} == before
