"""make bundle and make import: what leaves one index in one file, and what another believes of it."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel
from project import copy_of_project, environment, find_caddy, make, served
from publish_test import expected_pool, live, pool, publish
from signers import Signer, make_signer

from scripts import bundle, import_bundle, manifest, verify

ALPHA, ALPHA_2, BETA = wheel("alpha", "1.0"), wheel("alpha", "2.0"), wheel("beta", "1.0")
Members = dict[str, bytes]


class Sides(NamedTuple):
    """An index that signs, and the shared folder of one on the other side of an air gap."""

    near: Checkout
    far: Path
    signer: Signer
    folder: Path

    def publish(self, *files: Distribution) -> Path:
        """Publish and sign; return the release."""
        for one in files:
            self.near.upstream.add(one)
        approve(*files)
        self.near.index(f"--signing-key={self.signer.key}")
        return live(self.near)

    def bundle(self, name: str = "bundle", since: str = "") -> Path:
        """Run what `make bundle` runs."""
        path = self.folder / name
        bundle.main([f"--root={self.near.root}", f"--bundle={path}", f"--since={since}"])
        return path

    def take(self, path: Path, *options: str) -> int:
        """Run what `make import` runs."""
        allowed = f"--allowed-signers={self.signer.allowed}"
        return import_bundle.main([f"--root={self.far}", f"--bundle={path}", allowed, *options])

    @property
    def live(self) -> str:
        """What is live on the other side."""
        web = self.far / "web"
        return web.readlink().name if web.is_symlink() else ""

    def refusal(self, path: Path, *options: str) -> str:
        """Return how an import ends that changes nothing."""
        before = tree(self.far)
        with pytest.raises(SystemExit) as caught:
            self.take(path, *options)
        assert tree(self.far) == before
        return str(caught.value).removeprefix(f"{path}: nothing is imported: ")


def tree(root: Path) -> dict[str, bytes]:
    """Return all that a shared folder holds, but for what says who works on it."""
    there = (path for path in root.rglob("*") if path.is_file() and path.name != ".pypi-index") if root.is_dir() else ()
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in there}


@pytest.fixture
def sides(checkout: Checkout, tmp_path: Path) -> Sides:
    return Sides(checkout, tmp_path / "far", make_signer(tmp_path / "keys"), tmp_path)


def members(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def pack(path: Path, content: Members, change: Callable[[tarfile.TarInfo], object] = lambda _: None) -> Path:
    """Write a bundle of other content, as somebody on the way could."""
    with tarfile.open(path, "w") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            change(member)
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return path


# What is brought over


def test_a_bundle_brings_the_whole_release(sides: Sides, capsys: pytest.CaptureFixture[str]) -> None:
    release = sides.publish(ALPHA, BETA)
    capsys.readouterr()
    path = sides.bundle()
    size, count = path.stat().st_size / 1e6, len(members(path))
    assert capsys.readouterr().err == f"{path}: {release.name}, {count} files, {size:.1f} MB\n"
    assert sides.take(path) == 0
    assert capsys.readouterr().err == (
        f"{sides.far}: imported {release.name}, generation 1, signed by index@example.com: "
        "2 projects, 2 files (2 added, 0 retired)\n"
    )
    for part in ("releases", "packages", "bin"):
        assert tree(sides.far / part) == tree(sides.near.root / part)
    assert verify.main([f"--root={sides.far}", f"--allowed-signers={sides.signer.allowed}"]) == 0


def test_what_was_brought_over_is_served_by_what_came_with_it(sides: Sides, tmp_path: Path) -> None:
    sides.near.upstream.add(ALPHA)
    approve(ALPHA)
    sides.near.index(f"--signing-key={sides.signer.key}", f"--caddy={find_caddy()}")
    sides.take(sides.bundle())
    shutil.rmtree(sides.near.root)
    with served(sides.far) as url:
        settings = environment(PIP_CONFIG_FILE="/dev/null")
        command = (sys.executable, "-m", "pip", "--isolated", "download", "--no-cache-dir", f"--index-url={url}")
        subprocess.run((*command, f"--dest={tmp_path / 'got'}", "alpha"), env=settings, check=True, capture_output=True)
    assert (tmp_path / "got" / ALPHA.filename).read_bytes() == ALPHA.data


def test_a_bundle_since_a_release_has_only_what_is_new(sides: Sides) -> None:
    first = sides.publish(ALPHA, BETA)
    sides.take(sides.bundle("one"))
    second = sides.publish(ALPHA, ALPHA_2)
    path = sides.bundle("two", since=first.name)
    brought = members(path)
    assert {name for name in brought if name.startswith(("packages/", "bin/"))} == {
        f"packages/{name}" for name in expected_pool(ALPHA_2)
    }
    assert "project/beta/index.html" not in brought
    assert "style.css" not in brought
    assert sides.take(path) == 0
    assert sides.live == second.name
    assert tree(sides.far / "packages") == expected_pool(ALPHA, ALPHA_2) == pool(sides.near)
    assert tree(sides.far / "retired") == expected_pool(BETA)


def test_equal_releases_make_equal_bundles(sides: Sides, tmp_path: Path) -> None:
    sides.publish(ALPHA, BETA)
    one = sides.bundle("one").read_bytes()
    shutil.copytree(sides.near.root, tmp_path / "copy", symlinks=True)
    for path in (tmp_path / "copy").rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.touch()
            path.chmod(0o600)
    shutil.rmtree(sides.near.root)
    sides.near.root = tmp_path / "copy"
    assert sides.bundle("two").read_bytes() == one
    sides.take(tmp_path / "one")
    sides.near.root = sides.far
    assert sides.bundle("three").read_bytes() == one


def test_what_is_live_already_changes_nothing(sides: Sides, capsys: pytest.CaptureFixture[str]) -> None:
    release = sides.publish(ALPHA)
    path = sides.bundle()
    sides.take(path)
    before = tree(sides.far)
    capsys.readouterr()
    assert sides.take(path) == 0
    assert capsys.readouterr().err == f"{sides.far}: nothing changed, still {release.name}\n"
    assert tree(sides.far) == before


def test_files_that_no_manifest_lists_leave_the_other_side_too(sides: Sides) -> None:
    sides.publish(ALPHA)
    sides.take(sides.bundle("one"))
    BETA.save(sides.far / "packages")
    sides.publish(ALPHA, ALPHA_2)
    sides.take(sides.bundle("two"))
    assert tree(sides.far / "packages") == expected_pool(ALPHA, ALPHA_2)


# What is not believed


def test_an_older_bundle_needs_force(sides: Sides) -> None:
    first = sides.publish(ALPHA)
    old = sides.bundle("old")
    second = sides.publish(ALPHA_2)
    sides.take(sides.bundle("new"))
    assert sides.refusal(old) == (
        f"{first.name} is of generation 1, and 2 was published here; FORCE=1 takes an older one"
    )
    sides.take(old, "--force=1")
    assert (sides.live, tree(sides.far / "packages")) == (first.name, expected_pool(ALPHA))
    assert second.name in {path.name for path in (sides.far / "releases").iterdir()}
    sides.take(sides.bundle("new"), "--force=1")
    assert (sides.live, tree(sides.far / "packages")) == (second.name, expected_pool(ALPHA_2))


def test_an_index_that_was_made_anew_is_of_an_older_generation(sides: Sides) -> None:
    for files in ((ALPHA,), (ALPHA, BETA)):
        sides.publish(*files)
    sides.take(sides.bundle("one"))
    shutil.rmtree(sides.near.root)
    other = sides.publish(ALPHA_2)
    assert sides.refusal(sides.bundle("two")) == (
        f"{other.name} is of generation 1, and 2 was published here; FORCE=1 takes an older one"
    )


def test_somebody_else_s_signature_is_refused(sides: Sides, tmp_path: Path) -> None:
    mallory = make_signer(tmp_path / "keys", "mallory@example.com")
    theirs = sides._replace(signer=mallory)
    theirs.publish(ALPHA)
    assert sides.refusal(theirs.bundle()) == (
        f"is signed by nobody that {sides.signer.allowed} allows (No principal matched)"
    )


def test_a_key_that_is_not_valid_any_more_is_refused(sides: Sides) -> None:
    sides.publish(ALPHA)
    path = sides.bundle()
    who, _, key = sides.signer.allowed.read_text().partition(" ")
    sides.signer.allowed.write_text(f'{who} valid-before="20200101" {key.strip()}\n')
    assert sides.refusal(path) == f"is signed by nobody that {sides.signer.allowed} allows (No principal matched)"
    sides.signer.allowed.write_text(f'{who} namespaces="git" {key.strip()}\n')
    assert sides.refusal(path).startswith("is not what index@example.com signed (")


AGAIN = "bring the bundle over again"


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("what", ["page", "wheel", "sidecar", "program", "manifest", "signature"])
def test_a_flipped_byte_is_refused(sides: Sides, what: str) -> None:
    sides.publish(ALPHA)
    content = members(sides.bundle())
    wheel_path = f"packages/{ALPHA.filename}"
    path = {
        "page": "simple/alpha/index.html",
        "wheel": wheel_path,
        "sidecar": f"{wheel_path}.metadata",
        "program": "bin/Caddyfile",
        "manifest": manifest.FILE,
        "signature": manifest.SIGNATURE,
    }[what]
    content[path] = flip(content[path]) if what != "signature" else content[path].replace(b"U1NIU0lH", b"U1NIU0lX")
    said = sides.refusal(pack(sides.folder / "changed", content))
    if what == "manifest":
        assert said == "is not what index@example.com signed (Signature verification failed: incorrect signature)"
    elif what == "signature":
        assert said.startswith(f"is signed by nobody that {sides.signer.allowed} allows (")
    else:
        assert said == f"{path} is not what the manifest lists; {AGAIN}"


def without(name: str) -> Callable[[Members], Members]:
    return lambda content: {path: data for path, data in content.items() if path != name}


def also(name: str, data: bytes = b"x") -> Callable[[Members], Members]:
    return lambda content: {**content, name: data}


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (without(manifest.FILE), f"does not have manifest.jsonl in its place; {AGAIN}"),
        (without(manifest.SIGNATURE), f"does not have manifest.jsonl.sig in its place; {AGAIN}"),
        (also("simple/evil/index.html"), f"simple/evil/index.html is not in the manifest, or comes twice; {AGAIN}"),
        (also("../../x"), f"../../x is not in the manifest, or comes twice; {AGAIN}"),
        (also("/tmp/x"), f"/tmp/x is not in the manifest, or comes twice; {AGAIN}"),  # noqa: S108
        (also("index.html", b"longer than it is"), f"index.html is not what the manifest lists; {AGAIN}"),
        (
            without("style.css"),
            "lacks style.css, which is not held here; have it made without SINCE, or SINCE what is live here",
        ),
        (
            lambda content: {name: data for name, data in content.items() if not name.startswith(("p", "s"))},
            "lacks packages.json, packages.json.etag, packages/alpha-1.0-py3-none-any.whl, "
            "packages/alpha-1.0-py3-none-any.whl.metadata, project/alpha/index.html and 15 more, "
            "which is not held here; have it made without SINCE, or SINCE what is live here",
        ),
        (lambda _: {}, f"does not have manifest.jsonl in its place; {AGAIN}"),
    ],
)
def test_what_is_missing_or_does_not_belong_is_named(
    sides: Sides, change: Callable[[Members], Members], fact: str
) -> None:
    sides.publish(ALPHA)
    assert sides.refusal(pack(sides.folder / "changed", change(members(sides.bundle())))) == fact


def test_only_plain_files_are_taken(sides: Sides) -> None:
    sides.publish(ALPHA)
    content = members(sides.bundle())

    def as_link(member: tarfile.TarInfo) -> None:
        if member.name == "index.html":
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"

    path = pack(sides.folder / "changed", {**content, "index.html": b""}, as_link)
    assert sides.refusal(path) == f"index.html is not what the manifest lists; {AGAIN}"
    size = len(content["index.html"])

    def as_link_of_the_right_size(member: tarfile.TarInfo) -> None:
        as_link(member)
        if member.name == "index.html":
            member.size = size

    path = pack(sides.folder / "changed", {**content, "index.html": b""}, as_link_of_the_right_size)
    assert sides.refusal(path).startswith("index.html is no")


def test_a_page_twice_is_refused(sides: Sides) -> None:
    sides.publish(ALPHA)
    path = sides.bundle()
    data = members(path)["style.css"]
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("style.css")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    assert sides.refusal(path) == f"style.css is not in the manifest, or comes twice; {AGAIN}"


@pytest.mark.parametrize("data", [b"", b"no bundle at all", b"\0" * 2048, b"\x1f\x8b\x08"])
def test_what_is_no_bundle_is_refused(sides: Sides, data: bytes) -> None:
    path = sides.folder / "bundle"
    path.write_bytes(data)
    with pytest.raises(SystemExit) as caught:
        sides.take(path)
    assert str(caught.value).startswith(f"{path}: nothing is imported: ")
    assert sides.live == ""


def test_a_bundle_that_breaks_off_is_refused(sides: Sides) -> None:
    sides.publish(ALPHA)
    path = sides.bundle()
    for size in (path.stat().st_size // 2, 600, 3000):
        with path.open("r+b") as file:
            file.truncate(size)
        assert sides.refusal(path)


def test_a_header_that_speaks_of_more_than_there_is_takes_no_memory(sides: Sides) -> None:
    path = sides.folder / "bundle"
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 8 * 2**30
    with path.open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.truncate(8 * 2**30 + 1024)  # a hole
    assert sides.refusal(path) == f"a header speaks of {8 * 2**30} bytes; {AGAIN}"


def test_a_release_that_is_there_and_was_changed_is_not_taken_for_the_one_in_the_bundle(sides: Sides) -> None:
    first = sides.publish(ALPHA)
    one = sides.bundle("one")
    sides.take(one)
    sides.publish(BETA)
    sides.take(sides.bundle("two"))
    (sides.far / "releases" / first.name / "style.css").unlink()
    place = sides.far / "releases" / first.name
    assert sides.refusal(one, "--force=1") == f"{place}/style.css is there already, and is missing; remove {place}"


def test_a_bundle_is_of_a_signed_release_that_is_whole(sides: Sides) -> None:
    release = publish(sides.near, ALPHA)
    with pytest.raises(SystemExit) as caught:
        sides.bundle()
    assert str(caught.value) == f"{release}: is not signed, and nobody would import it; run make index with SIGNING_KEY"
    assert sides.publish(ALPHA) == release  # signed afterwards
    sides.bundle()
    with pytest.raises(SystemExit) as caught:
        sides.bundle(since="20200101T000000Z-000000000000")
    assert str(caught.value) == (
        f"SINCE: 20200101T000000Z-000000000000 is no release that is kept; there is {release.name}, or leave SINCE out"
    )
    (release / "style.css").unlink()
    with pytest.raises(SystemExit) as caught:
        sides.bundle("broken")
    assert str(caught.value) == f"{release}/style.css: is missing\n{release.name}: is not whole; run make index"
    assert not (sides.folder / "broken").exists()


def test_the_files_that_import_needs_are_asked_for(sides: Sides) -> None:
    with pytest.raises(SystemExit) as caught:
        sides.take(Path())
    assert str(caught.value) == "BUNDLE: . is no file; name the one that make bundle wrote"
    sides.publish(ALPHA)
    path = sides.bundle()
    sides.signer.allowed.unlink()
    with pytest.raises(SystemExit) as caught:
        sides.take(path)
    assert str(caught.value) == (
        f"ALLOWED_SIGNERS: {sides.signer.allowed} is no file; say in it who signs, see ssh-keygen(1)"
    )
    with pytest.raises(SystemExit, match=r"^FORCE: 'yes' is neither 1 nor nothing; write FORCE=1, or leave FORCE out$"):
        sides.take(path, "--force=yes")


# Signing


def test_a_key_that_cannot_sign_publishes_nothing(sides: Sides, tmp_path: Path) -> None:
    locked = make_signer(tmp_path / "keys", "locked@example.com", passphrase="secret").key  # noqa: S106
    for key in (locked, tmp_path / "nothing"):
        with pytest.raises(SystemExit) as caught:
            sides._replace(signer=Signer(key, key)).publish(ALPHA)
        assert str(caught.value).startswith(f"SIGNING_KEY: {key}: ")
        assert str(caught.value).endswith("; name a key of ssh-keygen without a passphrase")
        assert not (sides.near.root / "web").is_symlink()


def test_a_release_that_is_not_signed_as_the_one_before_is_said(
    sides: Sides, capsys: pytest.CaptureFixture[str]
) -> None:
    sides.publish(ALPHA)
    capsys.readouterr()
    publish(sides.near, BETA)
    said = "manifest.jsonl: is not signed, as the release before it was; set SIGNING_KEY"
    assert said in capsys.readouterr().err.splitlines()


def test_another_key_signs_the_live_release_anew(sides: Sides, tmp_path: Path) -> None:
    release = sides.publish(ALPHA)
    before = (release / manifest.SIGNATURE).read_bytes()
    sides.publish(ALPHA)
    assert (release / manifest.SIGNATURE).read_bytes() == before
    other = sides._replace(signer=make_signer(tmp_path / "keys", "other@example.com"))
    assert other.publish(ALPHA) == release
    assert other.take(other.bundle()) == 0


def test_make_verify_asks_who_signed(sides: Sides, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = sides.publish(ALPHA)
    mallory = make_signer(tmp_path / "keys", "mallory@example.com")
    assert verify.main([f"--root={sides.near.root}", f"--allowed-signers={sides.signer.allowed}"]) == 0
    capsys.readouterr()
    assert verify.main([f"--root={sides.near.root}", f"--allowed-signers={mallory.allowed}"]) == 1
    assert capsys.readouterr().err == (
        f"{release}/manifest.jsonl: is signed by nobody that {mallory.allowed} allows (No principal matched); "
        "run make index\n"
    )


def test_the_other_side_needs_nothing_but_python(sides: Sides, tmp_path: Path) -> None:
    """No registry, no `.venv`, no module that Python does not bring along."""
    release = sides.publish(ALPHA)
    project = copy_of_project(tmp_path / "project")
    python = f"PYTHON={Path(sys.base_prefix) / 'bin' / f'python3.{sys.version_info.minor}'} -S"
    bare = {"PATH": "/usr/bin:/bin", "PYTHONNOUSERSITE": "1"}
    options = (python, f"BUNDLE={tmp_path / 'bundle'}", f"ALLOWED_SIGNERS={sides.signer.allowed}")
    done = make(project, "bundle", f"PYPI_ROOT={sides.near.root}", *options, env=bare)
    assert done.returncode == 0, done.stderr
    done = make(project, "import", f"PYPI_ROOT={sides.far}", *options, env=bare)
    assert done.returncode == 0, done.stderr
    assert sides.live == release.name
    assert not (project / ".venv").exists()
