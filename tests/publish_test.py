"""scripts/publish.py: the switch is one rename, the pool is exact, and nothing that somebody needs is lost."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import threading
import time
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel
from index_test import refusal, tree
from manifests import remake
from upstream import Upstream

from scripts import manifest

ALPHA, BETA, GAMMA = (wheel(name, "1.0") for name in ("alpha", "beta", "gamma"))
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")


def publish(checkout: Checkout, *files: Distribution, options: Sequence[str] = ()) -> Path:
    """Approve and publish files; return the release."""
    for one in files:
        checkout.upstream.add(one)
    approve(*files)
    checkout.index(*options)
    return live(checkout)


def live(checkout: Checkout) -> Path:
    return checkout.root / (checkout.root / "web").readlink()


def content(release: Path) -> dict[str, bytes]:
    """Return a release's own files, without those that tell which release they are in."""
    others = ("packages/", "changes/", "changes.json", "index.html", "release.txt", "manifest.jsonl")
    return {path: data for path, data in tree(release).items() if not path.startswith(others)}


def pool(checkout: Checkout) -> dict[str, bytes]:
    return tree(checkout.root / "packages")


def expected_pool(*files: Distribution) -> dict[str, bytes]:
    return {one.filename: one.data for one in files} | {f"{one.filename}.metadata": one.metadata for one in files}


def test_a_file_that_gave_way_to_another_of_its_name_comes_back_by_its_hash(checkout: Checkout) -> None:
    first, second = (wheel("alpha", "1.0", files={"a.py": text}) for text in (b"1", b"2"))
    release = publish(checkout, first)
    publish(checkout, second)
    checkout.upstream.stop()
    approve(first)
    checkout.index()
    assert pool(checkout) == expected_pool(first)
    assert content(live(checkout)) == content(release)


def test_what_was_damaged_or_left_there_is_said_to_be_mended(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    release = publish(checkout, ALPHA)
    (checkout.root / "packages" / ALPHA.filename).write_bytes(b"evil")
    (checkout.root / "packages" / "stray.txt").write_bytes(b"")
    capsys.readouterr()
    checkout.index()
    told = f"mended, still {release.name}: 1 projects, 1 files (1 added, 1 retired)"
    assert capsys.readouterr().err == f"{checkout.root}: {told}\n"
    assert pool(checkout) == expected_pool(ALPHA)


# The forms in which a release's pages write a time.
TIMES = {
    r"20\d{6}T\d{6}Z": "%Y%m%dT%H%M%SZ",
    r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ": "%Y-%m-%dT%H:%M:%SZ",
    r"20\d\d-\d\d-\d\d \d\d:\d\d": "%Y-%m-%d %H:%M",
}


def earlier(text: str, days: float) -> str:
    """Set every time in a text back."""
    for pattern, form in TIMES.items():
        back = partial(
            lambda form, found: (
                f"{datetime.strptime(found[0], form).replace(tzinfo=UTC) - timedelta(days=days):{form}}"
            ),
            form,
        )
        text = re.sub(pattern, back, text)
    return text


def age(checkout: Checkout, days: float) -> list[Path]:
    """Make all that is there look older: releases by their names and what they tell, retired files by their times."""
    shown = live(checkout).name
    times = {path.name: path.lstat().st_mtime for path in (checkout.root / "retired").iterdir()}
    for release in sorted((checkout.root / "releases").iterdir()):
        older = release.rename(release.with_name(earlier(release.name, days)))
        times[older.name] = older.stat().st_mtime
        (older / "release.txt").write_text(f"{older.name}\n")
        for page in (older / "changes.json", older / "index.html", older / "changes" / "index.html"):
            text = earlier(page.read_text(), days)
            page.write_text(text)
            page.with_name(f"{page.name}.etag").write_text(f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"')
        remake(older)
        if release.name == shown:
            (checkout.root / "web").unlink()
            (checkout.root / "web").symlink_to(f"releases/{older.name}")
    for path in (*(checkout.root / "retired").iterdir(), *(checkout.root / "releases").iterdir()):
        moment_left = times[path.name] - days * 86400
        os.utime(path, (moment_left, moment_left), follow_symlinks=False)
    return sorted((checkout.root / "releases").iterdir())


# The layout


def test_the_shared_folder_has_the_layout_of_the_design(checkout: Checkout) -> None:
    release = publish(checkout, ALPHA)
    assert ID.fullmatch(release.name)
    assert sorted(path.name for path in checkout.root.iterdir()) == [
        *(
            ".generation",
            ".last-run",
            ".last-run.files",
            ".last-run.pages",
            ".pypi-index",
            "bin",
            "incoming",
            "packages",
            "releases",
        ),
        *("retired", "web"),
    ]
    assert str((checkout.root / "web").readlink()) == f"releases/{release.name}"
    assert str((release / "packages").readlink()) == "../../packages"
    assert (release / "release.txt").read_text() == f"{release.name}\n"
    assert [path.name for path in release.parent.iterdir()] == [release.name]
    pages = {
        *("changes.json", "changes/index.html", "favicon.svg", "files.jsonl", "index.html", "not-here.html"),
        *("packages.json", "project/alpha/index.html", "simple/alpha/index.html", "simple/alpha/index.json"),
        *("sbom.cdx.json", "simple/index.html", "simple/index.json", "site.js", "style.css"),
    }
    etags, own = {f"{page}.etag" for page in pages}, {"release.txt", "manifest.jsonl"}
    files = {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    assert {name for name in files if not name.endswith((".gz", ".gz.etag"))} == own | pages | etags
    assert pool(checkout) == expected_pool(ALPHA)
    assert list((checkout.root / "retired").iterdir()) == []
    assert list((checkout.root / "incoming").iterdir()) == []


def test_the_shared_folder_can_be_moved(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    checkout.root.rename(checkout.root.with_name("moved"))
    assert (checkout.root.with_name("moved") / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data
    checkout.root = checkout.root.with_name("moved")
    checkout.upstream.requests.clear()
    checkout.index()
    assert checkout.upstream.requests == []


def test_everybody_may_read_what_is_published(checkout: Checkout) -> None:
    before = os.umask(0o022)
    try:
        publish(checkout, ALPHA)
    finally:
        os.umask(before)
    unreadable = [
        path
        for path in [checkout.root, *checkout.root.rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & (0o055 if path.is_dir() else 0o044) == 0
    ]
    assert unreadable == []


def test_the_id_tells_time_and_content(checkout: Checkout) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    first = publish(checkout, ALPHA)
    second = publish(checkout, ALPHA, BETA)
    third = publish(checkout, ALPHA)
    made = datetime.strptime(first.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert start <= made <= datetime.now(UTC)
    assert first.name < second.name < third.name
    assert first.name[16:] == third.name[16:] != second.name[16:]


def test_a_later_release_sorts_behind_whatever_the_clock_says(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    (first,) = age(checkout, -1)
    second = publish(checkout, BETA)
    made = datetime.strptime(first.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert second.name[:16] == f"{made + timedelta(seconds=1):%Y%m%dT%H%M%SZ}"


def test_unchanged_pages_are_hard_links_and_changed_ones_are_not(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    second = publish(checkout, ALPHA, BETA)
    shared = {
        path.relative_to(second).as_posix()
        for path in second.rglob("*")
        if path.is_file() and not path.is_symlink() and "packages/" not in path.as_posix()
        if (first / path.relative_to(second)).is_file()
        if (first / path.relative_to(second)).stat().st_ino == path.stat().st_ino
    }
    assert {name for name in shared if not name.endswith((".etag", ".gz"))} == {
        *("favicon.svg", "not-here.html", "project/alpha/index.html", "simple/alpha/index.html"),
        *("simple/alpha/index.json", "site.js", "style.css"),
    }


def test_the_same_content_makes_no_new_release_and_says_so(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    release = publish(checkout, ALPHA)
    before = tree(checkout.root)
    links = {path: path.lstat().st_ino for path in checkout.root.rglob("*") if path.is_symlink()}
    capsys.readouterr()
    checkout.index()
    assert capsys.readouterr().err == (
        f"{checkout.root}: nothing changed, still {release.name}: 1 projects, 1 files (0 added, 0 retired)\n"
    )
    assert tree(checkout.root) == before
    assert {path: path.lstat().st_ino for path in checkout.root.rglob("*") if path.is_symlink()} == links


@pytest.mark.parametrize(
    "what",
    ["page", "page added", "page gone", "page is a link", "folder is a link", "pool link", "pool link gone", "id"],
)
def test_a_live_release_that_somebody_changed_is_replaced(checkout: Checkout, tmp_path: Path, what: str) -> None:
    release = publish(checkout, ALPHA)
    page = release / "simple" / "alpha" / "index.html"
    before = content(release)
    match what:
        case "page":
            page.write_text("<a href='https://evil.invalid/alpha-1.0-py3-none-any.whl'>alpha</a>")
        case "page added":
            (release / "simple" / "evil").mkdir()
            (release / "simple" / "evil" / "index.html").write_text("evil")
        case "page gone":
            page.unlink()
        case "page is a link":
            page.rename(tmp_path / "page")
            page.symlink_to(tmp_path / "page")
        case "folder is a link":
            page.parent.rename(tmp_path / "alpha")
            page.parent.symlink_to(tmp_path / "alpha")
        case "pool link":
            (release / "packages").unlink()
            (release / "packages").symlink_to(tmp_path)
        case "pool link gone":
            (release / "packages").unlink()
        case _:
            (release / "release.txt").write_text("another\n")
    checkout.index()
    assert live(checkout).name > release.name
    assert str((live(checkout) / "packages").readlink()) == "../../packages"
    assert (live(checkout) / "release.txt").read_text() == f"{live(checkout).name}\n"
    assert content(live(checkout)) == before
    assert [path for path in live(checkout).rglob("*") if path.is_symlink()] == [live(checkout) / "packages"]


@pytest.mark.parametrize("kind", ["elsewhere", "dangling", "upwards", "folder", "file"])
def test_a_web_that_is_not_ours_is_replaced(checkout: Checkout, tmp_path: Path, kind: str) -> None:
    publish(checkout, ALPHA)
    web = checkout.root / "web"
    web.unlink()
    match kind:
        case "elsewhere":
            web.symlink_to(tmp_path)
        case "dangling":
            web.symlink_to("releases/20240101T000000Z-000000000000")
        case "upwards":
            web.symlink_to("releases/..")
        case "folder":
            web.mkdir()
            (web / "theirs").write_text("precious")
        case _:
            web.write_text("precious")
    checkout.index()
    assert str(web.readlink()) == f"releases/{live(checkout).name}"
    assert (web / "packages" / ALPHA.filename).read_bytes() == ALPHA.data
    if kind == "folder":
        assert (checkout.root / "retired" / "web.1" / "theirs").read_text() == "precious"


# The pool


def test_a_file_that_left_the_lock_leaves_the_pool_and_comes_back_without_a_request(checkout: Checkout) -> None:
    publish(checkout, ALPHA, BETA)
    publish(checkout, ALPHA)
    assert pool(checkout) == expected_pool(ALPHA)
    assert tree(checkout.root / "retired") == expected_pool(BETA)
    assert not (checkout.root / "web" / "simple" / "beta").exists()
    checkout.upstream.requests.clear()
    publish(checkout, ALPHA, BETA)
    assert pool(checkout) == expected_pool(ALPHA, BETA)
    assert checkout.upstream.requests == []


@pytest.mark.parametrize("changed", [False, True], ids=["nothing else changed", "a new release"])
def test_whatever_no_lock_names_leaves_the_pool(checkout: Checkout, tmp_path: Path, changed: bool) -> None:
    publish(checkout, ALPHA)
    packages = checkout.root / "packages"
    GAMMA.save(packages)
    (packages / "folder").mkdir()
    (packages / "folder" / "x").write_text("x")
    (packages / "link-1.0-py3-none-any.whl").symlink_to(tmp_path)
    (packages / "dangling").symlink_to("nowhere")
    (packages / ".htaccess").write_text("x")
    (packages / "new\nline.whl").write_text("x")
    (packages / os.fsdecode(b"\xff\xfe.whl")).write_text("x")
    (packages / ALPHA.filename.upper()).write_bytes(ALPHA.data)
    (packages / ("x" * 255)).write_text("x")
    (packages / f"{BETA.filename}.metadata").write_text("x")
    os.mkfifo(packages / "pipe.whl")
    strays = {path.name for path in packages.iterdir()} - set(expected_pool(ALPHA))
    files = (ALPHA, BETA) if changed else (ALPHA,)
    publish(checkout, *files)
    assert {path.name for path in packages.iterdir()} == set(expected_pool(*files))
    assert pool(checkout) == expected_pool(*files)
    # What stood in the way of an approved file gets a name that nothing looks for.
    sidecar = f"{BETA.filename}.metadata"
    kept = strays - {sidecar} | {f"{sidecar}.1"} if changed else strays
    assert {path.name for path in (checkout.root / "retired").iterdir()} == kept
    assert (checkout.root / "retired" / "folder" / "x").read_text() == "x"


@pytest.mark.parametrize("kind", ["bytes", "folder", "link", "dangling link"])
@pytest.mark.parametrize("which", ["wheel", "sidecar"])
def test_something_else_under_a_right_name_is_replaced(
    checkout: Checkout, tmp_path: Path, kind: str, which: str
) -> None:
    release = publish(checkout, ALPHA)
    place = checkout.root / "packages" / (ALPHA.filename + (".metadata" if which == "sidecar" else ""))
    place.unlink()
    match kind:
        case "bytes":
            place.write_bytes(b"evil")
        case "folder":
            place.mkdir()
        case "link":
            (tmp_path / "other").write_bytes(expected_pool(ALPHA)[place.name])
            place.symlink_to(tmp_path / "other")
        case _:
            place.symlink_to("nowhere")
    checkout.index()
    assert pool(checkout) == expected_pool(ALPHA)
    assert not place.is_symlink()
    assert live(checkout) == release
    assert [path.name for path in (checkout.root / "retired").iterdir()] == [f"{place.name}.1"]


def test_a_stray_does_not_take_the_place_of_a_retired_file(checkout: Checkout) -> None:
    publish(checkout, ALPHA, BETA)
    publish(checkout, ALPHA)
    (checkout.root / "packages" / BETA.filename).write_bytes(b"evil")
    checkout.index()
    retired = checkout.root / "retired"
    assert (retired / BETA.filename).read_bytes() == BETA.data
    assert (retired / f"{BETA.filename}.1").read_bytes() == b"evil"


def test_a_stray_among_the_retired_gives_way_to_an_approved_file(checkout: Checkout) -> None:
    publish(checkout, ALPHA, BETA)
    (checkout.root / "retired" / BETA.filename).write_bytes(b"evil")
    publish(checkout, ALPHA)
    retired = checkout.root / "retired"
    assert (retired / BETA.filename).read_bytes() == BETA.data
    assert (retired / f"{BETA.filename}.1").read_bytes() == b"evil"


def test_retired_files_are_those_that_readers_had_open(checkout: Checkout) -> None:
    publish(checkout, ALPHA, BETA)
    with (checkout.root / "web" / "packages" / BETA.filename).open("rb") as reader:
        start = reader.read(10)
        publish(checkout, ALPHA)
        assert start + reader.read() == BETA.data


# Old releases


def test_old_releases_go_after_keep_and_a_day_with_the_files_that_only_they_needed(checkout: Checkout) -> None:
    for files in ((ALPHA,), (ALPHA, BETA), (ALPHA, BETA, GAMMA), (GAMMA,)):
        publish(checkout, *files)
    checkout.index("--keep=2")
    releases = sorted((checkout.root / "releases").iterdir())
    assert len(releases) == 4  # no day has passed
    releases = age(checkout, 2)
    checkout.index("--keep=2")
    assert sorted((checkout.root / "releases").iterdir()) == releases[2:]
    assert tree(checkout.root / "retired") == expected_pool(ALPHA, BETA)
    publish(checkout, BETA, GAMMA)
    age(checkout, 2)
    checkout.index("--keep=1")
    assert tree(checkout.root / "retired") == {}
    assert pool(checkout) == expected_pool(BETA, GAMMA)
    assert [path.name for path in (checkout.root / "releases").iterdir()] == [live(checkout).name]


@pytest.mark.parametrize("name", ["beta", "b" * 190])  # with a number behind it, the latter is too long
def test_of_a_name_that_changed_its_file_each_stays_that_a_kept_release_has(checkout: Checkout, name: str) -> None:
    files = [wheel(name, "1.0", files={f"{name}.py": data}) for data in (b"1", b"2", b"3")]
    for file in files:
        publish(checkout, ALPHA, file)
    publish(checkout, ALPHA)
    age(checkout, 2)
    checkout.index("--keep=3")
    held = tree(checkout.root / "retired").values()
    assert [file.data in held for file in files] == [False, True, True]


def test_once_a_release_has_what_leaves_the_pool_older_ones_are_not_read(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = [publish(checkout, *files) for files in ((ALPHA, BETA), (ALPHA, BETA, GAMMA))]
    read: list[Path] = []
    opened = Path.open

    def noted(path: Path, *mode: Any, **more: Any) -> Any:
        read.append(path)
        return opened(path, *mode, **more)

    monkeypatch.setattr(Path, "open", noted)
    publish(checkout, ALPHA)
    times = [read.count(release / "manifest.jsonl") for release in releases]
    assert times[0] == 1 < times[1]  # once for what its list is


def test_of_a_release_s_manifest_only_what_is_asked_for_is_held(tmp_path: Path) -> None:
    files = {name: manifest.fact_of(name.encode()) for name in map("packages/{}".format, range(50_000))}
    made = manifest.Manifest("", 1, "", "", {}, 0, {}, files)
    (tmp_path / manifest.FILE).write_text("".join(made.lines()))
    tracemalloc.start()
    try:
        found = list(manifest.listed(tmp_path, "packages/7".__eq__))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [("packages/7", manifest.fact_of(b"packages/7"))]
    assert peak < (tmp_path / manifest.FILE).stat().st_size / 10


def test_a_release_stays_for_a_day_after_another_took_its_place(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    age(checkout, 30)
    publish(checkout, BETA)
    checkout.index("--keep=1")
    assert len(list((checkout.root / "releases").iterdir())) == 2


@pytest.mark.parametrize(("hours", "stays"), [(23.9, True), (24.1, False)])
def test_the_day_has_24_hours(checkout: Checkout, hours: float, stays: bool) -> None:
    for files in ((ALPHA,), (ALPHA, BETA), (ALPHA,)):
        publish(checkout, *files)
    oldest, *_ = age(checkout, hours / 24)
    checkout.index("--keep=1")
    assert oldest.exists() == stays
    assert (checkout.root / "retired" / BETA.filename).exists() == stays


def test_a_page_that_reads_back_otherwise_is_not_published(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(checkout, ALPHA)
    checkout.upstream.add(BETA)
    approve(ALPHA, BETA)

    rename = Path.rename

    def on_a_bad_disk(path: Path, place: Path) -> Path:
        if place.suffix == ".new":
            page = path / "simple" / "beta" / "index.html"
            page.write_bytes(page.read_bytes().replace(b"beta", b"bet\0"))
        return rename(path, place)

    monkeypatch.setattr(Path, "rename", on_a_bad_disk)
    with pytest.raises(SystemExit) as stopped:
        checkout.index()
    assert re.fullmatch(
        rf"{re.escape(str(checkout.root))}/releases/\.\S+\.new/\S+: reads back other than it was written; "
        "check the disk, then try again",
        str(stopped.value),
    )
    assert live(checkout) == first


@pytest.mark.parametrize("is_new", [True, False])
def test_a_file_that_reads_back_otherwise_is_not_published(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, *, is_new: bool
) -> None:
    place_of_beta = checkout.root / "packages" / BETA.filename
    if is_new:
        first = publish(checkout, ALPHA)
        checkout.upstream.add(BETA)
        approve(ALPHA, BETA)
    else:
        first = publish(checkout, ALPHA, BETA)
        place_of_beta.unlink()
    rename = Path.replace

    def on_a_bad_disk(path: Path, place: Path) -> Path:
        if place == place_of_beta:
            path.write_bytes(path.read_bytes()[:-1])
        return rename(path, place)

    monkeypatch.setattr(Path, "replace", on_a_bad_disk)
    with pytest.raises(SystemExit) as stopped:
        checkout.index()
    packages = checkout.root / "packages"
    assert str(stopped.value) == f"{packages}: {BETA.filename}: reads back other than approved; run make index again"
    assert live(checkout) == first
    assert not place_of_beta.exists()


def test_the_live_release_stays_however_old_it_is(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    web = checkout.root / "web"
    publish(checkout, BETA)
    releases = age(checkout, 30)
    web.unlink()
    web.symlink_to(f"releases/{releases[0].name}")  # as a rollback does
    assert releases[0].name[16:] == first.name[16:]
    approve(ALPHA)
    checkout.index("--keep=1")
    assert live(checkout) == releases[0]
    assert live(checkout).is_dir()


def test_strays_are_kept_for_a_day(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    (checkout.root / "packages" / "stray").write_text("x")
    os.utime(checkout.root / "packages" / "stray", (0, 0))
    checkout.index()
    checkout.index()
    assert tree(checkout.root / "retired") == {"stray": b"x"}
    age(checkout, 2)
    checkout.index()
    assert tree(checkout.root / "retired") == {}


def test_a_day_s_wait_begins_with_the_retirement_and_not_with_the_file_s_own_time(checkout: Checkout) -> None:
    publish(checkout, ALPHA, BETA)
    for path in (checkout.root / "packages").iterdir():
        os.utime(path, (0, 0))
    publish(checkout, ALPHA)
    for release in (checkout.root / "releases").iterdir():
        if release != live(checkout):
            shutil.rmtree(release)
    checkout.index("--keep=1")
    assert tree(checkout.root / "retired") == expected_pool(BETA)


# What a killed run leaves


def test_the_leftovers_of_a_killed_run_are_no_obstacle_and_do_not_stay(checkout: Checkout, tmp_path: Path) -> None:
    publish(checkout, ALPHA)
    root = checkout.root
    (tmp_path / "victim").write_text("precious")
    shutil.copytree(live(checkout), root / "releases" / ".20990101T000000Z-000000000000.new", symlinks=True)
    (root / "releases" / ".20200101T000000Z-000000000000.old").mkdir()
    (root / ".web.new").symlink_to("nowhere")
    (root / "incoming" / ".scratch").mkdir()
    (root / "incoming" / ".scratch" / "pip-unpack").write_text("half")
    (root / "incoming" / f".{BETA.filename}.json.new").write_text("{")
    (root / "incoming" / f"{GAMMA.filename}.json").write_text("{}")
    (root / "bin" / ".caddy.new").symlink_to(tmp_path / "victim")
    (root / "packages" / f".{BETA.filename}.metadata.new").symlink_to(tmp_path / "victim")
    (root / "packages" / f"{GAMMA.filename}.metadata").write_bytes(GAMMA.metadata)  # a sidecar comes before its file
    publish(checkout, ALPHA, BETA)
    assert pool(checkout) == expected_pool(ALPHA, BETA)
    assert (tmp_path / "victim").read_text() == "precious"
    left = [path.name for part in ("releases", "bin", "incoming") for path in (root / part).glob(".*")]
    assert left == []
    assert list((root / "incoming").iterdir()) == []
    assert not (root / ".web.new").is_symlink()


def test_a_release_that_was_written_and_never_shown_is_no_obstacle(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    second = publish(checkout, ALPHA, BETA)
    (checkout.root / "web").unlink()
    (checkout.root / "web").symlink_to(f"releases/{first.name}")  # killed just before the switch
    checkout.index()
    assert live(checkout).name > second.name
    assert pool(checkout) == expected_pool(ALPHA, BETA)


def test_a_retirement_that_was_cut_short_is_completed(checkout: Checkout) -> None:
    publish(checkout, ALPHA, BETA)
    release = publish(checkout, ALPHA)
    (checkout.root / "retired" / BETA.filename).rename(checkout.root / "packages" / BETA.filename)
    checkout.index()
    assert pool(checkout) == expected_pool(ALPHA)
    assert tree(checkout.root / "retired") == expected_pool(BETA)
    assert live(checkout) == release


def test_strays_among_the_releases_are_no_obstacle(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    releases = checkout.root / "releases"
    for name in ("20261399T000000Z-000000000000", "99991231T235959Z-000000000000", "notes"):
        (releases / name).mkdir()
    (releases / "20980101T000000Z-000000000000").write_text("x")
    (releases / "20980101T000000Z-000000000001").symlink_to("/")
    publish(checkout, ALPHA, BETA)
    age_is_now = datetime.strptime(live(checkout).name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(age_is_now - datetime.now(UTC)) < timedelta(minutes=5)
    assert pool(checkout) == expected_pool(ALPHA, BETA)


# Readers


def test_a_reader_sees_the_old_release_or_the_new_one_and_no_page_without_its_file(checkout: Checkout) -> None:
    publish(checkout, ALPHA, BETA)
    done, problems, rounds = threading.Event(), [], 0

    def read() -> None:
        nonlocal rounds
        while not done.is_set():
            rounds += 1
            try:
                problems.extend(one_look(checkout.root / "web"))
            except OSError as error:
                problems.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for files in ((ALPHA, GAMMA), (ALPHA, BETA)) * 3:
            publish(checkout, *files)
    finally:
        done.set()
        reader.join()
    assert problems == []
    assert rounds > 100


def one_look(web: Path) -> list[str]:
    """Read the page of alpha and one of the projects on the root page, and open what they link.

    A look that spans a switch may mix the two releases, as a client of any server may, and does not count.
    """
    before = str(web.readlink())
    projects = re.findall(r'href="([a-z]+)/', (web / "simple" / "index.html").read_text())
    found = []
    for project in projects:
        try:
            page = (web / "simple" / project / "index.html").read_text()
            names = re.findall(r'href="\.\./\.\./packages/([^#"]+)#', page)
            found += [f"{project}: no link"] if not names else []
            for name in names:
                (web / "packages" / name).open("rb").close()
        except FileNotFoundError as error:
            found.append(str(error))
    return found if str(web.readlink()) == before else []


def test_the_pool_has_every_file_before_the_pages_name_it(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    seen: list[str] = []
    watcher_done = threading.Event()

    def watch() -> None:
        while not watcher_done.is_set():
            if (checkout.root / "web" / "simple" / "beta").is_dir():
                names = {path.name for path in (checkout.root / "packages").iterdir()}
                seen.append("whole" if set(expected_pool(BETA)) <= names else "without its file")
                return
            time.sleep(0)

    thread = threading.Thread(target=watch)
    thread.start()
    publish(checkout, BETA)
    thread.join(10)
    watcher_done.set()
    assert seen == ["whole"]


# What goes wrong leaves what is published as it was


def test_a_refused_run_leaves_what_is_published_as_it_was(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    before = {path: data for path, data in tree(checkout.root).items() if not path.startswith("incoming/")}
    links = str((checkout.root / "web").readlink())
    bad = checkout.upstream.add(wheel("beta", "1.0", requires_python="new"))
    approve(bad, GAMMA)
    checkout.upstream.add(GAMMA)
    refusal(checkout)
    approve(bad)
    refusal(checkout)
    after = {path: data for path, data in tree(checkout.root).items() if not path.startswith("incoming/")}
    assert (after, str((checkout.root / "web").readlink())) == (before, links)


def test_no_upstream_is_needed_to_mend_the_pages(checkout: Checkout, upstream: Upstream) -> None:
    release = publish(checkout, ALPHA)
    upstream.stop()
    shutil.rmtree(release / "simple")
    checkout.index()
    assert (checkout.root / "web" / "simple" / "alpha" / "index.html").is_file()


def test_a_wheel_that_a_planted_release_knows_is_no_sounder_for_that(checkout: Checkout) -> None:
    evil = wheel("evil", "1.0", files={"../escaped.py": b"evil"})
    release = publish(checkout, ALPHA)
    planted = release.with_name(f"20200101T000000Z-{'0' * 12}")
    shutil.copytree(release, planted, symlinks=True)
    record = {"filename": evil.filename, "hash": f"sha256={evil.sha256}"}
    (planted / "files.jsonl").unlink()
    (planted / "files.jsonl").write_text(json.dumps(record) + "\n")
    checkout.upstream.add(evil)
    approve(ALPHA, evil)
    with pytest.raises(SystemExit) as caught:
        checkout.index()
    assert "holds '../escaped.py', which leads out of the folder that it is unpacked into" in str(caught.value)
    assert live(checkout) == release
    assert not (checkout.root / "packages" / evil.filename).exists()


def test_a_server_that_is_replaced_stays_for_a_day_for_those_who_run_it(checkout: Checkout) -> None:
    """On NFS v3 a program whose file is deleted ends."""
    publish(checkout, ALPHA)
    before = (checkout.root / "bin" / "caddy-server").stat().st_ino
    checkout.index(f"--caddy={sys.executable}")
    old = checkout.root / "retired" / "caddy-server.1"
    assert old.stat().st_ino == before != (checkout.root / "bin" / "caddy-server").stat().st_ino
    age(checkout, 2)
    checkout.index(f"--caddy={sys.executable}")
    assert not old.exists()


def test_a_day_is_one_of_the_file_server_s(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock may be a day ahead of the one that gives files their times."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=2)

    publish(checkout, ALPHA)
    (checkout.root / "packages" / "stray").write_text("x")
    checkout.index()
    for module in ("publish", "release", "pool"):
        monkeypatch.setattr(f"scripts.{module}.datetime", Ahead, raising=False)
    checkout.index()
    assert tree(checkout.root / "retired") == {"stray": b"x"}
