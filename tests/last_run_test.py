"""scripts/last_run.py: a run with nothing to do does nothing, and whatever changed has all work done again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from approved import approve, approve_only
from conftest import Checkout
from distributions import Distribution, sdist, wheel
from index_test import refusal, tree
from publish_test import live, pool, publish
from signers import make_signer

from scripts import CODE, fingerprint, last_run, verify
from scripts.digest import sha256_of

ALPHA, BETA = (wheel(name, "1.0") for name in ("alpha", "beta"))
GAMMA = sdist("gamma", "1.0")
TARGET = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\n'
OFF = f"{TARGET}closure: off\n"


def record(checkout: Checkout) -> Path:
    return checkout.root / ".last-run"


def works(checkout: Checkout, *options: str) -> bool:
    """Whether a run does all its work: then it leaves a new record, or none."""
    before = record(checkout).stat().st_ctime_ns
    checkout.index(*options)
    return not record(checkout).exists() or record(checkout).stat().st_ctime_ns != before


def edit_record(checkout: Checkout, **changes: object) -> None:
    told = json.loads(record(checkout).read_text())
    assert changes.keys() <= told.keys()
    record(checkout).write_text(json.dumps(told | changes))


def test_a_run_with_nothing_to_do_imports_nothing_that_works_and_asks_nobody(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    checkout.upstream.requests.clear()
    command = f"""import sys
from scripts import index
index.main(["--root={checkout.root}", "--upstream={checkout.upstream.url}", "--caddy={shutil.which("true")}"])
print(sorted({{"scripts.whole_run", "yaml", "packaging", "dumb_pypi.main"}} & sys.modules.keys()))
"""
    done = subprocess.run(
        (sys.executable, "-c", command), env=os.environ | {"PYTHONPATH": str(CODE)}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == (
        "[]\n",
        f"{checkout.root}: nothing changed, still {live(checkout).name}: 1 projects, 1 files (0 added, 0 retired)\n",
    )
    assert checkout.upstream.requests == []
    assert list((checkout.root / "incoming").iterdir()) == []


def test_what_a_run_warned_of_is_said_again(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.write(packages_yaml=f"{TARGET}closure: warn\n")
    publish(checkout, wheel("alpha", "1.0", requires=["missing"]))
    assert works(checkout)  # of a new release something else may be said than when it was made
    capsys.readouterr()
    edit_record(checkout, day="2020-01-01")
    assert works(checkout)
    first = capsys.readouterr().err
    assert not works(checkout)
    assert capsys.readouterr().err == first
    assert first.startswith("warning: ")
    assert f": nothing changed, still {live(checkout).name}: 1 projects, 1 files" in first


def test_what_somebody_wrote_into_the_record_is_not_obeyed_by_a_terminal(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, ALPHA)
    edit_record(checkout, said=["\x1b[2Jevil"])
    capsys.readouterr()
    assert not works(checkout)
    assert capsys.readouterr().err.splitlines()[0] == "\ufffd[2Jevil"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.in", "# another comment\nalpha==1.0\n"),
        ("packages.yaml", f"{OFF}# a comment\n"),
        ("waivers.yaml", "[]\n"),
    ],
)
def test_a_change_of_what_people_write_has_all_work_done(checkout: Checkout, path: str, text: str) -> None:
    publish(checkout, ALPHA)
    assert not works(checkout)
    (checkout.path / path).write_text(text)
    assert works(checkout)


def test_a_lock_in_a_folder_that_is_a_link_counts(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    folder = checkout.path / "locks" / "requirements"
    folder.rename(checkout.path / "elsewhere")
    folder.symlink_to(checkout.path / "elsewhere")
    assert not works(checkout)
    next(folder.iterdir()).unlink()
    assert refusal(checkout).endswith(": missing; run make lock")


def test_a_change_of_an_included_file_or_of_a_lock_has_all_work_done(checkout: Checkout) -> None:
    checkout.upstream.add(ALPHA)
    checkout.write("-r more.in\n", more_in="alpha==1.0\n")
    approve_only(ALPHA)
    checkout.index()
    (checkout.path / "more.in").write_text("alpha==1.0  # a reason\n")
    assert works(checkout)
    assert not works(checkout)
    lock = next((checkout.path / "locks").rglob("*.txt"))
    lock.write_text(f"{lock.read_text()}# a comment\n")
    assert "edited by hand" in refusal(checkout)


def test_a_change_among_the_in_house_wheels_has_all_work_done(checkout: Checkout) -> None:
    checkout.write(packages_yaml=f"{OFF}first_party: wheels\n")
    (checkout.path / "wheels").mkdir()
    publish(checkout, ALPHA)
    assert not works(checkout)
    BETA.save(checkout.path / "wheels")
    assert works(checkout)
    (checkout.path / "wheels" / "old").mkdir()
    assert refusal(checkout) == "wheels/old: is no wheel; move it out of the folder that first_party names"


def test_other_options_have_all_work_done(checkout: Checkout, tmp_path: Path) -> None:
    publish(checkout, ALPHA)
    key = make_signer(tmp_path / "keys").key
    for options in (("--keep=4",), (f"--caddy={sys.executable}",), (f"--signing-key={key}",)):
        assert works(checkout, *options)
        assert not works(checkout, *options)
    assert (live(checkout) / "manifest.jsonl.sig").is_file()
    (live(checkout) / "manifest.jsonl.sig").unlink()
    assert works(checkout, f"--signing-key={key}")
    assert (live(checkout) / "manifest.jsonl.sig").is_file()


def write_in_place(path: Path) -> None:
    """Change a byte and set the old times, as well as one can."""
    before, data = path.stat(), path.read_bytes()
    with path.open("r+b") as file:
        file.write(bytes([data[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "path",
    [
        *("web/simple/alpha/index.html", "web/simple/index.json", "web/index.html", "web/release.txt"),
        *("packages/alpha-1.0-py3-none-any.whl.metadata", "bin/Caddyfile"),
    ],
)
def test_a_byte_that_was_changed_in_place_is_mended(checkout: Checkout, path: str) -> None:
    publish(checkout, ALPHA)
    before = pool(checkout)
    data = (checkout.root / path).read_bytes()
    write_in_place(checkout.root / path)
    assert works(checkout)
    if path not in {"web/index.html", "web/release.txt"}:  # they tell of the release
        assert (checkout.root / path).read_bytes() == data
    assert pool(checkout) == before


@pytest.mark.parametrize(
    "path", ["packages", "retired", "incoming", "releases", "bin", ".", "web/simple", "web/changes"]
)
def test_a_stray_has_all_work_done(checkout: Checkout, path: str) -> None:
    publish(checkout, ALPHA)
    (checkout.root / path / "stray").write_text("x")
    assert works(checkout)


def test_where_files_are_many_the_folders_show_what_was_replaced(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "_EVERY_FILE", 10)
    publish(checkout, ALPHA)
    page = live(checkout) / "simple" / "alpha" / "index.html"
    text = page.read_bytes()
    for path in (page, checkout.root / "packages" / f"{ALPHA.filename}.metadata"):
        other = path.with_name("other")
        other.write_bytes(b"evil")
        other.replace(path)
        assert works(checkout)
        assert not works(checkout)
    page = live(checkout) / "simple" / "alpha" / "index.html"
    write_in_place(page)
    assert not works(checkout)
    edit_record(checkout, day="2020-01-01")  # the first run of a day reads everything
    assert works(checkout)
    assert (live(checkout) / "simple" / "alpha" / "index.html").read_bytes() == text


def test_a_run_that_works_does_not_hash_again_what_the_last_one_hashed(checkout: Checkout) -> None:
    checkout.write(packages_yaml=f"{OFF}allow_sdists: [gamma]\n")
    publish(checkout, GAMMA)
    place = checkout.root / "packages" / GAMMA.filename
    data = place.read_bytes()
    other = data[:4] + bytes([data[4] ^ 1]) + data[5:]  # the time in gzip's header, which nobody reads
    place.write_bytes(other)
    # As if the system had said nothing of that.
    edit_record(checkout, pool=fingerprint.pool_digest(live(checkout), checkout.root / "packages"))
    publish(checkout, ALPHA, GAMMA)
    assert place.read_bytes() == other
    edit_record(checkout, day="2020-01-01")  # the first run of a day hashes everything
    checkout.index()
    assert place.read_bytes() == data


@pytest.mark.parametrize("what", ["file", "manifest"])
def test_a_run_that_works_hashes_again_what_changed_since(checkout: Checkout, what: str) -> None:
    publish(checkout, ALPHA)
    place = checkout.root / "packages" / ALPHA.filename
    write_in_place(place if what == "file" else live(checkout) / "manifest.jsonl")
    publish(checkout, ALPHA, BETA)
    assert pool(checkout)[ALPHA.filename] == ALPHA.data


def test_a_record_is_good_until_something_old_may_go(checkout: Checkout) -> None:
    publish(checkout, ALPHA, BETA)
    publish(checkout, ALPHA)
    retired = checkout.root / "retired" / BETA.filename
    left = retired.stat().st_mtime - 80_000
    os.utime(retired, (left, left))
    assert works(checkout)
    assert json.loads(record(checkout).read_text())["due"] == pytest.approx(left + 86_400)
    edit_record(checkout, due=left)
    assert works(checkout)


def test_a_release_that_is_taken_back_has_all_work_done(checkout: Checkout) -> None:
    first = publish(checkout, ALPHA)
    publish(checkout, ALPHA, BETA)
    (checkout.root / "web").unlink()
    (checkout.root / "web").symlink_to(f"releases/{first.name}")
    assert works(checkout)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"day": 1}', "[" * 100_000, "null"])
def test_a_damaged_record_is_none(checkout: Checkout, text: str) -> None:
    publish(checkout, ALPHA)
    record(checkout).write_text(text)
    assert works(checkout)
    assert not works(checkout)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_something_else_in_the_place_of_the_record_is_replaced(checkout: Checkout, tmp_path: Path, kind: str) -> None:
    publish(checkout, ALPHA)
    record(checkout).rename(tmp_path / "record")
    match kind:
        case "link":
            record(checkout).symlink_to(tmp_path / "record")
        case "pipe":
            os.mkfifo(record(checkout))
        case _:
            record(checkout).mkdir()
    checkout.index()
    assert record(checkout).is_file()
    assert not record(checkout).is_symlink()


def test_a_run_that_is_refused_leaves_no_record(checkout: Checkout) -> None:
    publish(checkout, ALPHA)
    approve(ALPHA, BETA)
    with pytest.raises(SystemExit, match="1 of 2 pins have no file"):
        checkout.index()
    assert not record(checkout).exists()
    approve(ALPHA)
    checkout.index()
    assert not works(checkout)


@pytest.mark.slow
def test_where_advisories_are_asked_for_every_run_asks(checkout: Checkout) -> None:
    checkout.write(packages_yaml=f"{OFF}policy: {{vulnerabilities: warn}}\n")
    publish(checkout, ALPHA)
    assert works(checkout)


def test_a_new_checkout_has_nothing_to_do_either(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(checkout, ALPHA)
    before = tree(checkout.root)
    shutil.copytree(checkout.path, checkout.path.with_name("clone"), copy_function=shutil.copyfile)
    monkeypatch.chdir(checkout.path.with_name("clone"))
    assert not works(checkout)
    assert tree(checkout.root) == before


def test_the_record_tells_nothing_of_the_machine(checkout: Checkout, tmp_path: Path) -> None:
    publish(checkout, ALPHA)
    text = record(checkout).read_text()
    assert str(tmp_path) not in text
    assert os.uname().nodename not in re.findall(r"[\w.-]+", text)


def forge(checkout: Checkout, *, is_vouched: bool = True) -> None:
    """Let what the last run learned of ALPHA say something else, and the record vouch for it."""
    place = checkout.root / last_run.FILES
    assert '">=3.8"' in place.read_text()
    place.write_text(place.read_text().replace('">=3.8"', '">=3.9"'))
    if is_vouched:
        sums = json.loads(record(checkout).read_text())["beside"]
        edit_record(checkout, beside={**sums, last_run.FILES: sha256_of(place)})


def is_believed(checkout: Checkout, *options: str) -> bool:
    """Whether the next run with something to do goes by what was forged."""
    publish(checkout, ALPHA_38, BETA, options=options)
    return '">=3.9"' in (live(checkout) / "files.jsonl").read_text()


ALPHA_38 = wheel("alpha", "2.0", requires_python=">=3.8")


def test_a_run_does_not_open_again_what_the_last_one_read(checkout: Checkout) -> None:
    publish(checkout, ALPHA_38)
    forge(checkout)
    assert is_believed(checkout)


@pytest.mark.parametrize("change", [{"code": "0"}, {"day": "2020-01-01"}, {"pool": "0"}, {"beside": {}}, {"beside": 1}])
def test_what_the_last_run_read_counts_for_a_day_and_for_the_same_code_and_pool(
    checkout: Checkout, change: dict[str, object]
) -> None:
    publish(checkout, ALPHA_38)
    forge(checkout)
    edit_record(checkout, **change)
    assert not is_believed(checkout)


def test_what_the_last_run_read_counts_only_as_it_was_left(checkout: Checkout) -> None:
    publish(checkout, ALPHA_38)
    forge(checkout, is_vouched=False)
    assert not is_believed(checkout)


def test_with_a_key_what_the_last_run_read_is_signed(checkout: Checkout, tmp_path: Path) -> None:
    key = f"--signing-key={make_signer(tmp_path / 'keys').key}"
    publish(checkout, ALPHA_38, options=[key])
    forge(checkout)
    assert not is_believed(checkout, key)


def rendered(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, *files: Distribution, options: Sequence[str]) -> str:
    """Publish, and return the list that dumb-pypi is given."""
    given = []
    run = subprocess.run

    def listening(command: Sequence[str], **options: Any) -> Any:
        if "dumb_pypi.main" in command:
            given.append(options["input"])
        return run(command, **options)

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", listening)
        publish(checkout, *files, options=options)
    return "".join(given)


@pytest.mark.parametrize("is_signed", [False, True])
def test_pages_are_made_of_the_projects_that_changed_alone(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_signed: bool
) -> None:
    options = [f"--signing-key={make_signer(tmp_path / 'keys').key}"] if is_signed else []
    publish(checkout, ALPHA, options=options)
    given = rendered(checkout, monkeypatch, ALPHA, BETA, options=options)
    assert [json.loads(line)["filename"] for line in given.splitlines()] == [BETA.filename]
    assert rendered(checkout, monkeypatch, ALPHA, options=options) == ""
    (checkout.root / ".last-run").unlink()
    assert ALPHA.filename in rendered(checkout, monkeypatch, ALPHA, BETA, options=options)


@pytest.mark.parametrize("text", ["", "[]\n", "{\n", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n", "\u00e9\n", "[" * 100_000])
@pytest.mark.parametrize("name", [last_run.FILES, last_run.PAGES])
def test_what_the_last_run_did_not_leave_so_tells_nothing(checkout: Checkout, name: str, text: str) -> None:
    publish(checkout, ALPHA)
    place = checkout.root / name
    place.write_text(text)
    edit_record(checkout, beside={name: sha256_of(place)})
    publish(checkout, ALPHA, BETA)
    assert verify.main([f"--root={checkout.root}"]) == 0
