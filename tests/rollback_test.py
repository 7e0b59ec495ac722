"""make releases, make rollback, and what make index does after it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from approved import approve, approve_only
from conftest import Checkout
from distributions import Distribution, sdist, wheel
from manifests import remake
from project import CODE, copy_of_project, make
from publish_test import expected_pool, live, pool, publish
from signers import make_signer

from scripts import manifest, releases, rollback, verify
from scripts import release as release_module

ALPHA, ALPHA_2, BETA = wheel("alpha", "1.0"), wheel("alpha", "2.0"), wheel("beta", "1.0")
LINUX = wheel("nat-ive", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
PURE = wheel("nat-ive", "1.0")
OLD = "20200101T000000Z-000000000000"


def roll_back(checkout: Checkout, *options: str) -> int:
    """Run what `make rollback` runs, in this process."""
    return rollback.main([f"--root={checkout.root}", *options])


def refused(checkout: Checkout, *options: str) -> str:
    """Return how `make rollback` refuses; nothing that a reader sees has changed."""
    before, files = live(checkout), pool(checkout)
    with pytest.raises(SystemExit) as caught:
        roll_back(checkout, *options)
    assert (live(checkout), pool(checkout)) == (before, files)
    return str(caught.value)


# The manifest


def test_the_manifest_lists_every_file_and_where_the_release_comes_from(checkout: Checkout) -> None:
    release = publish(checkout, ALPHA)
    head, *lines = [json.loads(line) for line in (release / "manifest.jsonl").read_text().splitlines()]
    listed = {line["path"] for line in lines}
    own = {"release.txt", "manifest.jsonl", "packages"}
    there = {path.relative_to(release).as_posix() for path in release.rglob("*") if not path.is_dir()} - own
    assert listed == there | {f"packages/{name}" for name in expected_pool(ALPHA)}
    assert [line["path"] for line in lines] == sorted(listed)
    assert all(manifest.is_right(release / line["path"], manifest.Fact(line["sha256"], line["size"])) for line in lines)
    assert head["release"] == release.name
    assert (head["generation"], head["projects"], head["distributions"], head["commit"]) == (1, 1, 1, "")
    assert {"pip", "dumb-pypi", "python"} < head["tools"].keys()
    assert head["programs"].keys() == {"caddy", "caddy-server", "Caddyfile"}


def test_the_generation_grows_also_after_a_rollback(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    publish(checkout, BETA)
    roll_back(checkout)
    publish(checkout, ALPHA, BETA)
    generations = [manifest.read(release).generation for release in sorted((checkout.root / "releases").iterdir())]
    assert generations == [1, 2, 3]


def git(*arguments: str) -> str:
    """Run git in the current folder, as nobody in particular."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    return subprocess.run(("git", *who, *arguments), check=True, capture_output=True, text=True).stdout.strip()


def test_the_manifest_names_the_commit_and_says_where_files_differ_from_it(checkout: Checkout) -> None:
    checkout.write("alpha==1.0\n")
    approve(ALPHA)
    checkout.upstream.add(ALPHA)

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message=all")
    checkout.index()
    assert manifest.read(live(checkout)).commit == git("rev-parse", "HEAD")
    Path("packages.yaml").write_text(Path("packages.yaml").read_text() + "request_url: https://ask.example/\n")
    checkout.index()
    assert manifest.read(live(checkout)).commit == f"{git('rev-parse', 'HEAD')}-dirty"


def test_a_requirement_file_that_git_does_not_know_is_a_difference_too(checkout: Checkout) -> None:
    checkout.write("-r dev.in\n", dev_in="alpha==1.0\n")
    approve_only(checkout.upstream.add(ALPHA), everywhere=False)
    git("init", "--quiet")
    git("add", "--all", ":!dev.in")
    git("commit", "--quiet", "--message=all")
    checkout.index()
    assert manifest.read(live(checkout)).commit == f"{git('rev-parse', 'HEAD')}-dirty"


def test_another_commit_with_the_same_locks_makes_no_release(checkout: Checkout) -> None:
    release = publish(checkout, ALPHA)
    subprocess.run(("git", "init", "--quiet"), check=True)
    checkout.index()
    assert live(checkout) == release


def test_another_server_makes_a_release_since_the_manifest_lists_it(checkout: Checkout) -> None:
    release = publish(checkout, ALPHA)
    checkout.index(f"--caddy={sys.executable}")
    assert live(checkout) != release
    assert manifest.read(live(checkout)).programs["caddy-server"] == manifest.fact_of(Path(sys.executable).resolve())


@pytest.mark.parametrize(
    "line",
    [
        '{"path": "../x", "sha256": "SHA", "size": 1}',
        '{"path": "/x", "sha256": "SHA", "size": 1}',
        '{"path": "a//b", "sha256": "SHA", "size": 1}',
        '{"path": "packages/a/b", "sha256": "SHA", "size": 1}',
        '{"path": "bin/caddy", "sha256": "SHA", "size": 1}',
        '{"path": "packages", "sha256": "SHA", "size": 1}',
        '{"path": "bin", "sha256": "SHA", "size": 1}',
        '{"path": ".x", "sha256": "SHA", "size": 1}',
        '{"path": "a/.b", "sha256": "SHA", "size": 1}',
        '{"path": "packages/.x", "sha256": "SHA", "size": 1}',
        '{"path": "manifest.jsonl", "sha256": "SHA", "size": 1}',
        f'{{"path": "{"x" * 256}", "sha256": "SHA", "size": 1}}',
        '{"path": "a", "sha256": "SHA", "size": 01}',
        '{"path": "a\\u0000b", "sha256": "SHA", "size": 1}',
        '{"path": "a", "sha256": "sha", "size": 1}',
        '{"path": "a", "sha256": "SHA", "size": -1}',
        '{"path": "a", "sha256": "SHA", "size": true}',
        '{"path": "a"}',
        "[]",
        "{",
        '{"path": "index.html", "sha256": "SHA", "size": 1}',
    ],
)
def test_a_manifest_that_is_none_is_refused(checkout: Checkout, line: str) -> None:
    data = (publish(checkout, ALPHA) / "manifest.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"^is no manifest that make index wrote: "):
        manifest.parse(data + line.replace("SHA", "0" * 64).encode())


# make releases


def test_make_releases_lists_what_there_is(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    first = publish(checkout, ALPHA)
    second = publish(checkout, ALPHA_2, BETA)
    roll_back(checkout)
    capsys.readouterr()
    assert releases.main([f"--root={checkout.root}"]) == 0

    def made(release: Path) -> str:
        name = release.name
        return f"{name[:4]}-{name[4:6]}-{name[6:8]} {name[9:11]}:{name[11:13]} UTC"

    locks = [manifest.read(release).locks[:12] for release in (first, second)]
    assert capsys.readouterr().out.splitlines() == [
        f"{second.name}  rolled back",
        f"  made      {made(second)}, generation 2, not signed",
        "  holds     2 projects, 2 files",
        f"  made of   no commit, locks {locks[1]}",
        "  changed   alpha 1.0 → 2.0 upgraded; beta 1.0 added",
        f"{first.name}  live",
        f"  made      {made(first)}, generation 1, not signed",
        "  holds     1 projects, 1 files",
        f"  made of   no commit, locks {locks[0]}",
        "  changed   alpha 1.0 added",
    ]


def test_make_releases_says_what_cannot_be_read(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    release = publish(checkout, ALPHA)
    (release / "manifest.jsonl").unlink()
    (release / "changes.json").unlink()
    capsys.readouterr()
    assert releases.main([f"--root={checkout.root}"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{release.name}  live",
        f"  {release}/manifest.jsonl: is no manifest; the release was made by an older version, or changed since",
        "  changed   not known, changes.json cannot be read",
    ]


# make rollback


def test_a_rollback_restores_the_release_before_with_its_files(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    first = publish(checkout, ALPHA, LINUX, PURE)
    second = publish(checkout, ALPHA_2, BETA, PURE)
    capsys.readouterr()
    assert roll_back(checkout) == 0
    assert capsys.readouterr().err == (
        f"{checkout.root}: rolled back {second.name} to {first.name}: "
        "readers gain alpha 1.0, nat-ive 1.0 (1 of 2 files); lose alpha 2.0, beta 1.0\n"
    )
    assert live(checkout) == first
    assert pool(checkout) == expected_pool(ALPHA, LINUX, PURE)
    approve(ALPHA, LINUX, PURE)
    assert verify.main([f"--root={checkout.root}"]) == 0


def test_a_rollback_goes_to_a_named_release_and_forwards_again(checkout: Checkout) -> None:
    first, second = publish(checkout, ALPHA), publish(checkout, BETA)
    third = publish(checkout, ALPHA, BETA)
    roll_back(checkout, f"--to={first.name}")
    assert (live(checkout), pool(checkout)) == (first, expected_pool(ALPHA))
    roll_back(checkout, f"--to={third.name}")
    assert (live(checkout), pool(checkout)) == (third, expected_pool(ALPHA, BETA))
    roll_back(checkout)
    assert live(checkout) == second


def test_a_rollback_does_not_go_to_what_was_rolled_back(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    bad = publish(checkout, ALPHA_2)
    roll_back(checkout)
    publish(checkout, ALPHA, BETA)
    roll_back(checkout)
    assert live(checkout) == first != bad


def test_a_file_whose_name_came_with_other_content_is_restored(checkout: Checkout) -> None:
    other = wheel("alpha", "1.0", files={"alpha/other.py": b""})
    first = publish(checkout, ALPHA)
    publish(checkout, other)
    assert pool(checkout) == expected_pool(other)
    roll_back(checkout)
    assert (live(checkout), pool(checkout)) == (first, expected_pool(ALPHA))


def test_the_next_run_with_the_same_locks_needs_force(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = publish(checkout, ALPHA), publish(checkout, ALPHA_2)
    roll_back(checkout)
    with pytest.raises(SystemExit) as stopped:
        checkout.index()
    assert str(stopped.value) == (
        f"{checkout.root}/web: {second.name} was rolled back, and the locks are as they were then; change them, or run "
        "make index FORCE=1 to publish them again"
    )
    assert live(checkout) == first
    checkout.index("--force=1")
    assert live(checkout).name > second.name
    assert pool(checkout) == expected_pool(ALPHA_2)
    checkout.index()
    capsys.readouterr()


def test_other_locks_need_no_force(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    publish(checkout, ALPHA_2)
    roll_back(checkout)
    publish(checkout, BETA)
    assert pool(checkout) == expected_pool(BETA)


def test_the_locks_of_what_is_live_again_are_no_reason_for_a_new_release(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    publish(checkout, ALPHA_2)
    roll_back(checkout)
    approve(ALPHA)
    checkout.index()
    assert live(checkout) == first


def test_after_two_steps_back_neither_comes_back_by_itself(checkout: Checkout) -> None:
    for one in (ALPHA, BETA, ALPHA_2):
        publish(checkout, one)
    roll_back(checkout)
    roll_back(checkout)
    for one in (BETA, ALPHA_2):
        approve(one)
        with pytest.raises(SystemExit, match="was rolled back"):
            checkout.index()
    assert pool(checkout) == expected_pool(ALPHA)


def test_a_rollback_that_died_before_the_switch_changes_nothing(checkout: Checkout) -> None:
    """The note is there, and `web` still leads where it led."""
    publish(checkout, ALPHA)
    second = publish(checkout, ALPHA_2)
    roll_back(checkout)
    (checkout.root / "web").unlink()
    (checkout.root / "web").symlink_to(f"releases/{second.name}")
    checkout.index()
    assert (live(checkout), pool(checkout)) == (second, expected_pool(ALPHA_2))


def test_a_rollback_after_which_nobody_knows_the_locks_holds_back_all(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    second = publish(checkout, ALPHA_2)
    (second / "manifest.jsonl").unlink()
    roll_back(checkout)
    with pytest.raises(SystemExit, match="was rolled back"):
        checkout.index()


def test_a_note_that_cannot_be_read_is_no_permission(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    publish(checkout, ALPHA_2)
    roll_back(checkout)
    (checkout.root / ".rolled-back").write_text("{")
    with pytest.raises(SystemExit) as stopped:
        checkout.index()
    assert str(stopped.value).startswith(f"{checkout.root}/.rolled-back: cannot be read (")
    assert str(stopped.value).endswith("; remove it to go on")


def damage_page(release: Path, root: Path) -> str:
    (release / "simple/alpha/index.html").unlink()
    (release / "simple/alpha/index.html").write_text("x")
    del root
    return f"{release}/simple/alpha/index.html: is not what the manifest of {release.name} lists"


def damage_file(release: Path, root: Path) -> str:
    shutil.rmtree(root / "retired")
    gone = (f"{root}/packages/{name}: is gone, and {release.name} needs it" for name in expected_pool(ALPHA))
    return "\n".join(sorted(gone))


def plant(release: Path, root: Path) -> str:
    (release / "simple/evil.html").write_text("x")
    del root
    return f"{release}/simple/evil.html: is not in the manifest of {release.name}"


def lead_elsewhere(release: Path, root: Path) -> str:
    (release / "packages").unlink()
    (release / "packages").symlink_to(root)
    return f"{release}/packages: does not lead to ../../packages"


def rename(release: Path, root: Path) -> str:
    (release / "release.txt").write_text(f"{OLD}\n")
    del root
    return f"{release}/release.txt: does not name the release {release.name}"


def without_manifest(release: Path, root: Path) -> str:
    (release / "manifest.jsonl").unlink()
    del root
    return f"{release}/manifest.jsonl: is no manifest; the release was made by an older version, or changed since"


@pytest.mark.parametrize("damage", [damage_page, damage_file, plant, lead_elsewhere, rename, without_manifest])
def test_a_release_that_is_not_whole_is_not_gone_back_to(checkout: Checkout, damage: object) -> None:
    first = publish(checkout, ALPHA)
    publish(checkout, BETA)
    assert callable(damage)
    fact = damage(first, checkout.root)
    assert refused(checkout) == f"{fact}\n{first.name}: nothing is changed; name another release with TO"


def test_there_must_be_a_release_to_go_back_to(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    web = f"{checkout.root}/web"
    said = f"{web}: nothing is kept that was live before {first.name}; there is no other"
    assert refused(checkout) == said
    end = "; there is no other"
    assert refused(checkout, f"--to={first.name}") == f"TO: {first.name} is live already{end}"
    assert refused(checkout, f"--to={OLD}") == f"TO: {OLD} is no release that is kept{end}"
    second = publish(checkout, BETA)
    assert refused(checkout, "--to=../../x") == (
        f"TO: ../../x is no release that is kept; name one of {first.name} with TO"
    )
    assert live(checkout) == second


def test_a_rollback_goes_to_what_an_allowed_signer_signed(checkout: Checkout, tmp_path: Path) -> None:
    ours, theirs = make_signer(tmp_path / "keys"), make_signer(tmp_path / "keys", "mallory@example.com")
    unsigned = publish(checkout, ALPHA)
    made = []
    for one, signer in ((BETA, theirs), (ALPHA_2, ours), (LINUX, ours)):
        checkout.upstream.add(one)
        approve(one)
        checkout.index(f"--signing-key={signer.key}")
        made.append(live(checkout))
    foreign, good, _ = made
    allowed = f"--allowed-signers={ours.allowed}"

    def told(release: Path, fact: str) -> str:
        return f"{release}/{fact}\n{release.name}: nothing is changed; name another release with TO"

    fact = f"manifest.jsonl.sig: is missing, and {ours.allowed} says who signs"
    assert refused(checkout, allowed, f"--to={unsigned.name}") == told(unsigned, fact)
    fact = f"manifest.jsonl: is signed by nobody that {ours.allowed} allows (No principal matched)"
    assert refused(checkout, allowed, f"--to={foreign.name}") == told(foreign, fact)
    roll_back(checkout, allowed)
    assert live(checkout) == good
    roll_back(checkout, f"--to={made[2].name}")
    remake(good, generation=7)
    fact = "manifest.jsonl: is not what index@example.com signed (Signature verification failed: incorrect signature)"
    assert refused(checkout, allowed) == told(good, fact)


def test_what_was_rolled_back_does_not_come_back_by_other_locks_of_the_same_content(checkout: Checkout) -> None:
    first, second = publish(checkout, ALPHA), publish(checkout, ALPHA_2)
    roll_back(checkout)
    for path in Path("locks").rglob("*.txt"):
        path.write_text(path.read_text().replace("# tools: pip ", "# tools: pip  "))
    with pytest.raises(SystemExit, match=f"{second.name} was rolled back"):
        checkout.index()
    assert live(checkout) == first


def test_what_was_rolled_back_does_not_come_back_where_the_locks_were_the_same_before(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    settings = Path("packages.yaml")
    settings.write_text(settings.read_text() + "request_url: https://ask.example/\n")
    checkout.index()
    roll_back(checkout)
    with pytest.raises(SystemExit, match="was rolled back"):
        checkout.index()
    assert live(checkout) == first


def test_what_is_gone_back_to_after_it_was_taken_back_is_wanted_again(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    settings = Path("packages.yaml")
    settings.write_text(settings.read_text() + "request_url: https://ask.example/\n")
    checkout.index()
    second = live(checkout)
    roll_back(checkout)
    roll_back(checkout, f"--to={second.name}")
    checkout.index()
    assert live(checkout) == second


def test_a_rollback_that_fails_leaves_what_is_live_with_its_files(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = wheel("alpha", "1.0", files={"alpha/other.py": b""})
    publish(checkout, ALPHA)
    second = publish(checkout, other)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(release_module, "_switch", full)
    with pytest.raises(SystemExit):
        roll_back(checkout)
    assert (live(checkout), pool(checkout)) == (second, expected_pool(other))


def test_make_verify_says_that_it_was_rolled_back_and_compares_with_the_manifest(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = publish(checkout, ALPHA), publish(checkout, BETA)
    roll_back(checkout)
    capsys.readouterr()
    assert verify.main([f"--root={checkout.root}"]) == 1
    said = (
        f"{checkout.root}/web: {second.name} was rolled back to {first.name}, which was made of other locks than the "
        "checkout's; change the locks, and run make index"
    )
    assert capsys.readouterr().err.splitlines() == [said]
    (checkout.root / "packages" / "x").write_text("")
    (first / "style.css").unlink()
    assert verify.main([f"--root={checkout.root}"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{checkout.root}/packages/x: is in no page of {first.name}; remove it",
        said,
        f"{first}/style.css: is missing; run make rollback to another release",
    ]


def test_make_verify_names_what_a_kept_release_needs_and_is_gone(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    first = publish(checkout, ALPHA)
    publish(checkout, BETA)
    (checkout.root / "retired" / ALPHA.filename).unlink()
    (first / "style.css").unlink()  # the other release shares it
    (first / "style.css").write_text("x")
    capsys.readouterr()
    assert verify.main([f"--root={checkout.root}"]) == 1
    remedy = f"no rollback goes there, so remove {first}"
    assert sorted(capsys.readouterr().err.splitlines()) == [
        f"{first}/manifest.jsonl: lists packages/{ALPHA.filename}, which is gone; {remedy}",
        f"{first}/style.css: is not what the manifest of {first.name} lists; {remedy}",
    ]


def test_a_planted_release_of_the_years_to_come_takes_no_time_away(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    planted = checkout.root / "releases" / "20991231T235959Z-000000000000"
    shutil.copytree(first, planted, symlinks=True)
    second = publish(checkout, BETA)
    assert first.name < second.name < planted.name
    assert live(checkout) == second


@pytest.mark.parametrize("path", [".rolled-back", "web/changes.json", "web/manifest.jsonl"])
def test_a_planted_pipe_keeps_nobody_waiting(checkout: Checkout, path: str) -> None:
    publish(checkout, ALPHA)
    publish(checkout, BETA)
    place = checkout.root / path
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    with suppress(SystemExit):
        checkout.index()
    with suppress(SystemExit):
        roll_back(checkout)
    with suppress(SystemExit):
        releases.main([f"--root={checkout.root}"])


def test_make_rollback_needs_nothing_but_python(checkout: Checkout, tmp_path: Path) -> None:
    first, second = publish(checkout, ALPHA), publish(checkout, BETA)
    project = copy_of_project(tmp_path / "project")
    bare = {"PATH": "/usr/bin:/bin", "PYTHONNOUSERSITE": "1"}
    python = f"PYTHON={Path(sys.base_prefix) / 'bin' / f'python3.{sys.version_info.minor}'} -S"
    done = make(project, "rollback", f"PYPI_ROOT={checkout.root}", python, env=bare)
    assert (done.returncode, done.stderr) == (
        0,
        f"{checkout.root}: rolled back {second.name} to {first.name}: readers gain alpha 1.0; lose beta 1.0\n",
    )
    done = make(project, "releases", f"PYPI_ROOT={checkout.root}", python, env=bare)
    assert done.returncode == 0, done.stderr
    assert f"{first.name}  live" in done.stdout.splitlines()
    assert project != CODE


def test_an_sdist_s_name_is_told_too() -> None:
    def facts(*files: Distribution) -> dict[str, manifest.Fact]:
        return {one.filename: manifest.fact_of(one.data) for one in files}

    told = rollback.difference(facts(ALPHA), facts(ALPHA, sdist("some-thing", "3.0")))
    assert told == "readers gain some-thing 3.0"
    assert rollback.difference(facts(ALPHA), facts(ALPHA)) == "readers find the same files, on other pages"
