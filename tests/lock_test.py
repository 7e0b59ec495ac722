"""scripts/lock.py: what `make lock` writes, keeps, asks of the upstream and says, with a real pip-compile."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import Checkout
from distributions import sdist, wheel
from upstream import JSON, Upstream

from scripts import CODE, lock_check, locks
from scripts.target import Target, host_platform, host_python

NAME = "requirements/3.12-manylinux_2_28_x86_64"
PATH = f"locks/{NAME}.txt"
TARGET = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\n'
RESOLVE = f"{TARGET}resolve_deps: true\n"
PIN = re.compile(r"^(\S+==\S+) ", re.MULTILINE)


def pins(checkout: Checkout, name: str = NAME) -> list[str]:
    return PIN.findall(checkout.locked(name))


def hashes(checkout: Checkout, name: str = NAME) -> list[str]:
    return [pin.sha256 for pin in locks.read_pins(checkout.path / "locks" / f"{name}.txt")]


def failure(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> str:
    """Run `make lock` on one target that cannot be solved; returns the reason it gives."""
    capfd.readouterr()
    assert checkout.lock() == 1
    out, err = capfd.readouterr()
    start, end = f"{PATH}: cannot be solved:\n", "0 locks written, 0 unchanged, 0 removed, 1 failed\n"
    assert (out, err[: len(start)], err[-len(end) :]) == ("", start, end)
    return "\n".join(line.removeprefix("    ") for line in err[len(start) : -len(end)].splitlines())


def targets(pythons: Sequence[str], platforms: Sequence[str]) -> str:
    return f"python_versions: {list(map(str, pythons))}\nplatforms: {list(platforms)}\n"


# What a lock says


def test_a_lock_is_header_and_pins_with_hash_and_origin(checkout: Checkout, upstream: Upstream) -> None:
    foo = upstream.add(wheel("Foo.Bar", "1.0", requires=["baz[x]>=2"]))
    baz = upstream.add(wheel("baz", "2.0", extras={"x": ["qux"]}))
    qux = upstream.add(wheel("qux", "0.1"))
    checkout.write("foo_bar[none]  # why\n", packages_yaml=RESOLVE)
    assert checkout.lock() == 0
    header, _, body = checkout.locked(NAME).partition("\n\n")
    fields = header.splitlines()
    assert fields[:4] == [
        "# Written by `make lock`. Change the requirements or packages.yaml and run it again.",
        "# set: requirements",
        "# target: 3.12-manylinux_2_28_x86_64",
        f"# tools: pip-compile {version('pip-tools')}, pip {version('pip')}",
    ]
    assert [re.sub("[0-9a-f]{64}", "…", field) for field in fields[4:]] == ["# inputs: sha256:…", "# pins: sha256:…"]
    assert body == (
        f"baz==2.0 \\\n    --hash=sha256:{baz.sha256}\n    # via foo-bar\n"
        f"foo-bar==1.0 \\\n    --hash=sha256:{foo.sha256}\n    # via -r requirements.in\n"
        f"qux==0.1 \\\n    --hash=sha256:{qux.sha256}\n    # via baz\n"
    )
    assert lock_check.main([]) == 0


def test_the_same_inputs_give_the_same_bytes_anywhere(checkout: Checkout, upstream: Upstream, tmp_path: Path) -> None:
    upstream.add(wheel("alpha", "1.0", requires=["beta", "gamma", "delta"]))
    for name in ("beta", "gamma", "delta"):
        upstream.add(wheel(name, "1.0", requires=["epsilon"]))
    upstream.add(wheel("epsilon", "1.0"))
    checkout.write("alpha\nbeta; os_name == 'posix'\nbeta>0; python_version > '3'\n", packages_yaml=RESOLVE)
    seen = set()
    for count, (language, zone, seed) in enumerate([("C", "UTC", "1"), ("tr_TR.ISO-8859-9", "Asia/Tokyo", "2")]):
        path = tmp_path / f"an other {count}"
        shutil.copytree(checkout.path, path)
        environment = os.environ | {
            **{"HOME": str(path / "home"), "XDG_CACHE_HOME": str(path / "cache"), "TMPDIR": str(path)},
            **{"LC_ALL": language, "TZ": zone, "PYTHONHASHSEED": seed, "PYTHONPATH": str(CODE), "COLUMNS": "40"},
        }
        command = (sys.executable, "-m", "scripts.lock", f"--upstream={upstream.url}")
        subprocess.run(command, cwd=path, env=environment, check=True, umask=0o077 * count)
        seen.add((path / PATH).read_bytes())
    assert len(seen) == 1
    assert not re.search(rb"127\.0\.0\.1|/tmp|other|root", seen.pop())


def test_an_inline_set_is_called_packages(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("foo", "1.0"))
    checkout.write(packages_yaml=f"{TARGET}packages:\n  - foo==1.0\n")
    assert checkout.lock() == 0
    text = checkout.locked("packages/3.12-manylinux_2_28_x86_64")
    assert text.startswith("# Written by `make lock`. Change packages.yaml and run it again.\n# set: packages\n")
    assert "    # via -r packages.yaml\n" in text


def test_each_set_is_solved_on_its_own(checkout: Checkout, upstream: Upstream) -> None:
    for number in ("1.0", "2.0"):
        upstream.add(wheel("foo", number))
    # A set may be called as pip-compile's output is, inside.
    checkout.write("foo<2\n", packages_yaml=f"{RESOLVE}requirements: [requirements.in, lock.txt]\n", lock_txt="foo\n")
    assert checkout.lock() == 0
    assert pins(checkout) == ["foo==1.0"]
    assert pins(checkout, "lock/3.12-manylinux_2_28_x86_64") == ["foo==2.0"]


def test_by_default_the_target_is_this_machine(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("foo", "1.0"))
    checkout.write("foo==1.0\n", packages_yaml="")
    assert checkout.lock() == 0
    assert pins(checkout, f"requirements/{host_python()}-{host_platform()}") == ["foo==1.0"]
    assert lock_check.main([]) == 0


# resolve_deps: false


def test_pins_alone_are_taken_as_listed_and_nothing_is_read_or_run(
    checkout: Checkout, upstream: Upstream, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace"
    known = [
        wheel("foo", "1.0", requires=["nowhere"]),
        wheel("foo", "2.0", requires=["nowhere"]),
        wheel("foo", "2.0+local"),
        wheel("foo", "3.0rc1"),
        wheel("bar", "1!2.0+cu12", extras={"x": ["nowhere"]}),
        sdist("src", "1.0", trace=trace, build_backend_in_tree=True),
    ]
    for file in known:
        upstream.add(file)
    upstream.add(wheel("foo", "4.0"))
    upstream.add(wheel("windows", "1.0"))
    checkout.write(
        "Foo==2.0\nfoo==1.0\nfoo==1.0.0\nfoo == 3.0.RC1\nbar[x]==1!2.0+cu12\nsrc==1.0\nwindows==1.0; os_name=='nt'\n",
        packages_yaml=f"{TARGET}allow_sdists: [src]\n",
    )
    assert checkout.lock() == 0
    assert pins(checkout) == ["bar==1!2.0+cu12", "foo==1.0", "foo==2.0", "foo==3.0rc1", "src==1.0"]
    by_name = {file.filename: file.sha256 for file in known}
    assert hashes(checkout) == [
        by_name["bar-1!2.0+cu12-py3-none-any.whl"],
        by_name["foo-1.0-py3-none-any.whl"],
        by_name["foo-2.0-py3-none-any.whl"],
        by_name["foo-3.0rc1-py3-none-any.whl"],
        by_name["src-1.0.tar.gz"],
    ]
    assert {request.path for request in upstream.requests} == {"/simple/foo/", "/simple/bar/", "/simple/src/"}
    assert not trace.exists()
    assert capfd.readouterr().err == "1 locks written, 0 unchanged, 0 removed, 0 failed\n"


def test_markers_of_pins_decide_per_target(checkout: Checkout, upstream: Upstream) -> None:
    for number in ("1.0", "2.0"):
        upstream.add(wheel("foo", number))
    checkout.write(
        "foo==1.0; sys_platform == 'win32'\nfoo==2.0; python_version >= '3.12'\n",
        packages_yaml=targets(["3.11", "3.12"], ["win_amd64", "macosx_14_0_arm64"]),
    )
    assert checkout.lock() == 0
    found = {path.stem: PIN.findall(path.read_text()) for path in locks.existing().values()}
    assert found == {
        "3.11-macosx_14_0_arm64": [],
        "3.11-win_amd64": ["foo==1.0"],
        "3.12-macosx_14_0_arm64": ["foo==2.0"],
        "3.12-win_amd64": ["foo==1.0", "foo==2.0"],
    }


def test_every_pin_that_cannot_be_had_is_told(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    for number in range(12):
        upstream.add(wheel("foo", f"1.{number}"))
    upstream.add(wheel("bar", "1.0", tag="cp312-cp312-win_amd64"))
    upstream.add(wheel("bar", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64"))
    upstream.add(wheel("bar", "1.0", requires_python=">=3.13"))
    upstream.add(sdist("src", "1.0", trace=trace, build_backend_in_tree=True))
    upstream.add(wheel("local", "1.0+cu12"))
    checkout.write(
        "# head\nfoo==2.0\nbar==1.0\n\nsrc==1.0\nnone==1.0\nlocal==1.0\n-c limits.in\n", limits_in="\nfoo>1\n"
    )
    assert failure(checkout, capfd).splitlines() == [
        "requirements.in:2: foo==2.0,>1: the upstream has no such version; name one of "
        "…, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 1.10, 1.11",
        "requirements.in:3: bar==1.0: no file fits the target; the upstream has "
        "bar-1.0-cp311-cp311-manylinux_2_17_x86_64.whl, bar-1.0-cp312-cp312-win_amd64.whl, "
        "bar-1.0-py3-none-any.whl (Requires-Python >=3.13); name another version or target",
        "requirements.in:5: src==1.0: no file fits the target; the upstream has src-1.0.tar.gz; "
        "name another version or target, or put src on allow_sdists",
        "requirements.in:6: none==1.0: the upstream has no such project; correct the name",
        "requirements.in:7: local==1.0: only local versions fit; name one in full",
    ]
    assert upstream.file_requests() == []
    assert not trace.exists()


def test_pins_obey_constraints(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("foo", "1.0"))
    checkout.write("foo==1.0\n-c limits.in\n", limits_in="foo<2\nbar<2\n")
    assert checkout.lock() == 0
    assert pins(checkout) == ["foo==1.0"]


# resolve_deps: true


def test_the_closure_is_that_of_the_target(checkout: Checkout, upstream: Upstream) -> None:
    needs = [
        "nt; os_name == 'nt'",
        "posix; os_name == 'posix'",
        "arm; platform_machine == 'arm64' or platform_machine == 'aarch64' or platform_machine == 'ARM64'",
        "x86; platform_machine in 'x86_64 AMD64'",
        "old; python_version < '3.10'",
        "new; python_full_version >= '3.10.0'",
        "darwin; sys_platform == 'darwin' and platform_system == 'Darwin'",
        "cpython; implementation_name == 'cpython' and platform_python_implementation == 'CPython'",
        "pypy; implementation_name != 'cpython'",
    ]
    upstream.add(wheel("foo", "1.0", requires=needs, extras={"x": ["extra"], "y": ["other"]}))
    for name in [need.partition(";")[0] for need in needs] + ["extra", "other"]:
        upstream.add(wheel(name, "1.0"))
    checkout.write(
        "foo[x]\n",
        packages_yaml="resolve_deps: true\n"
        + targets(["3.9", "3.14t"], ["win_arm64", "macosx_14_0_arm64", "musllinux_1_2_x86_64"]),
    )
    assert checkout.lock() == 0
    found = {
        path.stem: {pin.partition("==")[0] for pin in PIN.findall(path.read_text())}
        for path in locks.existing().values()
    }
    common = {"foo", "cpython", "extra"}
    systems = {
        "win_arm64": {"nt", "arm"},
        "macosx_14_0_arm64": {"posix", "arm", "darwin"},
        "musllinux_1_2_x86_64": {"posix", "x86"},
    }
    assert found == {
        f"{python}-{platform}": common | needed | more
        for python, more in (("3.9", {"old"}), ("3.14t", {"new"}))
        for platform, needed in systems.items()
    }
    # METADATA came from the sidecars.
    assert upstream.file_requests() == []


def test_the_pythons_that_metadata_names_are_the_targets(checkout: Checkout, upstream: Upstream) -> None:
    # The page says nothing of them, so that only METADATA can.
    upstream.add(wheel("foo", "1.0", requires_python="<3.9"), requires_python=False)
    upstream.add(wheel("foo", "2.0", requires_python=">=3.15"), requires_python=False)
    checkout.write("foo\n", packages_yaml=f"resolve_deps: true\n{targets(['3.8', '3.15'], ['win_amd64'])}")
    assert checkout.lock() == 0
    assert pins(checkout, "requirements/3.8-win_amd64") == ["foo==1.0"]
    assert pins(checkout, "requirements/3.15-win_amd64") == ["foo==2.0"]


TAGS = {
    "3.8-win_amd64": "cp36-abi3-win_amd64",
    "3.13t-win_arm64": "cp313-cp313t-win_arm64",
    "3.13-win_arm64": "cp313-cp313-win_arm64",
    "3.12-musllinux_1_2_aarch64": "cp312-cp312-musllinux_1_1_aarch64",
    "3.12-manylinux_2_28_aarch64": "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "3.9-macosx_14_0_arm64": "cp39-cp39-macosx_10_9_universal2",
    "3.9-macosx_14_0_x86_64": "cp39-cp39-macosx_10_9_universal2",
    "3.15-manylinux_2_34_x86_64": "cp38-abi3-manylinux_2_28_x86_64",
}


def test_the_one_file_is_the_one_that_the_target_takes(checkout: Checkout, upstream: Upstream) -> None:
    files = {tag: upstream.add(wheel("foo", "1.0", tag=tag)) for tag in TAGS.values()}
    # All newer, and none for these targets.
    for tag in (
        "cp312-cp312-manylinux_2_40_aarch64",
        "cp313-cp313-win32",
        "cp39-abi3-win_amd64",
        "pp310-pypy310_pp73-win_arm64",
    ):
        upstream.add(wheel("foo", "2.0", tag=tag))
    upstream.add(wheel("foo", "3.0", requires_python="<3.8"))
    upstream.add(wheel("foo", "3.0", tag="cp312-cp312-macosx_15_0_arm64"))
    upstream.add(sdist("foo", "4.0"))
    sets = {
        name: [Target.parse(one) for one in TAGS if one.startswith(name)] for name in ("3.8", "3.9", "3.12", "3.13")
    }
    for name, wanted in {
        **sets,
        "3.13t": [Target.parse("3.13t-win_arm64")],
        "3.15": [Target.parse("3.15-manylinux_2_34_x86_64")],
    }.items():
        chosen = [target for target in wanted if target.python == name]
        packages_yaml = targets([name], [target.platform for target in chosen])
        checkout.write("foo\n", packages_yaml=f"resolve_deps: true\n{packages_yaml}")
        assert checkout.lock() == 0
        assert {str(target): hashes(checkout, f"requirements/{target}") for target in chosen} == {
            str(target): [files[TAGS[str(target)]].sha256] for target in chosen
        }
    assert upstream.file_requests() == []


def test_without_sidecars_only_the_wheel_that_is_taken_is_downloaded(checkout: Checkout, upstream: Upstream) -> None:
    upstream.json = False
    for number in ("1.0", "2.0"):
        upstream.add(wheel("foo", number, requires=["bar"]), sidecar=False)
    upstream.add(wheel("bar", "1.0"), sidecar=False, hashes=False)
    checkout.write("foo\n", packages_yaml=RESOLVE)
    assert checkout.lock() == 0
    assert pins(checkout) == ["bar==1.0", "foo==2.0"]
    assert set(upstream.file_requests()) == {"foo-2.0-py3-none-any.whl", "bar-1.0-py3-none-any.whl"}


def test_an_index_without_hashes_costs_one_download_a_pin(checkout: Checkout, upstream: Upstream) -> None:
    files = [upstream.add(wheel("foo", number), hashes=False) for number in ("1.0", "2.0")]
    checkout.write("foo==1.0\n")
    assert checkout.lock() == 0
    assert hashes(checkout) == [files[0].sha256]
    assert upstream.file_requests() == [files[0].filename]


def test_a_yanked_release_is_taken_only_where_it_is_pinned(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.add(wheel("foo", "1.0"))
    upstream.add(wheel("foo", "2.0"), yanked="broken")
    upstream.add(wheel("bar", "2.0"), yanked="broken")
    checkout.write("foo\nbar==2.0\n", packages_yaml=RESOLVE)
    assert checkout.lock() == 0
    assert pins(checkout) == ["bar==2.0", "foo==1.0"]
    checkout.write("bar\n")
    capfd.readouterr()
    assert checkout.lock("--upgrade") == 1
    assert capfd.readouterr().err.splitlines()[1] == (
        "    requirements.in:1: bar: no file fits the target; the upstream has bar-2.0-py3-none-any.whl (yanked); "
        "name another version or target"
    )


def test_an_sdist_is_never_run_unless_it_is_allowed(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    upstream.add(wheel("foo", "1.0"))
    source = upstream.add(sdist("foo", "2.0", requires=["bar"], trace=trace, build_backend_in_tree=True))
    upstream.add(wheel("bar", "1.0"))
    checkout.write("foo\n", packages_yaml=RESOLVE)
    assert checkout.lock() == 0
    assert pins(checkout) == ["foo==1.0"]
    assert not trace.exists()
    capfd.readouterr()
    checkout.write("foo>1\n", packages_yaml=f"{RESOLVE}allow_sdists: [foo]\n")
    assert checkout.lock() == 0
    assert pins(checkout) == ["bar==1.0", "foo==2.0"]
    assert source.sha256 in hashes(checkout)
    assert trace.exists()
    assert capfd.readouterr().err == (
        "To read an sdist's dependencies is to run its code; allow_sdists permits it for: foo\n"
        "1 locks written, 0 unchanged, 0 removed, 0 failed\n"
    )


def test_a_wheel_comes_before_an_allowed_sdist_of_its_version(checkout: Checkout, upstream: Upstream) -> None:
    file = upstream.add(wheel("foo", "1.0"))
    upstream.add(sdist("foo", "1.0"))
    checkout.write("foo\n", packages_yaml=f"{RESOLVE}allow_sdists: [foo]\n")
    assert checkout.lock() == 0
    assert hashes(checkout) == [file.sha256]


def test_a_file_that_is_no_longer_allowed_does_not_stay(checkout: Checkout, upstream: Upstream) -> None:
    source = upstream.add(sdist("foo", "1.0"))
    checkout.write("foo==1.0\n", packages_yaml=f"{TARGET}allow_sdists: [foo]\n")
    assert checkout.lock() == 0
    assert hashes(checkout) == [source.sha256]
    built = upstream.add(wheel("foo", "1.0"))
    checkout.write("foo==1.0\n", packages_yaml=TARGET)
    assert checkout.lock() == 0
    assert hashes(checkout) == [built.sha256]


# What stays


@pytest.fixture
def locked(checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]) -> Checkout:
    """Two locks whose projects have had newer versions since."""
    upstream.add(wheel("foo", "1.0", requires=["bar"]))
    upstream.add(wheel("bar", "1.0"))
    checkout.write("foo\n", packages_yaml=f"{RESOLVE}requirements: [requirements.in, dev.in]\n", dev_in="bar\n")
    assert checkout.lock() == 0
    upstream.add(wheel("foo", "2.0", requires=["bar"]))
    upstream.add(wheel("bar", "2.0"))
    upstream.add(wheel("bar", "1.0", tag="cp312-none-any"))
    upstream.requests.clear()
    capfd.readouterr()
    return checkout


def test_a_second_lock_changes_nothing_and_asks_nothing(
    locked: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in locks.existing().values()}
    assert locked.lock() == 0
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in locks.existing().values()} == before
    assert upstream.requests == []
    assert capfd.readouterr().err == "0 locks written, 2 unchanged, 0 removed, 0 failed\n"


def test_existing_pins_and_files_are_kept(locked: Checkout, upstream: Upstream) -> None:
    before = hashes(locked)
    upstream.add(wheel("baz", "1.0"))
    locked.write("foo>0\nbaz\n")
    assert locked.lock() == 0
    assert pins(locked) == ["bar==1.0", "baz==1.0", "foo==1.0"]
    assert set(before) < set(hashes(locked))
    # The other set's locks were up to date.
    assert "/simple/bar/" in upstream.page_requests()
    assert PIN.findall(locked.locked("dev/3.12-manylinux_2_28_x86_64")) == ["bar==1.0"]


def test_a_better_file_of_a_pin_comes_with_an_upgrade(checkout: Checkout, upstream: Upstream) -> None:
    file = upstream.add(wheel("foo", "1.0"))
    checkout.write("foo==1.0\n")
    assert checkout.lock() == 0
    better = upstream.add(wheel("foo", "1.0", tag="cp312-none-any"))
    bar = upstream.add(wheel("bar", "1.0"))
    checkout.write("foo==1.0\nbar==1.0\n")
    assert checkout.lock() == 0
    assert hashes(checkout) == [bar.sha256, file.sha256]
    assert checkout.lock("--upgrade") == 0
    assert hashes(checkout) == [bar.sha256, better.sha256]


def test_a_pin_that_no_longer_fits_moves(locked: Checkout) -> None:
    locked.write("foo\nbar>1\n")
    assert locked.lock() == 0
    assert pins(locked) == ["bar==2.0", "foo==1.0"]


def test_upgrade_moves_everything(locked: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    assert locked.lock("--upgrade") == 0
    assert pins(locked) == ["bar==2.0", "foo==2.0"]
    assert pins(locked, "dev/3.12-manylinux_2_28_x86_64") == ["bar==2.0"]
    assert capfd.readouterr().err == "2 locks written, 0 unchanged, 0 removed, 0 failed\n"


def test_upgrade_of_one_project_moves_only_that(locked: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    assert locked.lock("--upgrade", "--package=Foo") == 0
    assert pins(locked) == ["bar==1.0", "foo==2.0"]
    assert pins(locked, "dev/3.12-manylinux_2_28_x86_64") == ["bar==1.0"]
    assert capfd.readouterr().err == "1 locks written, 1 unchanged, 0 removed, 0 failed\n"


@pytest.mark.parametrize("package", ["baz", "foo==2.0", "--index-url=https://evil/"])
def test_upgrade_of_a_project_that_no_lock_pins_is_refused(locked: Checkout, upstream: Upstream, package: str) -> None:
    with pytest.raises(SystemExit) as stop:
        locked.lock("--upgrade", f"--package={package}")
    assert str(stop.value) == f"PACKAGE={package}: no lock pins that project; name one that stands in locks/"
    assert upstream.requests == []


def test_a_pin_that_is_edited_by_hand_is_made_anew(locked: Checkout) -> None:
    path = locked.path / PATH
    before = path.read_text()
    evil = "foo==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n--index-url=https://evil/\n--pre\nevil==1.0\n"
    path.write_text(before.partition("\n\n")[0] + f"\n\nbar @ https://evil/\n{evil}")
    assert locked.lock() == 0
    assert pins(locked) == ["bar==2.0", "foo==1.0"]
    assert "0" * 64 not in path.read_text()
    assert "evil" not in path.read_text()


def test_what_is_no_longer_asked_for_loses_its_lock(locked: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    locks_folder = locked.path / "locks"
    (locks_folder / "notes.txt").write_text("ours\n")
    shutil.copy(locked.path / PATH, locks_folder / "requirements" / "3.11-win_amd64.txt")
    locked.write("foo\n", packages_yaml=RESOLVE)
    assert locked.lock() == 0
    assert sorted(str(path.relative_to(locks_folder)) for path in locks_folder.rglob("*")) == [
        "notes.txt",
        "requirements",
        f"{NAME}.txt",
    ]
    assert capfd.readouterr().err == "0 locks written, 1 unchanged, 2 removed, 0 failed\n"


# What goes wrong


def test_lock_alone_moves_no_package(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("foo", "1.0"))
    checkout.write("foo\n", packages_yaml=RESOLVE)
    with pytest.raises(SystemExit) as refused:
        checkout.lock("--package=foo")
    assert str(refused.value) == "PACKAGE=foo: make lock moves nothing; run make upgrade PACKAGE=foo"


def test_locks_that_cannot_be_written_are_told(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("foo", "1.0"))
    checkout.write("foo\n", packages_yaml=RESOLVE)
    (checkout.path / "locks").write_text("a file")
    with pytest.raises(SystemExit) as refused:
        checkout.lock()
    assert str(refused.value) == "locks/requirements: Not a directory; mend that, then run make lock again"


def test_a_version_edited_by_hand_is_kept_with_its_own_hash(locked: Checkout) -> None:
    path = locked.path / PATH
    before = path.read_text()
    path.write_text(before.replace("foo==1.0 ", "foo==2.0 "))
    assert locked.lock() == 0
    assert "foo==2.0" in pins(locked)
    assert hashes(locked) != re.findall("sha256:([0-9a-f]{64})", before.partition("\n\n")[2])


def test_a_target_that_cannot_be_solved_does_not_hold_up_the_others(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.add(wheel("foo", "1.0", tag="cp312-cp312-win_amd64"))
    upstream.add(wheel("bar", "1.0", requires=["foo>0"]))
    packages_yaml = (
        f"resolve_deps: true\nrequirements: [requirements.in, dev.in]\n{targets(['3.12'], ['win_amd64', 'win_arm64'])}"
    )
    checkout.write("bar\n", packages_yaml=packages_yaml, dev_in="bar\nnone\n")
    assert checkout.lock() == 1
    fact = "no file fits the target; the upstream has foo-1.0-cp312-cp312-win_amd64.whl; name another version or target"
    no_project = "    dev.in:2: none: the upstream has no such project; correct the name"
    assert capfd.readouterr().err.splitlines() == [
        "locks/dev/3.12-win_amd64.txt,",
        "locks/dev/3.12-win_arm64.txt: cannot be solved:",
        no_project,
        "locks/requirements/3.12-win_arm64.txt: cannot be solved:",
        f"    bar 1.0 needs foo>0: {fact}",
        "1 locks written, 0 unchanged, 0 removed, 3 failed",
    ]
    assert pins(checkout, "requirements/3.12-win_amd64") == ["bar==1.0", "foo==1.0"]


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        (
            "\na\nb==1.0\n",
            "these exclude each other:\n  a 1.0 needs c>=2\n  b 1.0 needs c<2",
        ),
        (
            "c==1.0  # one\n\nc==2.0\n",
            "these exclude each other:\n  requirements.in:1: c==1.0\n  requirements.in:3: c==2.0",
        ),
        (
            "a\n-c limits.in\n",
            "these exclude each other:\n  a 1.0 needs c>=2\n  a constraint, or another pin, asks for c<2",
        ),
        ("b\n-r other.in\n", "these exclude each other:\n  b 1.0 needs c<2\n  other.in:2: c>=2"),
        ("d\n", "d 1.0 needs Python >=3.13"),
        ("c==7\n", "requirements.in:1: c==7: the upstream has no such version; name one of 1.0, 2.0"),
        ("e\n", "requirements.in:1: e: the metadata of each file that fits is invalid; name another version"),
    ],
)
def test_the_reason_is_told(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str], requirements: str, reason: str
) -> None:
    for number in ("1.0", "2.0"):
        upstream.add(wheel("c", number))
    upstream.add(wheel("a", "1.0", requires=["c>=2"]))
    upstream.add(wheel("b", "1.0", requires=["c<2"]))
    upstream.add(wheel("d", "1.0", requires_python=">=3.13"), requires_python=False)
    upstream.add(wheel("e", "1.0", requires=["no requirement!"]))
    checkout.write(requirements, packages_yaml=RESOLVE, limits_in="c<2\n", other_in="# first\nc>=2\n")
    assert failure(checkout, capfd) == reason


def test_a_wheel_whose_metadata_lies_is_refused(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    file = upstream.add(wheel("foo", "1.0", metadata=wheel("bar", "2.0").metadata))
    checkout.write("foo\n", packages_yaml=RESOLVE)
    url = f"{upstream.url.removesuffix('simple/')}files/{file.sha256[:2]}/{file.filename}"
    assert failure(checkout, capfd) == (
        f"requirements.in:1: foo: pip refuses {file.filename}: Requested foo from {url} (from -r requirements.in "
        "(line 1)) has inconsistent Name: expected 'foo', but metadata has 'bar'; name another version"
    )


@pytest.mark.parametrize(
    "page",
    [
        (JSON, b'{"files": ['),
        (JSON, b"[]"),
        (JSON, b'{"files": 3}'),
        (JSON, b'{"files": [3]}'),
        (JSON, b"\xff\xfe\x00"),
        ("text/html", b"\xff\xfe\x00"),
        ("image/png", b"\x89PNG"),
    ],
    ids=["cut", "no object", "no list", "no file", "no text", "no HTML", "an image"],
)
def test_an_upstream_that_answers_nonsense_is_told(
    checkout: Checkout, capfd: pytest.CaptureFixture[str], page: tuple[str, bytes]
) -> None:
    class Wrong(Upstream):
        def content(self, path: str, accept: str) -> tuple[str, bytes | None]:  # noqa: ARG002
            return page

    with Wrong() as upstream:
        checkout.upstream = upstream
        checkout.write("foo==1.0\n")
        assert failure(checkout, capfd) == f"{upstream.url}foo/: not a page of a package index; is UPSTREAM right?"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "too many 500 error responses"),
        ("truncate", "Connection broken: IncompleteRead(…)"),
        ("down", "connection error: [Errno 111] Connection refused"),
    ],
)
def test_an_upstream_that_is_down_is_told(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str], fault: str, reason: str
) -> None:
    upstream.add(wheel("foo", "1.0"))
    checkout.write("foo==1.0\n")
    if fault == "down":
        upstream.stop()
    else:
        upstream.fault("/simple/foo/", "500" if fault == "500" else "truncate")
    told = re.sub(r"\(.*\)", "(…)", failure(checkout, capfd))
    assert told == f"{upstream.url}foo/: {reason}; is UPSTREAM right, and up?"


def test_a_sidecar_that_does_not_match_its_digest_is_refused(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    file = upstream.add(wheel("foo", "1.0"))
    upstream.fault(f"{file.filename}.metadata", "nonsense")
    checkout.write("foo\n", packages_yaml=RESOLVE)
    assert failure(checkout, capfd) == (
        "foo: what the upstream sends does not have the sha256 that its page or the lock says; name another version"
    )


def test_a_failure_leaves_the_lock_that_stands(locked: Checkout, upstream: Upstream) -> None:
    before = locked.locked(NAME)
    upstream.stop()
    assert locked.lock("--upgrade") == 1
    assert locked.locked(NAME) == before


def test_a_bad_input_asks_nothing_and_changes_nothing(locked: Checkout, upstream: Upstream) -> None:
    before = {path: path.read_bytes() for path in locks.existing().values()}
    locked.write("foo @ https://evil/foo.whl\n")
    with pytest.raises(SystemExit) as stop:
        locked.lock()
    assert str(stop.value) == (
        "requirements.in:1: 'foo @ https://evil/foo.whl' is a URL or a path, a side door past the review; "
        "name a project of the index instead"
    )
    assert {path: path.read_bytes() for path in locks.existing().values()} == before
    assert upstream.requests == []


def test_a_terminal_shows_how_many_targets_are_done(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("foo", "1.0"))
    checkout.write("foo==1.0\n", packages_yaml=targets(["3.11", "3.12"], ["win_amd64"]))
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "scripts.lock", f"--upstream={upstream.url}")
    with subprocess.Popen(command, stderr=theirs, env=os.environ | {"PYTHONPATH": str(CODE)}) as running:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # a pty ends with EIO
            while chunk := os.read(ours, 4096):
                shown += chunk
        os.close(ours)
    assert running.returncode == 0
    assert b"Locking 2 targets" in shown
    assert b"Locking: 1 of 2 targets done" in shown
    assert shown.endswith(b"\r\x1b[K2 locks written, 0 unchanged, 0 removed, 0 failed\r\n")


def test_an_extra_that_asks_for_another_version_is_told(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.add(wheel("app", "1.0", requires=["beta[x]>=2", "mid"]))
    upstream.add(wheel("mid", "1.0", requires=["beta<2"]))
    for number in ("1.0", "2.0"):
        upstream.add(wheel("beta", number, extras={"x": []}))
    checkout.write("app\n", packages_yaml=RESOLVE)
    said = failure(checkout, capfd)
    assert said.startswith("these exclude each other:\n")
    assert "  mid 1.0 needs beta<2" in said.splitlines()


def test_what_the_upstream_says_is_nothing_that_a_terminal_obeys(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.add(wheel("alpha", "1.0"), requires_python="===\x1b[31m3")
    checkout.write("alpha==1.0\n", packages_yaml=TARGET)
    said = failure(checkout, capfd)
    assert "\x1b" not in said
    assert "alpha-1.0-py3-none-any.whl" in said
