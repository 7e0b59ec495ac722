"""scripts/locks.py and lock_check.py: the format of a lock, and what is seen of it offline."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import Checkout
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts import config, lock_check, locks
from scripts.locks import Key, Pin, compose, inputs_digest, read_pins, tools
from scripts.target import Target, host_platform, host_python

TARGETS = 'python_versions: ["3.12"]\nplatforms: [win_amd64, manylinux_2_28_x86_64]\n'
BODY = f"foo==1.0 \\\n    --hash=sha256:{'0' * 64}\n    # via -r requirements.in\n"
LINUX = "locks/requirements/3.12-manylinux_2_28_x86_64.txt"
WINDOWS = "locks/requirements/3.12-win_amd64.txt"


def write_locks(path: Path, body: str = BODY) -> list[Path]:
    """Write what `make lock` would, but for the pins."""
    settings = config.load(path)
    sets = {one.name: one for one in settings.sets}
    written = []
    for key in locks.expected(settings):
        written.append(path / key.path)
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        digest = inputs_digest(settings, sets[key.set_name], key.target)
        written[-1].write_text(compose(key, digest, tools(), body))
    return written


@pytest.fixture
def checked(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """An up-to-date checkout, and what `make lock-check` then says."""
    checkout.write("foo==1.0\n", packages_yaml=TARGETS)
    write_locks(checkout.path)

    def check() -> list[str]:
        capsys.readouterr()
        status = lock_check.main([])
        out, err = capsys.readouterr()
        assert (status, out) == (1 if err else 0, "")
        return err.splitlines()

    assert check() == []
    return check


def test_a_missing_lock_is_told(checked: Callable[[], list[str]]) -> None:
    Path(WINDOWS).unlink()
    assert checked() == [f"{WINDOWS}: missing; run make lock"]


@pytest.mark.parametrize(
    ("requirements", "packages_yaml"),
    [
        ("foo==1.0\nbar==1\n", ""),
        ("foo==1.0.0\n", ""),
        ("foo[x]==1.0\n", ""),
        ("foo==1.0; os_name == 'nt'\n", ""),
        ("foo==1.0\n-c other.in\n", ""),
        ("-r other.in\n", ""),
        ("foo==1.0\n", "resolve_deps: true\n"),
        ("foo==1.0\n", "allow_sdists: [bar]\n"),
    ],
)
def test_a_changed_input_makes_stale(
    checked: Callable[[], list[str]], checkout: Checkout, requirements: str, packages_yaml: str
) -> None:
    checkout.write(requirements, packages_yaml=TARGETS + packages_yaml, other_in="foo==1.0\n")
    assert checked() == [
        f"{path}: stale, the requirements or packages.yaml changed since; run make lock" for path in (WINDOWS, LINUX)
    ]


def test_a_constraint_that_becomes_a_requirement_makes_stale(
    checked: Callable[[], list[str]], checkout: Checkout
) -> None:
    checkout.write("foo==1.0\n-c other.in\n", other_in="bar==1\n")
    write_locks(checkout.path)
    assert checked() == []
    checkout.write("foo==1.0\n-r other.in\n")
    assert len(checked()) == 2


@pytest.mark.parametrize(
    "requirements",
    ["# why\n\nfoo==1.0  # because\n", "foo \\\n == 1.0\r\n", "\ufefffoo==1.0"],
)
def test_what_does_not_count_does_not_make_stale(
    checked: Callable[[], list[str]], checkout: Checkout, requirements: str
) -> None:
    checkout.write(requirements, packages_yaml=f"# a comment\n{TARGETS}allow_sdists: []\n")
    assert checked() == []


def test_the_order_of_requirements_does_not_make_stale(checked: Callable[[], list[str]], checkout: Checkout) -> None:
    checkout.write("foo==1.0\nbar==1\n")
    write_locks(checkout.path)
    checkout.write("bar==1\nfoo==1.0\n")
    assert checked() == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("foo==1.0 ", "foo==1.1 "),
        lambda text: text.replace("sha256:0000", "sha256:1111"),
        lambda text: text + "evil==1\n",
        lambda text: text.rpartition("# via")[0],
        lambda text: text.replace("pins: sha256:", "pins: "),
        lambda text: text + "\udcff",
    ],
    ids=["version", "hash", "added", "cut", "header", "no text"],
)
def test_an_edit_by_hand_is_seen(checked: Callable[[], list[str]], edit: Callable[[str], str]) -> None:
    path = Path(WINDOWS)
    path.write_bytes(os.fsencode(edit(path.read_text())))
    assert checked() == [f"{WINDOWS}: edited by hand, its digest does not match; run make lock"]


def test_a_checkout_with_windows_line_ends_is_no_edit(checked: Callable[[], list[str]]) -> None:
    path = Path(WINDOWS)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert checked() == []


@pytest.mark.parametrize("text", ["", "\n", "<<<<<<< ours\n", "foo==1.0\n"])
def test_a_file_without_a_header_is_stale(checked: Callable[[], list[str]], text: str) -> None:
    Path(WINDOWS).write_text(text)
    assert checked() == [f"{WINDOWS}: stale, the requirements or packages.yaml changed since; run make lock"]


def test_a_lock_that_nobody_asks_for_is_told(checked: Callable[[], list[str]], checkout: Checkout) -> None:
    other = Path("locks/other/3.12-win_amd64.txt")
    other.parent.mkdir()
    other.write_text("")
    Path("locks/other/notes.txt").write_text("")  # no target's name, so no lock
    checkout.write("foo==1.0\n", packages_yaml='python_versions: ["3.12"]\nplatforms: [win_amd64]\n')
    assert checked() == [f"{other}: no longer asked for; run make lock", f"{LINUX}: no longer asked for; run make lock"]


def test_everything_is_told_at_once(checked: Callable[[], list[str]], checkout: Checkout) -> None:
    Path(LINUX).unlink()
    Path(WINDOWS).write_text(Path(WINDOWS).read_text() + "#\n")
    packages_yaml = f"{TARGETS}requirements: [requirements.in, dev.in]\n"
    checkout.write("foo==1.0\n", packages_yaml=packages_yaml.replace("[win", "[win_arm64, win"), dev_in="bar==1\n")
    assert checked() == [
        "locks/requirements/3.12-win_arm64.txt: missing; run make lock",
        f"{WINDOWS}: edited by hand, its digest does not match; run make lock",
        f"{LINUX}: missing; run make lock",
        "locks/dev/3.12-win_arm64.txt: missing; run make lock",
        "locks/dev/3.12-win_amd64.txt: missing; run make lock",
        "locks/dev/3.12-manylinux_2_28_x86_64.txt: missing; run make lock",
    ]


def test_a_bad_input_stops_the_check(checkout: Checkout) -> None:
    checkout.write("foo\n")
    with pytest.raises(SystemExit) as stop:
        lock_check.main([])
    assert str(stop.value) == (
        "requirements.in:1: foo names no single version; "
        "write foo==<version>, or set resolve_deps: true in packages.yaml"
    )


def test_by_default_a_lock_is_for_this_machine(checkout: Checkout) -> None:
    checkout.write("foo==1.0\n", packages_yaml="")
    assert lock_check.problems(config.load(checkout.path)) == {
        Path(f"locks/requirements/{host_python()}-{host_platform()}.txt"): "missing; run make lock"
    }


def test_by_default_the_lock_of_another_machine_is_accepted(
    checked: Callable[[], list[str]], checkout: Checkout
) -> None:
    checkout.write("foo==1.0\n", packages_yaml='python_versions: ["3.9"]\nplatforms: [win_arm64]\n')
    theirs = checkout.path / "locks/requirements/3.9-win_arm64.txt"
    write_locks(checkout.path)
    for path in (WINDOWS, LINUX):
        Path(path).unlink()
    checkout.write("foo==1.0\n", packages_yaml="")
    assert checked() == []
    checkout.write("foo==1.1\n")
    assert checked() == [
        f"{theirs.relative_to(checkout.path)}: stale, the requirements or packages.yaml changed since; run make lock"
    ]


def test_the_header_names_command_target_tools_and_digests() -> None:
    key = Key("dev", Target.parse("3.14t-macosx_14_0_arm64"))
    assert key.path == Path("locks/dev/3.14t-macosx_14_0_arm64.txt")
    assert compose(key, "sha256:1", tools(), "foo\n") == (
        "# Written by `make lock`. Change the requirements or packages.yaml and run it again.\n"
        "# set: dev\n"
        "# target: 3.14t-macosx_14_0_arm64\n"
        f"# tools: pip-compile {version('pip-tools')}, pip {version('pip')}\n"
        "# inputs: sha256:1\n"
        "# pins: sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c\n"
        "\n"
        "foo\n"
    )


ZEROS, ONES, TWOS = "0" * 64, "1" * 64, "2" * 64


def lock_of(folder: Path, body: str) -> Path:
    path = folder / "lock.txt"
    path.write_text(f"# set: x\n\n{body}")
    return path


def test_pins_are_read_with_what_stands_around_them(tmp_path: Path) -> None:
    path = lock_of(
        tmp_path,
        f'Foo_Bar[x]==1!2.0+cu12 ; python_version >= "3.8" \\\n    --hash=sha256:{ONES} \\\n    --hash=sha256:{TWOS}\n'
        f"    # via\n    #   -r requirements.in\n    #   other\nbaz===1.0 \\\n    --hash=sha256:{ONES}\n",
    )
    assert read_pins(path) == [
        Pin(canonicalize_name("foo-bar"), Version("1!2.0+cu12"), ONES),
        Pin(canonicalize_name("foo-bar"), Version("1!2.0+cu12"), TWOS),
        Pin(canonicalize_name("baz"), Version("1.0"), ONES),
    ]
    assert [str(pin) for pin in read_pins(path)][::2] == ["foo-bar 1!2.0+cu12", "baz 1.0"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("foo==1.0\n", "'foo==1.0' is no pin"),
        ("foo==1.0 \\\n    # via x\n", "'foo==1.0 \\\\' has no sha256 hash"),
        ("foo>=1.0 \\\n", "'foo>=1.0 \\\\' is no pin"),
        ("foo @ https://host/foo.whl \\\n", "'foo @ https://host/foo.whl \\\\' is no pin"),
        (f"foo==1.* \\\n    --hash=sha256:{ZEROS}\n", "Invalid version: '1.*'"),
        ("foo==1.0 \\\n    --hash=md5:0\n", "'    --hash=md5:0' is neither a hash nor a comment"),
        (f"foo==1.0 \\\n    --hash=sha256:{ZEROS}0\n", f"'    --hash=sha256:{ZEROS}0' is neither a hash nor a comment"),
        (f"foo==1.0 \\\n    --hash=sha256:{ZEROS}\n    -r x\n", "'    -r x' is neither a hash nor a comment"),
        (f"foo==1.0 \\\n    --hash=sha256:{ZEROS}\n# --hash=sha256:{ONES}\n", "it holds lines that belong to no pin"),
        (f"foo==1.0 \\\n    --hash=sha256:{ZEROS}\n\nbar==1.0", "it holds lines that belong to no pin"),
        ("--index-url=https://host/\n", "'--index-url=https://host/' is no pin"),
    ],
)
def test_a_line_that_is_no_part_of_a_pin_is_told(tmp_path: Path, body: str, problem: str) -> None:
    path = lock_of(tmp_path, body)
    with pytest.raises(SystemExit) as stop:
        read_pins(path)
    assert str(stop.value) == f"{path}: {problem}; run make lock"


def test_a_hash_in_a_comment_approves_nothing(tmp_path: Path) -> None:
    path = lock_of(tmp_path, f"foo==1.0 \\\n    --hash=sha256:{ZEROS}\n    # old: --hash=sha256:{ONES}\n")
    assert [pin.sha256 for pin in read_pins(path)] == [ZEROS]
