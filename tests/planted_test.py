"""What others may put into the shared folder: it is told or passed by, and never ends or stops a run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from approved import approve
from conftest import Checkout
from distributions import wheel
from index_test import refusal
from manifests import remake
from publish_test import expected_pool, live, pool, publish

from scripts import files, verify
from scripts.files import read_json
from scripts.history import read

ALPHA, BETA = (wheel(name, "1.0") for name in ("alpha", "beta"))
DEEP = "[" * 200_000


def deep(path: Path) -> None:
    path.write_text(DEEP)


def zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("plant", [deep, os.mkfifo, zero])
@pytest.mark.parametrize(
    "place",
    [
        *("web/simple/alpha/index.json", "web/changes.json", "web/files.jsonl", "web/manifest.jsonl"),
        *("incoming/beta-1.0-py3-none-any.whl.json", ".last-run", ".last-run.pages", ".last-run.files"),
        *("releases/20261101T000000Z-000000000000/changes.json", "releases/20261101T000000Z-000000000000/files.jsonl"),
    ],
)
def test_a_publish_goes_past_what_is_no_file_of_ours(
    checkout: Checkout, place: str, plant: Callable[[Path], None]
) -> None:
    publish(checkout, ALPHA)
    older = checkout.root / "releases" / "20261101T000000Z-000000000000"
    older.mkdir()
    (older / "release.txt").write_text(f"{older.name}\n")
    path = checkout.root / place
    path = path.parent.resolve() / path.name
    path.unlink(missing_ok=True)
    plant(path)
    publish(checkout, ALPHA, BETA)
    assert pool(checkout) == expected_pool(ALPHA, BETA)


@pytest.mark.parametrize("plant", [deep, os.mkfifo, zero])
def test_a_note_of_a_rollback_that_is_none_is_one_sentence(checkout: Checkout, plant: Callable[[Path], None]) -> None:
    publish(checkout, ALPHA)
    plant(checkout.root / ".rolled-back")
    (checkout.root / ".last-run").unlink()
    assert refusal(checkout).startswith(f"{checkout.root}/.rolled-back: cannot be read (")


@pytest.mark.parametrize("name", ["link/beta-1.0-py3-none-any.whl", "/etc/hosts", "a\0b", "a" * 300, "../x.whl", "*"])
def test_a_name_that_a_release_tells_leads_nowhere_else(checkout: Checkout, tmp_path: Path, name: str) -> None:
    release = publish(checkout, ALPHA)
    planted = checkout.root / "releases" / "20261101T000000Z-000000000000"
    planted.mkdir()
    (planted / "release.txt").write_text(f"{planted.name}\n")
    (planted / "files.jsonl").write_text(f"{json.dumps({'filename': name, 'hash': f'sha256={BETA.sha256}'})}\n")
    shutil.copy(release / "manifest.jsonl", planted)
    remake(planted)
    (checkout.root / "incoming" / "link").symlink_to(tmp_path)
    (checkout.root / "packages" / "link").mkdir()
    BETA.save(checkout.root / "packages" / "link")
    approve(ALPHA, BETA)
    checkout.upstream.add(BETA)
    before = sorted(tmp_path.iterdir())
    refusal(checkout)
    assert sorted(tmp_path.iterdir()) == before


def link(place: Path) -> None:
    goal = place.resolve()
    place.unlink()
    place.symlink_to(goal)


def folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


@pytest.mark.parametrize(
    ("name", "plant"), [("web", link), (".generation", folder), (".last-run", folder), (".last-run.files", folder)]
)
def test_what_stands_in_the_place_of_something_of_ours_gives_way(
    checkout: Checkout, name: str, plant: Callable[[Path], None]
) -> None:
    publish(checkout, ALPHA)
    plant(checkout.root / name)
    assert verify.main([f"--root={checkout.root}"]) == 1
    checkout.index()
    assert verify.main([f"--root={checkout.root}"]) == 0
    assert (checkout.root / ".last-run").is_file()


def test_json_of_any_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.json").write_text("[1, 2]")
    assert read_json(tmp_path / "x.json") == [1, 2]
    monkeypatch.setattr(files, "_MOST_JSON", 5)
    with pytest.raises(ValueError, match="it has 6 bytes"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("count", ["Infinity", "1e999", "null", "[]"])
def test_a_count_that_is_none_begins_a_new_story(tmp_path: Path, count: str) -> None:
    change = f'{{"project":"a","kind":"added","before":[],"after":[],"files_added":{count},"files_removed":0}}'
    (tmp_path / "changes.json").write_text(f'[{{"release":"x","time":"2026-01-01T00:00:00Z","changes":[{change}]}}]')
    assert read(tmp_path) == []


def test_a_stray_whose_time_only_its_owner_may_set_leaves_with_the_others(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(checkout, ALPHA, BETA)
    stray = checkout.root / "packages" / "aaa.txt"
    stray.write_text("")
    utime = os.utime

    def set_time(path: Path, *arguments: object, **options: bool) -> None:
        if path == stray:
            raise PermissionError(1, "Operation not permitted", str(path))
        utime(path, *arguments, **options)  # type: ignore[arg-type]

    utime(stray, (0, 0))
    owner = stray.stat().st_uid
    monkeypatch.setattr(os, "utime", set_time)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    publish(checkout, ALPHA)
    assert pool(checkout) == expected_pool(ALPHA)
    assert (checkout.root / "retired" / stray.name).exists()  # for a day


def test_what_cannot_leave_is_named_once_all_else_has_left(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(checkout, ALPHA, BETA)
    stray = checkout.root / "packages" / "aaa.txt"
    stray.write_text("")
    rename = Path.rename

    def move(path: Path, other: Path) -> Path:
        if path == stray:
            raise PermissionError(13, "Permission denied", str(path), None, str(other))
        return rename(path, other)

    monkeypatch.setattr(Path, "rename", move)
    with pytest.raises(SystemExit, match=r"aaa\.txt: Permission denied; mend that, then run make index again$"):
        publish(checkout, ALPHA)
    assert pool(checkout) == expected_pool(ALPHA) | {"aaa.txt": b""}
    assert "beta" not in (live(checkout) / "simple/index.json").read_text()
