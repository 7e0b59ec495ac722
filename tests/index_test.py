"""scripts/index.py: what a whole run of the pipeline publishes, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from approved import approve, approve_only
from conftest import Checkout
from distributions import wheel
from upstream import Upstream

from scripts import CODE

ALPHA = wheel("alpha", "1.0")
BETA = wheel("beta", "2.0")


def refusal(checkout: Checkout, *options: str) -> str:
    """Return the sentence with which a run ends."""
    with pytest.raises(SystemExit) as caught:
        checkout.index(*options)
    return str(caught.value)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, without the notes of who worked on it last, and of what there was to do."""
    files = (
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {".pypi-index"} and not path.name.startswith(".last-run")
    )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(("git", *identity, *arguments), check=True, capture_output=True, text=True)
    return done.stdout


def test_what_is_locked_is_published(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    checkout.write("alpha==1.0\n")
    assert checkout.lock() == 0
    assert checkout.index() == 0
    assert (checkout.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


def test_a_run_says_what_it_published(
    checkout: Checkout, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in (ALPHA, BETA):
        upstream.add(one)
    approve(ALPHA, BETA)
    checkout.index()
    first = (checkout.root / "web").readlink().name
    assert capsys.readouterr().err == f"{checkout.root}: published {first}: 2 projects, 2 files (2 added, 0 retired)\n"
    approve(ALPHA)
    checkout.index()
    second = (checkout.root / "web").readlink().name
    assert capsys.readouterr().err == f"{checkout.root}: published {second}: 1 projects, 1 files (0 added, 1 retired)\n"


def test_a_stale_lock_stops_the_run_with_the_list_of_lock_check(checkout: Checkout, upstream: Upstream) -> None:
    checkout.write(
        "alpha==1.0\n", packages_yaml='python_versions: ["3.12", "3.13"]\nplatforms: [manylinux_2_28_x86_64]\n'
    )
    approve_only(ALPHA, only="3.12-manylinux_2_28_x86_64")
    checkout.write("alpha==1.1\n")
    assert refusal(checkout) == (
        "locks/requirements/3.12-manylinux_2_28_x86_64.txt: stale, "
        "the requirements or packages.yaml changed since; run make lock\n"
        "locks/requirements/3.13-manylinux_2_28_x86_64.txt: missing; run make lock"
    )
    assert not checkout.root.exists()
    assert upstream.requests == []


def test_a_lock_that_was_edited_by_hand_stops_the_run(checkout: Checkout, upstream: Upstream) -> None:
    approve(ALPHA)
    path = Path("locks/requirements/3.12-manylinux_2_28_x86_64.txt")
    path.write_text(path.read_text().replace(ALPHA.sha256, BETA.sha256))
    assert refusal(checkout) == f"{path}: edited by hand, its digest does not match; run make lock"
    assert upstream.requests == []


def test_no_tracked_file_is_written(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=locks")
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if ".git" not in path.parts}
    checkout.index()
    assert git("status", "--porcelain", "--ignored") == ""
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*") if ".git" not in path.parts} == before


def test_with_nothing_new_there_is_no_request(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    upstream.requests.clear()
    checkout.index()
    assert upstream.requests == []


def test_a_new_checkout_needs_no_request_for_what_the_shared_folder_holds(
    checkout: Checkout, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    published = tree(checkout.root)
    upstream.stop()
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    (tmp_path / "clone" / "packages.yaml").write_text((checkout.path / "packages.yaml").read_text())
    approve(ALPHA)
    checkout.index()
    assert tree(checkout.root) == published


def test_only_what_is_new_is_asked_for(checkout: Checkout, upstream: Upstream) -> None:
    for one in (ALPHA, BETA):
        upstream.add(one)
    approve(ALPHA)
    checkout.index()
    upstream.requests.clear()
    approve(ALPHA, BETA)
    checkout.index()
    assert [request.path for request in upstream.requests] == [
        "/simple/beta/",
        f"/files/{BETA.sha256[:2]}/{BETA.filename}",
    ]


def test_the_index_is_the_union_of_all_sets_and_targets(checkout: Checkout, upstream: Upstream) -> None:
    linux = upstream.add(wheel("gamma", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64"))
    windows = upstream.add(wheel("gamma", "1.0", tag="cp312-cp312-win_amd64"))
    old, new = upstream.add(ALPHA), upstream.add(wheel("alpha", "2.0"))
    checkout.write(
        "alpha==1.0\ngamma==1.0\n",
        dev_in="alpha==2.0\n",
        packages_yaml=(
            'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64, win_amd64]\n'
            "requirements: [requirements.in, dev.in]\n"
        ),
    )
    assert checkout.lock() == 0
    checkout.index()
    files = {path.name for path in (checkout.root / "web" / "packages").glob("*.whl")}
    assert files == {linux.filename, windows.filename, old.filename, new.filename}


def test_a_marker_that_is_false_here_skips_nothing(checkout: Checkout, upstream: Upstream) -> None:
    other = "win32" if sys.platform == "linux" else "linux"
    platform = "win_amd64" if other == "win32" else "manylinux_2_28_x86_64"
    upstream.add(ALPHA)
    checkout.write(
        f"alpha==1.0 ; sys_platform == '{other}'\n",
        packages_yaml=f'python_versions: ["3.12"]\nplatforms: [{platform}]\n',
    )
    assert checkout.lock() == 0
    path = Path(f"locks/requirements/3.12-{platform}.txt")
    assert "\nalpha==1.0" in path.read_text()
    checkout.index()
    assert (checkout.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


def test_locks_without_any_pin_publish_an_empty_index(checkout: Checkout) -> None:
    checkout.write("alpha==1.0 ; sys_platform == 'win32'\n")
    approve_only()
    checkout.index()
    assert (checkout.root / "web" / "files.jsonl").read_text() == ""
    assert [path.name for path in (checkout.root / "web" / "simple").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("setting", [("KEEP", "--keep"), ("FETCH_TIMEOUT", "--fetch-timeout")])
@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", ""])
def test_a_number_that_is_none_is_refused(checkout: Checkout, setting: tuple[str, str], text: str) -> None:
    name, option = setting
    assert refusal(checkout, f"{option}={text}") == (
        f"{name}: {text!r} is not a whole number above 0; write one, or leave {name} out"
    )


def test_the_log_of_a_real_run_is_one_line_and_nothing_stands_on_stdout(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    command = (
        *(sys.executable, "-m", "scripts.index", f"--root={checkout.root}", f"--upstream={upstream.url}"),
        f"--caddy={sys.executable}",
    )
    environment = os.environ | {"PYTHONPATH": str(CODE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    release = (checkout.root / "web").readlink().name
    line = f"{checkout.root}: published {release}: 1 projects, 1 files (1 added, 0 retired)\n"
    assert (done.stdout, done.stderr) == ("", line)


def test_nothing_is_left_in_the_system_s_temporary_folder(
    checkout: Checkout, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    assert list((tmp_path / "tmp").iterdir()) == []
