"""make bundle and make import: what leaves one index in one file, and what another believes of it."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel
from project import copy_of_project, environment, find_caddy, make, served
from publish_test import expected_pool, live, pool, publish
from signers import Signer, make_signer

from scripts import bundle, container, import_bundle, manifest, verify
from scripts import pool as pool_module
from scripts import release as release_module

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
    """Return what a bundle holds, as any tar tells it."""
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def pack(path: Path, content: Members) -> Path:
    """Write a bundle of other content, as somebody on the way could."""
    with path.open("wb") as tar:
        for name, data in content.items():
            container.write(tar, name, io.BytesIO(data), len(data), 0)
        container.end(tar)
    return path


def blob(sides: Sides, path: str) -> str:
    """Return the name in the bundle of a file of the near side's release."""
    return manifest.read(live(sides.near)).named()[path].sha256


# What is brought over


def test_a_bundle_brings_the_whole_release(sides: Sides, capsys: pytest.CaptureFixture[str]) -> None:
    release = sides.publish(ALPHA, BETA)
    capsys.readouterr()
    path = sides.bundle()
    assert capsys.readouterr().err == f"{path}: {release.name}, {path.stat().st_size / 1e6:.1f} MB\n"
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
    brought, named = members(path).keys(), manifest.read(second).named()
    assert {one for one, fact in named.items() if fact.sha256 in brought and one.startswith(("packages/", "bin/"))} == {
        f"packages/{name}" for name in expected_pool(ALPHA_2)
    }
    assert blob(sides, "style.css") not in brought
    old = manifest.read(first).named()
    assert {fact.sha256 for fact in old.values()} & brought == set()
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
    assert capsys.readouterr().err == (
        f"{sides.far}: nothing changed, still {release.name}, generation 1, signed by index@example.com: "
        "1 projects, 1 files (0 added, 0 retired)\n"
    )
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
    new = sides.bundle("new")
    fact = f"{second.name} is of generation 2, and 2 was published here"
    assert sides.refusal(new) == f"{fact}; make rollback TO={second.name} goes back to it"
    sides.take(new, "--force=1")
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
    said = sides.refusal(path)
    assert said.startswith(f"is signed by nobody that {sides.signer.allowed} allows (")
    assert "key has expired" in said
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
    name = path if path.startswith("manifest") else blob(sides, path)
    content[name] = flip(content[name]) if what != "signature" else content[name].replace(b"U1NIU0lH", b"U1NIU0lX")
    said = sides.refusal(pack(sides.folder / "changed", content))
    if what == "manifest":
        fact = "Signature verification failed: incorrect signature"
        assert said == f"is not what index@example.com signed ({fact})"
    elif what == "signature":
        assert said.startswith(f"is signed by nobody that {sides.signer.allowed} allows (")
    else:
        assert said == f"{path} is not what the manifest lists; {AGAIN}"


def without(name: str) -> Callable[[Members], Members]:
    return lambda content: {path: data for path, data in content.items() if path != name}


def also(name: str, data: bytes = b"x") -> Callable[[Members], Members]:
    return lambda content: {**content, name: data}


SHA = "0" * 64


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (without(manifest.FILE), f"does not have manifest.jsonl in its place; {AGAIN}"),
        (without(manifest.SIGNATURE), f"does not have manifest.jsonl.sig in its place; {AGAIN}"),
        (lambda _: {}, f"does not have manifest.jsonl in its place; {AGAIN}"),
        (also(SHA), f"{SHA} is not in the manifest; {AGAIN}"),
        (also("index.html"), f"index.html is not in the manifest; {AGAIN}"),
        (also(manifest.SIGNATURE, b"x" * 20_000), f"does not have manifest.jsonl.sig in its place; {AGAIN}"),
    ],
)
def test_what_is_missing_or_does_not_belong_is_named(
    sides: Sides, change: Callable[[Members], Members], fact: str
) -> None:
    sides.publish(ALPHA)
    assert sides.refusal(pack(sides.folder / "changed", change(members(sides.bundle())))) == fact


def test_what_no_side_has_is_named(sides: Sides) -> None:
    sides.publish(ALPHA)
    content = members(sides.bundle())
    changed = pack(sides.folder / "changed", without(blob(sides, "style.css"))(content))
    assert sides.refusal(changed) == "lacks style.css; have it made with no SINCE, since nothing is published here"
    heads = {name: data for name, data in content.items() if name.startswith("manifest")}
    said = sides.refusal(pack(sides.folder / "changed", heads))
    assert said.startswith("lacks bin/Caddyfile, bin/caddy, bin/caddy-server, changes.json, changes.json.etag and ")
    sides.take(sides.bundle())
    release = sides.publish(ALPHA, BETA)
    heads = {name: data for name, data in members(sides.bundle()).items() if name.startswith("manifest")}
    assert sides.refusal(pack(sides.folder / "changed", heads)).endswith(f"; have it made with SINCE={sides.live}")
    assert sides.live != release.name


NO_BUNDLE = "is no bundle that make bundle wrote, or only a part of one"


def test_a_file_twice_is_refused(sides: Sides) -> None:
    sides.publish(ALPHA)
    path, name = sides.bundle(), blob(sides, "style.css")
    data = members(path)[name]
    with path.open("r+b") as tar:
        tar.seek(-1024, io.SEEK_END)
        container.write(tar, name, io.BytesIO(data), len(data), 0)
        container.end(tar)
    assert sides.refusal(path).endswith(f" comes twice; {AGAIN}")


def header(**fields: Any) -> bytes:
    """Return a header of what tar files may hold, and ours do not."""
    member = tarfile.TarInfo("manifest.jsonl")
    for name, value in fields.items():
        setattr(member, name, value)
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"no bundle at all", b"\x1f\x8b\x08", header()[:511], header(name="x" * 300), header(size=2**40)),
        *(header(type=kind) for kind in (b"1", b"2", b"3", b"5", b"6", b"L", b"S", b"x", b"g", b"\0")),
        header(type=b"x") * 2000,
        tarfile.TarInfo("manifest.jsonl").tobuf(tarfile.USTAR_FORMAT).replace(b"0000644", b"0000645"),
        tarfile.TarInfo("../x").tobuf(tarfile.USTAR_FORMAT),
    ],
)
def test_what_is_no_bundle_is_refused(sides: Sides, data: bytes) -> None:
    path = sides.folder / "bundle"
    path.write_bytes(data)
    assert sides.refusal(path) == NO_BUNDLE


def test_a_bundle_that_breaks_off_is_refused(sides: Sides) -> None:
    sides.publish(ALPHA)
    path = sides.bundle()
    for size in (path.stat().st_size // 2, 600, 3000):
        with path.open("r+b") as file:
            file.truncate(size)
        assert sides.refusal(path)


def test_a_head_that_is_larger_than_any_is_not_read(sides: Sides) -> None:
    path = sides.folder / "bundle"
    member = tarfile.TarInfo("manifest.jsonl")
    member.size = 2**32
    with path.open("wb") as file:
        file.write(member.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(2**32 + 2048)  # a hole
    assert sides.refusal(path) == f"does not have manifest.jsonl in its place; {AGAIN}"


# What went wrong over there


@pytest.mark.parametrize("what", ["page", "page gone", "stray", "manifest", "signature", "wheel", "folder", "link"])
@pytest.mark.parametrize("is_live", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_importing_a_release_again_mends_it(sides: Sides, tmp_path: Path, what: str, is_live: bool) -> None:
    release = sides.publish(ALPHA)
    one = sides.bundle("one")
    sides.take(one)
    whole = tree(sides.far)
    if not is_live:
        sides.publish(BETA)
        sides.take(sides.bundle("two"))
    place = sides.far / "releases" / release.name
    match what:
        case "page":
            (place / "style.css").unlink()  # the other release may share it
            (place / "style.css").write_text("x")
        case "page gone":
            (place / "style.css").unlink()
        case "stray":
            (place / "evil.html").write_text("x")
        case "manifest":
            (place / manifest.FILE).write_text("{}")
        case "signature":
            (place / manifest.SIGNATURE).unlink()
        case "wheel" if is_live:
            (sides.far / "packages" / ALPHA.filename).unlink()
        case "folder":
            (place / "simple/alpha").rename(tmp_path / "alpha")
            (place / "simple/alpha").symlink_to(tmp_path / "alpha")
        case "link":
            (place / "packages").unlink()
            (place / "packages").symlink_to(tmp_path)
    sides.take(one, "--force=1")
    assert sides.live == release.name
    there = tree(sides.far)
    parts = ("releases/" + release.name, "packages")
    assert {path: data for path, data in there.items() if path.startswith(parts)} == {
        path: data for path, data in whole.items() if path.startswith(parts)
    }
    approve(ALPHA)
    assert [path for path in place.rglob("*") if path.is_symlink()] == [place / "packages"]
    assert verify.main([f"--root={sides.far}"]) == 0


def test_an_import_that_died_after_the_switch_is_completed(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    sides.publish(ALPHA)
    sides.take(sides.bundle("one"))
    sides.publish(BETA)
    two = sides.bundle("two")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "retire", full)
        with pytest.raises(SystemExit):
            sides.take(two)
    assert sides.take(two) == 0
    assert tree(sides.far / "packages") == expected_pool(BETA)


def test_a_link_in_the_place_of_a_release_is_not_followed(sides: Sides, tmp_path: Path) -> None:
    release = sides.publish(ALPHA)
    shutil.copytree(release, tmp_path / "copy", symlinks=True)
    (sides.far / "releases").mkdir(parents=True)
    (sides.far / ".pypi-index").write_text("")
    (sides.far / "releases" / release.name).symlink_to(tmp_path / "copy")
    sides.take(sides.bundle())
    assert not (sides.far / "releases" / release.name).is_symlink()
    assert sides.live == release.name


def test_the_generation_is_remembered_whatever_becomes_of_releases(sides: Sides) -> None:
    sides.publish(ALPHA)
    old = sides.bundle("old")
    sides.publish(BETA)
    sides.take(sides.bundle("new"))
    for release in (sides.far / "releases").iterdir():
        (release / manifest.FILE).unlink()
    assert "is of generation 1, and 2 was published here" in sides.refusal(old)
    (live(sides.near) / manifest.FILE).unlink()
    assert manifest.read(sides.publish(BETA)).generation == 3


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_planted_release_has_no_say(sides: Sides, kind: str) -> None:
    sides.publish(ALPHA)
    for root in (sides.near.root, sides.far):
        planted = root / "releases" / "20200101T000000Z-000000000000"
        planted.mkdir(parents=True)
        (root / ".pypi-index").touch()
        if kind == "pipe":
            os.mkfifo(planted / manifest.FILE)
            (planted / "release.txt").write_text(f"{planted.name}\n")
        else:
            (planted / manifest.FILE).write_text('{"generation": 1000000000}\n')
    sides.take(sides.bundle())
    assert manifest.read(sides.publish(BETA)).generation == 2


def test_what_a_program_is_replaced_by_comes_last(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    sides.publish(ALPHA)
    sides.take(sides.bundle("one"))
    before = tree(sides.far / "bin")
    sides.near.index(f"--caddy={sys.executable}", f"--signing-key={sides.signer.key}")
    two = sides.bundle("two")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(release_module, "_switch", full)
        with pytest.raises(SystemExit):
            sides.take(two)
    assert tree(sides.far / "bin") == before


def test_a_bundle_is_of_a_signed_release_that_is_whole(sides: Sides) -> None:
    release = publish(sides.near, ALPHA)
    with pytest.raises(SystemExit) as caught:
        sides.bundle()
    assert str(caught.value) == f"{release}: is not signed, and nobody would import it; run make index with SIGNING_KEY"
    first, release = release, sides.publish(ALPHA)
    assert first != release  # nothing is signed afterwards
    sides.bundle()
    for since, fact in {
        "nothing": "is no release that is kept",
        release.name: "is live here, and there is nothing to bring",
    }.items():
        with pytest.raises(SystemExit) as caught:
            sides.bundle(since=since)
        remedy = f"name what is live on the other side, if it is kept here ({first.name})"
        assert str(caught.value) == f"SINCE: {since} {fact}; {remedy}"
    with pytest.raises(SystemExit) as caught:
        sides.bundle("no/folder")
    place = sides.folder / "no/folder"
    assert str(caught.value) == f"BUNDLE: {place} cannot be a file, {place.parent} must be a folder; name another"
    (release / "style.css").unlink()
    with pytest.raises(SystemExit) as caught:
        sides.bundle("broken")
    assert str(caught.value) == f"{release}/style.css: is missing\n{release.name}: is not whole; run make index"
    assert not (sides.folder / "broken").exists()


def test_the_files_that_import_needs_are_asked_for(sides: Sides) -> None:
    with pytest.raises(SystemExit) as caught:
        sides.take(Path())
    assert str(caught.value) == "BUNDLE: . is no file; name the file that make bundle wrote"
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
        assert str(caught.value).startswith(f"SIGNING_KEY: {key}: cannot sign (")
        assert str(caught.value).endswith("); name a key of ssh-keygen's without passphrase")
        assert not (sides.near.root / "web").is_symlink()


def test_a_release_that_is_not_signed_as_the_one_before_is_said(
    sides: Sides, capsys: pytest.CaptureFixture[str]
) -> None:
    sides.publish(ALPHA)
    capsys.readouterr()
    publish(sides.near, BETA)
    said = "manifest.jsonl: is not signed, as the release before it was; set SIGNING_KEY"
    assert said in capsys.readouterr().err.splitlines()


def test_another_key_makes_another_release(sides: Sides, tmp_path: Path) -> None:
    """What is there is not signed: who can write to the shared folder could have put anything into the manifest."""
    first = sides.publish(ALPHA)
    assert sides.publish(ALPHA) == first
    other = sides._replace(signer=make_signer(tmp_path / "keys", "other@example.com"))
    second = other.publish(ALPHA)
    assert (manifest.read(second).generation, other.take(other.bundle())) == (2, 0)
    forged = manifest.read(second)._replace(generation=999, commit="f" * 40)
    (second / manifest.FILE).write_text("".join(forged.lines()))
    third = other.publish(ALPHA)
    assert manifest.read(third).generation == 3
    assert manifest.read(third).commit == ""


def test_what_nobody_would_believe_is_not_published(sides: Sides, tmp_path: Path) -> None:
    first = sides.publish(ALPHA)
    approve(BETA)
    sides.near.upstream.add(BETA)
    mallory = make_signer(tmp_path / "keys", "mallory@example.com")
    allowed = f"--allowed-signers={sides.signer.allowed}"
    with pytest.raises(SystemExit) as caught:
        sides.near.index(allowed, f"--signing-key={mallory.key}")
    fact = f"what it signs is signed by nobody that {sides.signer.allowed} allows (No principal matched)"
    assert str(caught.value) == f"SIGNING_KEY: {mallory.key}: {fact}; name another key"
    with pytest.raises(SystemExit) as caught:
        sides.near.index(allowed)
    assert str(caught.value) == (
        f"SIGNING_KEY: is not set, and {sides.signer.allowed} says who signs; set it, or ALLOWED_SIGNERS="
    )
    assert live(sides.near) == first
    with pytest.raises(SystemExit, match=r"^ALLOWED_SIGNERS: /nowhere is no file; say in it who signs"):
        sides.near.index("--allowed-signers=/nowhere")


def test_make_verify_asks_who_signed(sides: Sides, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = sides.publish(ALPHA)
    mallory = make_signer(tmp_path / "keys", "mallory@example.com")
    assert verify.main([f"--root={sides.near.root}", f"--allowed-signers={sides.signer.allowed}"]) == 0
    capsys.readouterr()
    assert verify.main([f"--root={sides.near.root}", f"--allowed-signers={mallory.allowed}"]) == 1
    assert capsys.readouterr().err == (
        f"{release}/manifest.jsonl: is signed by nobody that {mallory.allowed} allows (No principal matched); "
        "run make index with SIGNING_KEY, a key that is allowed\n"
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
