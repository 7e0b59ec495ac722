"""scripts/revision.py: files as they were at a commit, whatever else git could be told to do."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from review_history import git

from scripts import revision


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit on main, which is the current folder."""
    path = tmp_path / "a checkout"
    path.mkdir()
    monkeypatch.chdir(path)
    git("init", "--quiet")
    Path("locks").mkdir()
    Path("locks/a.txt").write_text("old\n")
    Path("locks/link.txt").symlink_to("a.txt")
    Path("other").write_text("unasked\n")
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    return path


def refusal(base: str = "") -> str:
    with pytest.raises(SystemExit) as raised:
        revision.read(base, "locks")
    return str(raised.value)


@pytest.mark.usefixtures("repository")
def test_files_are_read_as_they_were_and_links_are_none() -> None:
    first = git("rev-parse", "HEAD")
    Path("locks/a.txt").write_text("new\n")
    Path("locks/b.txt").write_bytes(b"\xff\r\n")
    git("commit", "--quiet", "--all", "--message=two")
    git("add", "--all")
    git("commit", "--quiet", "--message=three")
    assert revision.read(first, "locks") == (first, {PurePosixPath("locks/a.txt"): "old\n"})
    texts = {PurePosixPath("locks/a.txt"): "new\n", PurePosixPath("locks/b.txt"): "\ufffd\n"}
    assert revision.read("HEAD", "locks").texts == texts


def test_paths_are_those_of_the_current_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = repository / "below"
    (below / "locks").mkdir(parents=True)
    (below / "locks/c.txt").write_text("c\n")
    git("add", "--all")
    git("commit", "--quiet", "--message=below")
    monkeypatch.chdir(below)
    assert revision.read("HEAD", "locks").texts == {PurePosixPath("locks/c.txt"): "c\n"}


@pytest.mark.usefixtures("repository")
def test_without_a_base_it_is_where_head_left_the_default_branch() -> None:
    left = git("rev-parse", "HEAD")
    git("switch", "--quiet", "--create=change")
    git("commit", "--quiet", "--allow-empty", "--message=of the change")
    git("switch", "--quiet", "main")
    git("commit", "--quiet", "--allow-empty", "--message=of others")
    git("switch", "--quiet", "change")
    assert revision.read("", "locks").commit == left


@pytest.mark.usefixtures("repository")
def test_git_is_not_led_elsewhere_by_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert revision.read("HEAD", "locks").texts


def test_a_folder_that_is_no_checkout_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = "git: this folder is in no git checkout that has a commit; run make review in one"
    assert refusal() == sentence
    git("init", "--quiet")
    assert refusal() == sentence


@pytest.mark.usefixtures("repository")
def test_an_unknown_base_is_told() -> None:
    for base in ("nope", "--all", "HEAD:other"):
        assert refusal(base) == f"BASE={base}: git knows no such commit; name a branch, a tag or a commit"


@pytest.mark.usefixtures("repository")
def test_no_default_branch_is_told() -> None:
    git("branch", "--move", "trunk")
    assert refusal() == (
        "BASE: there is no default branch (origin/HEAD, origin/main, origin/master, main, master); "
        "name a commit, as BASE=v1.0"
    )


@pytest.mark.usefixtures("repository")
def test_a_branch_of_another_origin_is_told() -> None:
    git("switch", "--quiet", "--orphan=alone")
    git("commit", "--quiet", "--allow-empty", "--message=alone")
    assert refusal() == "BASE: HEAD and main have no commit in common; name a commit, as BASE=v1.0"


def test_a_shallow_clone_without_the_base_is_told(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("switch", "--quiet", "--create=change")
    git("commit", "--quiet", "--allow-empty", "--message=of the change")
    git("switch", "--quiet", "main")
    git("commit", "--quiet", "--allow-empty", "--message=of others")
    git("clone", "--quiet", "--depth=1", "--no-single-branch", repository.as_uri(), str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    git("switch", "--quiet", "change")
    deeper = "this clone is shallow, so fetch the rest of it with git fetch --unshallow"
    assert refusal("v1.0") == f"BASE=v1.0: git knows no such commit; {deeper}"
    assert refusal() == f"BASE: HEAD and origin/HEAD have no commit in common; {deeper}"
    git("fetch", "--quiet", "--unshallow")
    assert revision.read("", "locks").commit == git("rev-parse", "HEAD~1")


def test_nothing_is_written(repository: Path) -> None:
    Path("locks/a.txt").write_text("changed\n")
    os.utime("other", (1, 1))
    before = {path: path.stat().st_mtime_ns for path in sorted(repository.rglob("*"))}
    revision.read("HEAD", "locks")
    revision.head_moment("locks")
    assert {path: path.stat().st_mtime_ns for path in sorted(repository.rglob("*"))} == before


@pytest.mark.usefixtures("repository")
def test_the_moment_is_the_commits_or_now_where_files_differ() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    Path("other").write_text("changed\n")
    assert revision.head_moment("locks") == noon
    Path("locks/a.txt").write_text("changed\n")
    assert revision.head_moment("locks") > noon
