"""scripts/verify.py: `make verify` on a shared folder, in its words and its exit status."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from approved import approve
from index_test import tree
from project import copy_of_project, environment, make
from published import ALPHA, BETA, GAMMA, YANKED, Published
from strace import NO_LOCKS, failing
from upstream import Upstream

from scripts import CODE, verify

CONFIG = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\n'


def refusal(published: Published, *options: str) -> str:
    with pytest.raises(SystemExit) as caught:
        verify.main([f"--root={published.root}", *options])
    return str(caught.value)


def test_make_verify_says_what_it_verified_and_what_is_wrong(tmp_path: Path, upstream: Upstream) -> None:
    project = copy_of_project(tmp_path / "a checkout", without=("locks/",))
    upstream.add(ALPHA)
    (project / "requirements.in").write_text("alpha==1.0\n")
    (project / "packages.yaml").write_text(CONFIG)
    make(project, "lock", "index", f"UPSTREAM={upstream.url}", f"CADDY={sys.executable}")
    release = (project / "pypi/web").readlink().name
    done = make(project, "verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"pypi: verified {release}: 1 projects, 1 files\n")
    (project / "pypi/packages/x").write_text("")
    (project / "pypi/web/site.js.etag").unlink()
    done = make(project, "verify")
    assert done.returncode == 2
    assert done.stderr.splitlines()[:-1] == [
        "pypi/packages/x: is a file that does not belong here; run make index",
        f"pypi/releases/{release}/site.js.etag: is missing, a file; run make index",
    ]
    assert make(project, "index", "verify", f"UPSTREAM={upstream.url}", f"CADDY={sys.executable}").returncode == 0


def test_make_index_publishes_no_page_that_links_nothing(tmp_path: Path, upstream: Upstream) -> None:
    project = copy_of_project(tmp_path / "checkout", without=("locks/",))
    upstream.add(ALPHA)
    (project / "requirements.in").write_text("alpha==1.0\n")
    (project / "packages.yaml").write_text(CONFIG)
    page = project / "web/changes.html"
    page.write_text(page.read_text().replace("<h1>What changed</h1>", '<h1><a href="gone/">What changed</a></h1>'))
    done = make(project, "lock", "index", f"UPSTREAM={upstream.url}", f"CADDY={sys.executable}")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:-1] == [
        "changes/index.html: links gone/, which is not there; nothing is published; "
        "this should not happen, report it with this line"
    ]
    assert not (project / "pypi/web").is_symlink()
    assert list((project / "pypi/packages").iterdir()) == []


def test_what_was_approved_since_is_missing(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    approve(ALPHA, BETA, GAMMA)
    assert verify.main([f"--root={published.root}"]) == 1
    release = f"{published.root}/releases/{published.live.name}"
    assert capsys.readouterr().err.splitlines() == [
        f"{release}/simple/alpha/index.json: lists {YANKED.filename}, whose sha256 stands in no lock: {YANKED.sha256}; "
        "run make index"
    ]


def test_what_a_failed_or_killed_run_left_is_no_problem(published: Published) -> None:
    incoming = published.root / "incoming"
    (incoming / ".scratch/half").mkdir(parents=True)
    for name in (ALPHA.filename, GAMMA.filename):
        for left in (name, f"{name}.json", f"{name}.provenance", f".{name}.new", f".{name}.json.new"):
            (incoming / left).write_text("whatever")
    assert verify.main([f"--root={published.root}"]) == 0


def test_what_no_run_leaves_in_incoming_is_named(
    published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    incoming = published.root / "incoming"
    (incoming / ALPHA.filename).symlink_to(tmp_path)
    (incoming / f"{BETA.filename}.json").mkdir()
    (incoming / ".scratch").write_text("")
    (incoming / f"{ALPHA.filename}.metadata").write_text("")
    (incoming / "a\nb").write_text("")
    assert verify.main([f"--root={published.root}"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{incoming}/.scratch: is a file, and not a folder; run make index",
        f"{incoming}/a\ufffdb: is a file that does not belong here; run make index",
        f"{incoming}/{ALPHA.filename}: is a link, and not a file; run make index",
        f"{incoming}/{ALPHA.filename}.metadata: is a file that does not belong here; run make index",
        f"{incoming}/{BETA.filename}.json: is a folder, and not a file; run make index",
    ]


def test_a_stale_lock_is_an_error(published: Published) -> None:
    Path("requirements.in").write_text("alpha==1.1\n")
    assert refusal(published) == (
        "locks/requirements/3.12-manylinux_2_28_x86_64.txt: stale, "
        "the requirements or packages.yaml changed since; run make lock"
    )


def test_a_folder_that_is_not_ours_is_refused(published: Published, tmp_path: Path) -> None:
    nowhere = Published(published.checkout, tmp_path / "nowhere")
    assert refusal(nowhere) == f"PYPI_ROOT: {nowhere.root} holds no release of ours; run make index"


def test_a_folder_without_a_release_is_refused(published: Published) -> None:
    (published.root / "web").unlink()
    assert refusal(published) == f"{published.root}/web: nothing is published there; run make index"


def test_nothing_is_written(published: Published) -> None:
    marker = published.root / ".pypi-index"
    before = (tree(published.root), marker.read_bytes(), marker.stat().st_mtime_ns)
    for path in (published.root, *published.root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert verify.main([f"--root={published.root}"]) == 0
        assert (tree(published.root), marker.read_bytes(), marker.stat().st_mtime_ns) == before
    finally:
        for path in (published.root, *published.root.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)


def test_a_run_that_publishes_is_waited_for(published: Published) -> None:
    command = (sys.executable, "-m", "scripts.verify", f"--root={published.root}")
    who = "process 7 on elsewhere, since 2026-01-02 03:04:05 UTC"
    (published.root / ".owner").write_text(f"{who}\nmachine -\ntoken {'a' * 32}\n")
    with (published.root / ".pypi-index").open("r+") as marker:
        fcntl.flock(marker, fcntl.LOCK_EX)
        process = subprocess.Popen(
            command,
            env=environment(PYTHONPATH=str(CODE)),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert process.stderr.readline() == f"{published.root}: waiting for {who}\n"
    _, rest = process.communicate()
    assert (process.returncode, rest) == (
        0,
        f"{published.root}: verified {published.live.name}: 3 projects, 4 files\n",
    )


def test_a_mount_without_locks_is_read_all_the_same(published: Published) -> None:
    done = subprocess.run(
        (*failing(NO_LOCKS), sys.executable, "-m", "scripts.verify", f"--root={published.root}"),
        env=environment(PYTHONPATH=str(CODE)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        0,
        f"{published.root}: verified {published.live.name}: 3 projects, 4 files\n",
    )


def test_what_nfs_and_killed_runs_leave_for_a_while_is_no_problem(published: Published) -> None:
    silly = ".nfs0000000000a1b2c300000004"
    old = published.root / "releases" / ".20260101T000000Z-0123456789ab.old"
    (old / "simple" / "alpha").mkdir(parents=True)
    for folder in (published.root, *(published.root / name for name in ("packages", "bin", "releases"))):
        (folder / silly).write_text("")
    (old / "simple" / "alpha" / silly).write_text("")
    (published.root / ".owner").write_text("")
    assert verify.main([f"--root={published.root}"]) == 0


def test_what_only_looks_like_it_is_named(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    silly = ".nfs0000000000a1b2c300000004"
    (published.root / "packages" / ".nfs123").write_text("")
    (published.root / "packages" / silly).symlink_to("x")
    (published.root / "bin" / silly).mkdir()
    (published.root / "releases" / ".20260101T000000Z-0123456789ab.old").mkdir()
    (published.root / ".owner").symlink_to("x")
    assert verify.main([f"--root={published.root}"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{published.root}/.owner: is a link, and not a file; run make index",
        f"{published.root}/bin/{silly}: is a folder that does not belong here; remove it",
        f"{published.root}/packages/{silly}: is a link that does not belong here; run make index",
        f"{published.root}/packages/.nfs123: is a file that does not belong here; run make index",
        f"{published.root}/releases/.20260101T000000Z-0123456789ab.old: was left by a run that died; run make index",
    ]


def test_a_folder_without_its_pool_is_refused(published: Published) -> None:
    (published.root / "packages").rename(published.root / "elsewhere")
    fact = "No such file or directory; mend that, then try again"
    assert refusal(published) == f"PYPI_ROOT: {published.root}/packages: {fact}"
