"""scripts/root.py and stage.py: whose folder it is, and what happens when it cannot be written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel
from index_test import refusal, tree
from strace import failing
from upstream import Upstream

from scripts import CODE
from scripts.files import remove
from scripts.root import opened

ALPHA = wheel("alpha", "1.0")
Mount = Callable[[str], Path]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mount]:
    """Mount a small file system in memory, with options such as size=1m."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        command = ("mount", "--types=tmpfs", f"--options={options}", "tmpfs", str(place))
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        return place

    yield mount
    if os.path.ismount(place):
        subprocess.run(("umount", "--lazy", str(place)), check=True)


@pytest.fixture
def approved(checkout: Checkout, upstream: Upstream) -> Checkout:
    upstream.add(ALPHA)
    approve(ALPHA)
    return checkout


def without_note(folder: Path) -> dict[str, bytes]:
    return {path: data for path, data in tree(folder).items() if not path.startswith("incoming/")}


# Whose folder it is


def test_a_folder_with_other_things_in_it_is_refused_and_untouched(approved: Checkout) -> None:
    for name in ("d", "c", "b", "a"):
        (approved.root / name).mkdir(parents=True)
    (approved.root / "a" / "thesis.tex").write_text("precious")
    before = sorted(approved.root.rglob("*"))
    assert refusal(approved) == (
        f"PYPI_ROOT: {approved.root} holds other things (a, b, c) and no release of ours; name a new or empty folder"
    )
    assert sorted(approved.root.rglob("*")) == before


def test_a_copy_without_the_files_whose_names_begin_with_a_dot_is_told(approved: Checkout) -> None:
    for name in ("packages", "releases", "web"):
        (approved.root / name).mkdir(parents=True)
    assert refusal(approved) == (
        f"PYPI_ROOT: {approved.root} has a release's folders, but no .pypi-index; "
        "bring over that one too, or name a new or empty folder"
    )


@pytest.mark.parametrize("kind", ["file", "folder of others", "checkout"])
def test_what_is_no_folder_of_ours_is_refused(approved: Checkout, kind: str) -> None:
    approved.root.mkdir()
    match kind:
        case "file":
            approved.root.rmdir()
            approved.root.write_text("precious")
            assert refusal(approved) == f"PYPI_ROOT: {approved.root} is not a folder; name a new or empty one"
            assert approved.root.read_text() == "precious"
        case "folder of others":
            # Named as ours are, but it is a folder.
            (approved.root / ".pypi-index").mkdir()
            assert refusal(approved) == (
                f"PYPI_ROOT: {approved.root} holds other things (.pypi-index) and no release of ours; "
                "name a new or empty folder"
            )
        case _:
            assert refusal(approved, "--root=") == (
                "PYPI_ROOT: . holds other things (locks, packages.yaml, requirements.in) and no release of ours; "
                "name a new or empty folder"
            )


@pytest.mark.parametrize("name", ["lost+found", ".snapshot"])
def test_a_fresh_volume_is_taken(approved: Checkout, name: str) -> None:
    (approved.root / name).mkdir(parents=True)
    assert approved.index() == 0
    assert (approved.root / name).is_dir()


def test_a_new_folder_is_made_with_its_parents(approved: Checkout) -> None:
    approved.root = approved.root / "some" / "where else"
    assert approved.index() == 0
    assert (approved.root / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


def test_a_folder_that_a_killed_first_run_claimed_is_taken(approved: Checkout) -> None:
    approved.root.mkdir()
    (approved.root / ".pypi-index").touch()
    assert approved.index() == 0


def test_the_folder_may_be_reached_by_a_link(approved: Checkout, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    approved.root.symlink_to(tmp_path / "volume")
    assert approved.index() == 0
    assert (tmp_path / "volume" / "web" / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


@pytest.mark.parametrize("part", ["packages", "retired", "incoming", "releases", "bin"])
def test_a_part_that_leads_elsewhere_is_refused_and_what_is_there_untouched(
    approved: Checkout, tmp_path: Path, part: str
) -> None:
    approved.index()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("precious")
    os.utime(tmp_path / "home" / "thesis.tex", (0, 0))
    shutil.rmtree(approved.root / part)
    (approved.root / part).symlink_to(tmp_path / "home")
    assert refusal(approved) == (
        f"PYPI_ROOT: {approved.root / part} is a link, and what it leads to may not be ours; put a folder there"
    )
    assert tree(tmp_path / "home") == {"thesis.tex": b"precious"}


def test_the_marker_is_not_written_through_a_link(approved: Checkout, tmp_path: Path) -> None:
    approved.index()
    (tmp_path / "thesis.tex").write_text("precious")
    (approved.root / ".pypi-index").unlink()
    (approved.root / ".pypi-index").symlink_to(tmp_path / "thesis.tex")
    refusal(approved)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


# What cannot be written


def test_a_place_that_cannot_be_written_is_named(approved: Checkout) -> None:
    approved.root = Path("/proc/no/such/place")
    assert refusal(approved) == ("PYPI_ROOT: /proc/no: No such file or directory; name a folder that can be written")


def test_a_read_only_volume_is_named(approved: Checkout, mounted: Mount) -> None:
    approved.root = mounted("ro,size=1m")
    assert refusal(approved) == (
        f"PYPI_ROOT: {approved.root}/.pypi-index: Read-only file system; name a folder that can be written"
    )


def test_a_volume_that_became_read_only_is_named_and_still_serves(approved: Checkout, mounted: Mount) -> None:
    approved.root = mounted("size=4m")
    approved.index()
    before = tree(approved.root)
    command = ("mount", "--options=remount,ro", str(approved.root))
    subprocess.run(command, check=True)
    assert refusal(approved) == (
        f"PYPI_ROOT: {approved.root}/.pypi-index: Read-only file system; name a folder that can be written"
    )
    assert tree(approved.root) == before


def fill(disk: Path, leave: int = 0) -> None:
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - leave))


@pytest.mark.parametrize("leave", range(0, 20 * 4096, 2 * 4096))
def test_on_a_full_disk_what_is_published_stays_and_the_path_is_named(
    approved: Checkout, upstream: Upstream, mounted: Mount, leave: int
) -> None:
    approved.root = mounted("size=1m") / "shared"
    approved.index()
    before, shown = without_note(approved.root), str((approved.root / "web").readlink())
    others = [upstream.add(wheel(name, "1.0")) for name in ("beta", "gamma", "delta")]
    approve(ALPHA, *others)
    fill(approved.root.parent, leave)
    try:
        approved.index()
    except SystemExit as ended:
        text = str(ended)
        assert re.fullmatch(
            rf"{approved.root}[^:\n]*: No space left on device; mend that, then run make index again"
            rf"|PYPI_ROOT: {approved.root}[^:\n]*: No space left on device; name a folder that can be written",
            text,
        )
        after = without_note(approved.root)
        assert {path: after.get(path) for path in before} == before
        assert str((approved.root / "web").readlink()) == shown
    (approved.root.parent / "ballast").unlink()
    approved.index()
    assert {path.name for path in (approved.root / "packages").glob("*.whl")} == {
        one.filename for one in (ALPHA, *others)
    }
    assert [path.name for part in ("incoming", "releases", "bin") for path in (approved.root / part).glob(".*")] == []


@pytest.mark.parametrize(
    "big",
    [
        wheel("beta", "1.0", files={"beta.py": bytes(3_000_000)}),
        Distribution("beta-1.0.tar.gz", bytes(3_000_000), b"Name: beta\n"),
    ],
    ids=["wheel", "sdist"],
)
def test_a_download_that_fills_the_disk_is_one_sentence(
    approved: Checkout, upstream: Upstream, mounted: Mount, big: Distribution
) -> None:
    approved.root = mounted("size=2m") / "shared"
    approved.index()
    before = without_note(approved.root)
    upstream.add(big)
    approved.write(
        packages_yaml='python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nallow_sdists: [beta]\n'
    )
    approve(ALPHA, big)
    assert re.fullmatch(
        rf"{approved.root}[^:\n]*: No space left on device; mend that, then run make index again", refusal(approved)
    )
    assert without_note(approved.root) == before
    assert list((approved.root / "incoming").iterdir()) == []


def test_on_a_full_disk_one_may_still_own_the_folder(mounted: Mount) -> None:
    disk = mounted("size=1m")
    with opened(disk / "shared"):
        pass
    fill(disk)
    with opened(disk / "shared") as root:
        root.refuse_if_taken()
        assert (root.path / ".owner").read_bytes() == b""
    assert not (root.path / ".owner").exists()


# What cannot be removed yet


def removal(path: Path, before: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    program = "import sys; from pathlib import Path; from scripts.root import remove; remove(Path(sys.argv[1]))"
    command = (*before, sys.executable, "-c", program, str(path))
    environment = os.environ | {"PYTHONPATH": str(CODE)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_folder_that_fills_while_it_is_removed_is_left_to_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "old" / "simple").mkdir(parents=True)
    (tmp_path / "old" / "simple" / "page").write_text("")
    assert removal(tmp_path / "old", failing("rmdir:error=ENOTEMPTY")).returncode == 0
    assert list((tmp_path / "old").iterdir()) == []
    remove(tmp_path / "old")
    assert not (tmp_path / "old").exists()


def test_a_file_that_nfs_keeps_is_left_with_its_folders(tmp_path: Path) -> None:
    kept = tmp_path / "old" / "simple" / ".nfs0000000000a1b2c300000004"
    kept.parent.mkdir(parents=True)
    kept.write_text("")
    assert removal(tmp_path / "old", failing("unlinkat:error=EBUSY:when=1")).returncode == 0
    assert kept.is_file()
    remove(kept)
    assert kept.is_file()


def test_what_cannot_be_removed_for_another_reason_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "page").write_text("")
    done = removal(tmp_path / "old", failing("unlinkat:error=EACCES"))
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        f"PermissionError: [Errno 13] Permission denied: {str(tmp_path / 'old' / 'page')!r}",
    )
    assert (tmp_path / "old" / "page").is_file()


# What is staged for the server


def test_the_server_s_files_are_staged(approved: Checkout) -> None:
    program = Path(sys.executable).resolve()
    approved.index(f"--caddy={program}")
    staged = approved.root / "bin"
    assert tree(staged) == {
        "Caddyfile": (CODE / "caddy" / "Caddyfile").read_bytes(),
        "caddy": (CODE / "caddy" / "caddy").read_bytes(),
        "caddy-server": program.read_bytes(),
    }
    assert [os.access(staged / name, os.X_OK) for name in ("Caddyfile", "caddy", "caddy-server")] == [False, True, True]


def test_what_is_staged_is_not_written_again(approved: Checkout) -> None:
    approved.index()
    staged = approved.root / "bin"
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in staged.iterdir()}
    approved.index()
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in staged.iterdir()} == before


@pytest.mark.parametrize("damage", ["bytes", "mode", "link", "gone"])
def test_a_staged_file_that_somebody_changed_is_staged_again(approved: Checkout, tmp_path: Path, damage: str) -> None:
    approved.index()
    place = approved.root / "bin" / "caddy-server"
    good = place.read_bytes()
    match damage:
        case "bytes":
            place.write_bytes(b"evil")
        case "mode":
            place.chmod(0o644)
        case "link":
            place.rename(tmp_path / "theirs")
            place.symlink_to(tmp_path / "theirs")
        case _:
            place.unlink()
    approved.index()
    assert not place.is_symlink()
    assert place.read_bytes() == good
    assert os.access(place, os.X_OK)


def test_a_caddy_that_is_not_there_is_named(approved: Checkout) -> None:
    assert refusal(approved, "--caddy=/no/such/caddy") == (
        "CADDY: /no/such/caddy is no program; name Caddy's binary, or leave CADDY out"
    )
    assert not (approved.root / "web").is_symlink()
