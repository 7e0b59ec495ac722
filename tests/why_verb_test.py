"""scripts/why_verb.py: what `make why` says of a project, from real locks, real git histories and a real release."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel
from published import edit
from upstream import Upstream

from scripts import history, why_verb
from scripts.root import opened

YAML = 'resolve_deps: true\npython_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64, win_amd64]\n'
LINUX, WINDOWS = "requirements: 3.12-manylinux_2_28_x86_64", "requirements: 3.12-win_amd64"
BOTH = f"{LINUX}, 3.12-win_amd64"
Say = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _own_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's git settings out; no folder above the test's is a repository."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def say(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> Say:
    """Return the lines that `make why` prints on standard output."""

    def lines(name: str, *, err: str = "") -> list[str]:
        capsys.readouterr()
        assert why_verb.main([f"--root={checkout.root}", f"--package={name}"]) == 0
        told = capsys.readouterr()
        assert told.err == err
        return told.out.splitlines()

    return lines


def git(*arguments: str, author: str = "Ada", day: int = 1) -> str:
    """Run git as an author, on a day of January 2026."""
    date = f"2026-01-{day:02}T12:00:00+00:00"
    names = {f"GIT_{who}_NAME": author for who in ("AUTHOR", "COMMITTER")}
    names |= {f"GIT_{who}_EMAIL": "who@example.org" for who in ("AUTHOR", "COMMITTER")}
    names |= {f"GIT_{who}_DATE": date for who in ("AUTHOR", "COMMITTER")}
    done = subprocess.run(("git", *arguments), env=os.environ | names, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(subject: str, *, author: str = "Ada", day: int = 1) -> str:
    """Commit everything; returns the id as it is told."""
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", f"--message={subject}", author=author, day=day)
    return git("rev-parse", "HEAD")[:12]


def told(lines: list[str], label: str) -> list[str]:
    """Return what is said under a label, of every file."""
    found, is_meant = [], False
    for line in lines:
        if line.startswith("    "):
            is_meant = line[4:17].strip() == label or (is_meant and not line[4:17].strip())
            found += [line[18:]] if is_meant else []
    return found


def approve_alpha(upstream: Upstream, version: str = "1.0") -> Distribution:
    one = upstream.add(wheel("alpha", version))
    approve(one)
    return one


def test_all_that_is_known_is_said(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    upstream.add(wheel("App.Web", "1.0", requires=["lib"]))
    lib = upstream.add(wheel("lib", "2.0"))
    git("init", "--quiet", "--initial-branch=main")
    checkout.write("requests\n", packages_yaml=YAML)
    commit("Begin", day=1)
    git("switch", "--quiet", "--create=request")
    checkout.write("# head\nApp.Web>=1  # our services\n", packages_yaml=YAML)
    checkout.lock()
    brought = commit("Lock App.Web", author="Grace", day=2)
    git("switch", "--quiet", "main")
    commit("Something else", day=3)
    git("merge", "--quiet", "--no-ff", "--message=Merge request 5", "request", author="Barbara", day=4)
    merged = git("rev-parse", "HEAD")[:12]
    commit("Later", day=5)
    checkout.index()
    release = (checkout.root / "web").readlink().name
    time = history.read(checkout.root / "web")[0].time
    assert say("LIB") == [
        "lib 2.0",
        "  lib-2.0-py3-none-any.whl",
        f"    sha256        {lib.sha256}",
        f"    locked for    {BOTH}",
        "    asked for by  requirements.in:2: App.Web>=1 → lib  # our services",
        f"    published     since {release}, {time[:10]} {time[11:16]} UTC",
        f"    approved by   {brought}, 2026-01-02, Grace: Lock App.Web",
        f"                  merged by {merged}, 2026-01-04, Barbara: Merge request 5",
    ]


# Requirements and chains


def test_what_is_so_on_some_targets_only_is_said_with_them(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    upstream.add(wheel("alpha", "1.0", requires=['lib; sys_platform == "win32"']))
    upstream.add(wheel("beta", "1.0", requires=["lib"]))
    upstream.add(wheel("lib", "1.0"))
    checkout.write('alpha\nbeta; sys_platform != "win32"\nlib==1.0; sys_platform == "win32"\n', packages_yaml=YAML)
    checkout.lock()
    assert told(say("lib"), "asked for by") == [
        f'requirements.in:2: beta; sys_platform != "win32" → lib ({LINUX})',
        f'requirements.in:3: lib==1.0; sys_platform == "win32" ({WINDOWS})',
        f"requirements.in:1: alpha → lib ({WINDOWS})",
    ]


def test_each_version_has_its_own_files_and_requirement(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    linux = upstream.add(wheel("alpha", "1.0", tag="cp312-cp312-manylinux_2_28_x86_64"))
    windows = upstream.add(wheel("alpha", "1.0", tag="cp312-cp312-win_amd64"))
    other = upstream.add(wheel("alpha", "1.10"))
    checkout.write("alpha==1.0 # old\nalpha==1.10\n", packages_yaml=YAML.replace("true", "false") + "closure: off\n")
    checkout.lock()
    checkout.index()
    lines = say("alpha")
    assert [line for line in lines if not line.startswith("    ")] == [
        *("alpha 1.10", f"  {other.filename}"),
        *("alpha 1.0", f"  {windows.filename}", f"  {linux.filename}"),
    ]
    assert told(lines, "locked for") == [BOTH, WINDOWS, LINUX]
    assert told(lines, "asked for by") == [
        "requirements.in:2: alpha==1.10",
        *["requirements.in:1: alpha==1.0  # old"] * 2,
    ]


def test_each_set_is_told_with_its_own_requirement(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    upstream.add(wheel("alpha", "1.0"))
    checkout.write(
        "alpha\n", packages_yaml=YAML + "requirements: [requirements.in, dev.in]\n", dev_in="alpha # tests\n"
    )
    checkout.lock()
    lines, dev = say("alpha"), BOTH.replace("requirements", "dev")
    assert told(lines, "locked for") == [f"{dev}; {BOTH}"]
    assert told(lines, "asked for by") == [f"dev.in:1: alpha  # tests ({dev})", f"requirements.in:1: alpha ({BOTH})"]


def test_many_ways_are_cut(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    for number in range(12):
        upstream.add(wheel(f"user-{number:02}", "1.0", requires=["lib"]))
    upstream.add(wheel("lib", "1.0"))
    checkout.write("".join(f"user-{number:02}\n" for number in range(12)), packages_yaml=YAML)
    checkout.lock()
    ways = [f"requirements.in:{number + 1}: user-{number:02} → lib" for number in range(10)]
    assert told(say("lib"), "asked for by") == [*ways, "and 2 more"]


def test_a_stale_lock_is_said_and_answered(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    approve_alpha(upstream)
    checkout.write("beta==1.0\n")
    lock = "locks/requirements/3.12-manylinux_2_28_x86_64.txt"
    fact = "stale, the requirements or packages.yaml changed since; run make lock"
    lines = say("alpha", err=f"{lock}: {fact}\n")
    assert told(lines, "asked for by") == ["no requirement is known; run make lock"]


def test_what_is_denied_and_locked_is_said_and_answered(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    upstream.add(wheel("app", "1.0", requires=["evil"]))
    upstream.add(wheel("evil", "1.0"))
    checkout.write("app\n", packages_yaml=YAML)
    checkout.lock()
    checkout.write("app\n", packages_yaml=YAML + "denied: {evil: it steals}\n")
    lines = say("evil", err="packages.yaml: evil is denied (it steals)\n")
    assert told(lines, "asked for by") == ["requirements.in:1: app → evil"]


def test_what_a_terminal_would_obey_is_not_printed(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    git("init", "--quiet")
    upstream.add(wheel("alpha", "1.0"))
    checkout.write("alpha==1.0 # \x1b[2J\n", packages_yaml=YAML)
    checkout.lock()
    commit("\x1b]0;title\x07", author="E\x1b[31mve")
    text = "\n".join(say("alpha"))
    assert "\x1b" not in text
    assert "# \ufffd[2J" in text
    assert "E\ufffd[31mve: \ufffd]0;title\ufffd" in text


# Commits


def test_the_commit_is_the_one_that_brought_the_file(upstream: Upstream, say: Say) -> None:
    git("init", "--quiet")
    alpha = approve_alpha(upstream)
    first = commit("Alpha", day=1)
    approve(alpha, upstream.add(wheel("aaa", "1.0")))
    second = commit("Aaa before it", day=2)
    assert told(say("alpha"), "approved by") == [f"{first}, 2026-01-01, Ada: Alpha"]
    assert told(say("aaa"), "approved by") == [f"{second}, 2026-01-02, Ada: Aaa before it"]


def test_what_came_back_was_approved_anew(upstream: Upstream, say: Say) -> None:
    git("init", "--quiet")
    approve_alpha(upstream)
    commit("One", day=1)
    approve_alpha(upstream, "2.0")
    commit("Two", day=2)
    approve(wheel("alpha", "1.0"))
    back = commit("Back to one", day=3)
    assert told(say("alpha"), "approved by") == [f"{back}, 2026-01-03, Ada: Back to one"]


def test_targets_that_were_approved_later_are_said(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    git("init", "--quiet")
    alpha = approve_alpha(upstream)
    first = commit("Linux", day=1)
    checkout.write(packages_yaml=YAML.replace("true", "false"))
    approve(alpha)
    second = commit("Windows too", day=2)
    assert told(say("alpha"), "approved by") == [
        f"{first}, 2026-01-01, Ada: Linux ({LINUX})",
        f"{second}, 2026-01-02, Ada: Windows too ({WINDOWS})",
    ]


def test_a_fast_forward_has_no_merge(upstream: Upstream, say: Say) -> None:
    git("init", "--quiet", "--initial-branch=main")
    commit("Begin")
    git("switch", "--quiet", "--create=request")
    approve_alpha(upstream)
    brought = commit("Alpha", day=2)
    commit("Later", day=3)
    git("switch", "--quiet", "main")
    git("merge", "--quiet", "--ff-only", "request")
    assert told(say("alpha"), "approved by") == [f"{brought}, 2026-01-02, Ada: Alpha"]


def test_the_merge_is_the_first_one_to_the_branch(upstream: Upstream, say: Say) -> None:
    """A branch of a branch: what counts is when it came to main, and main's own commits meanwhile do not."""
    git("init", "--quiet", "--initial-branch=main")
    commit("Begin")
    git("switch", "--quiet", "--create=outer")
    git("switch", "--quiet", "--create=inner")
    approve_alpha(upstream)
    commit("Alpha", day=2)
    git("switch", "--quiet", "outer")
    git("merge", "--quiet", "--no-ff", "--message=To outer", "inner", day=3)
    git("switch", "--quiet", "main")
    commit("Meanwhile", day=4)
    git("merge", "--quiet", "--no-ff", "--message=To main", "outer", day=5)
    commit("Afterwards", day=6)
    assert [line.partition(": ")[2] for line in told(say("alpha"), "approved by")] == ["Alpha", "To main"]


def test_settings_of_git_hide_no_commit(upstream: Upstream, say: Say) -> None:
    git("init", "--quiet")
    approve_alpha(upstream, "0.9")
    commit("Begin")
    approve_alpha(upstream)
    brought = commit("Alpha", day=2)
    Path("ignored").write_text(git("rev-parse", "HEAD"))
    git("config", "blame.ignoreRevsFile", "ignored")
    git("config", "blame.showEmail", "true")
    assert told(say("alpha"), "approved by") == [f"{brought}, 2026-01-02, Ada: Alpha"]


@pytest.mark.parametrize("state", ["no commit", "not added", "added", "edited"])
def test_what_is_not_committed_is_said(upstream: Upstream, say: Say, state: str) -> None:
    git("init", "--quiet")
    if state == "edited":
        approve_alpha(upstream, "0.9")
    if state != "no commit":
        commit("Begin")
    approve_alpha(upstream)
    if state == "added":
        git("add", "--all")
    assert told(say("alpha"), "approved by") == ["not committed yet"]


def test_a_history_that_is_cut_off_is_said(
    checkout: Checkout, upstream: Upstream, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("init", "--quiet")
    alpha = approve_alpha(upstream)
    commit("Alpha", day=1)
    last = commit("Other", day=2)
    git("clone", "--quiet", "--depth=1", f"file://{checkout.path}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    cut = f"by {last}, 2026-01-02, or before: the history is cut off there; run git fetch --unshallow"
    assert told(say("alpha"), "approved by") == [cut]
    approve(alpha, upstream.add(wheel("beta", "1.0")))
    new = commit("Beta", day=3)
    assert told(say("beta"), "approved by") == [f"{new}, 2026-01-03, Ada: Beta"]


def test_no_git_is_said(upstream: Upstream, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    approve_alpha(upstream)
    [reason] = told(say("alpha"), "approved by")
    assert reason.startswith("not known: not a git repository")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert told(say("alpha"), "approved by") == ["not known: git is not installed"]


# The live release


def test_since_when_is_told_by_the_live_release(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    alpha = approve_alpha(upstream)
    assert say("alpha")[1] == "  a file, whose name is known once it is published"
    assert told(say("alpha"), "published") == ["not published yet"]
    checkout.index()
    first = (checkout.root / "web").readlink().name
    approve(alpha, upstream.add(wheel("beta", "1.0")))
    checkout.index()
    second = (checkout.root / "web").readlink().name
    assert told(say("alpha"), "published")[0].startswith(f"since {first}, 20")
    assert told(say("beta"), "published")[0].startswith(f"since {second}, 20")
    approve_alpha(upstream, "2.0")
    assert told(say("alpha"), "published") == ["not published yet"]


def test_a_release_that_no_list_of_changes_has_is_told_by_its_time(
    checkout: Checkout, upstream: Upstream, say: Say
) -> None:
    approve_alpha(upstream)
    checkout.index()
    edit(checkout.root / "web" / "changes.json", list.clear)
    assert told(say("alpha"), "published")[0].startswith("since a release that is gone, 20")


def test_publisher_and_in_house_are_told(checkout: Checkout, say: Say) -> None:
    (checkout.path / "wheels").mkdir()
    wheel("acme", "1.0").save(checkout.path / "wheels")
    checkout.write("acme==1.0\n", packages_yaml=YAML.replace("true", "false") + "first_party: wheels\n")
    checkout.lock()
    checkout.index()
    page = checkout.root / "web" / "simple" / "acme" / "index.json"
    edit(page, lambda value: value["files"][0].update({"_publisher": "GitHub acme/acme\x1b"}))
    lines = say("acme")
    assert told(lines, "built") == ["in-house, from first_party"]
    assert told(lines, "publisher") == ["GitHub acme/acme\ufffd"]


def test_a_run_under_way_is_not_waited_for_and_nothing_is_written(
    checkout: Checkout, upstream: Upstream, say: Say
) -> None:
    git("init", "--quiet")
    approve_alpha(upstream)
    checkout.index()
    commit("Alpha")
    folders = (checkout.path, checkout.root)

    def state() -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for folder in folders for path in folder.rglob("*")}

    upstream.requests.clear()
    with opened(checkout.root):
        before = state()
        assert say("alpha")[0] == "alpha 1.0"
        assert state() == before
    assert upstream.requests == []


# Waivers


def test_waivers_of_the_version_are_told(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    def waiver(rule: str, versions: str, days: int, more: str = "", project: str = "alpha") -> str:
        expires = f"{datetime.now(UTC) + timedelta(days):%Y-%m-%d}"
        text = f'- rule: {rule}\n  project: {project}\n  versions: "{versions}"\n  reason: because\n'
        return f"{text}  approved_by: A. Turing\n  expires: {expires}\n{more}"

    approve_alpha(upstream, "1.0rc1")
    checkout.write(
        (checkout.path / "requirements.in").read_text(),
        waivers_yaml=waiver("closure", "<2", 2)
        + waiver("licenses", "==1.0rc1", -2)
        + waiver("vulnerabilities", ">=0", 0, "  advisory: CVE-2026-1\n")
        + waiver("sdists", ">=2", 2)
        + waiver("yanked", ">=0", 2, project="beta"),
    )

    def day(days: int) -> str:
        return f"{datetime.now(UTC) + timedelta(days):%Y-%m-%d}"

    assert told(say("alpha"), "waived") == [
        f"closure, until {day(2)}, approved by A. Turing: because",
        f"licenses, expired on {day(-2)}, approved by A. Turing: because",
        f"vulnerabilities CVE-2026-1, until {day(0)}, approved by A. Turing: because",
    ]


# Names that no lock has


def refused(checkout: Checkout, name: str) -> str:
    with pytest.raises(SystemExit) as caught:
        why_verb.main([f"--root={checkout.root}", f"--package={name}"])
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "PACKAGE: names no project; run make why PACKAGE=name"),
        ("a==1\x1b", r"PACKAGE: 'a==1\x1b' is no name of a project; run make why PACKAGE=name"),
        ("Flaskk", "locks: none has flaskk; is flask or flask-cors meant?"),
        ("evill", "locks: none has evill; is evil meant?"),
        ("zzzz", "locks: none has zzzz; write it into the requirements and run make lock"),
        ("evil", "packages.yaml: evil is denied (it steals); no lock may have it"),
    ],
)
def test_a_name_in_no_lock_is_one_sentence(checkout: Checkout, upstream: Upstream, name: str, sentence: str) -> None:
    settings = (checkout.path / "packages.yaml").read_text()
    checkout.write(packages_yaml=settings + "denied: {evil: it steals}\n")
    approve(*(upstream.add(wheel(name, "1.0")) for name in ("flask", "flask-cors")))
    assert refused(checkout, name) == sentence


def test_a_requirement_that_no_lock_has_is_said(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("alpha", "1.0"))
    checkout.write('alpha==1.0\nbeta==1.0; sys_platform == "win32"\n')
    checkout.lock()
    fact = "requirements.in:2: asks for beta, and no lock has it; run make lock, unless no target is meant"
    assert refused(checkout, "beta") == fact


def test_what_is_published_and_no_longer_locked_is_said(checkout: Checkout, upstream: Upstream) -> None:
    alpha = approve_alpha(upstream)
    approve(alpha, upstream.add(wheel("beta", "1.0")))
    checkout.index()
    approve(alpha)
    assert refused(checkout, "beta") == "locks: none has beta, which is still published; make index takes it away"


def test_a_damaged_page_tells_nothing(checkout: Checkout, upstream: Upstream, say: Say) -> None:
    approve_alpha(upstream)
    checkout.index()
    page = checkout.root / "web" / "simple" / "alpha" / "index.json"
    value = json.loads(page.read_text())
    page.unlink()
    page.write_text(json.dumps(value | {"files": [{"hashes": value["files"][0]["hashes"]}, 3]}))
    assert told(say("alpha"), "published") == ["since an unknown release"]
    shutil.rmtree(checkout.root)
    assert told(say("alpha"), "published") == ["not published yet"]
