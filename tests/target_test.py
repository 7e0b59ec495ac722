"""What a target accepts, against packaging in real interpreters, pip's own tags and a real pip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from functools import cache
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import packaging
import pytest
from client_tools import pip_options
from interpreters import found
from packaging.markers import Environment, Marker
from packaging.specifiers import SpecifierSet
from packaging.tags import platform_tags
from pip._internal.models.target_python import TargetPython

from scripts.target import Target, host_platform, host_python, platform_problem, python_problem

SITE_PACKAGES = Path(packaging.__file__).parents[1]
CHECKOUT = Path(__file__).parents[1]
TARGETS = (
    "3.8-manylinux1_i686",
    "3.9.18-manylinux2014_aarch64",
    "3.12-manylinux_2_28_x86_64",
    "3.13t-musllinux_1_2_x86_64",
    "3.14-macosx_10_15_x86_64",
    "3.14t-macosx_14_0_arm64",
    "3.15-win_amd64",
    "3.15t-win_arm64",
)
WHEEL_TAGS = (
    "cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64",
    "cp312-cp312-manylinux_2_29_x86_64",
    "cp312-cp312-musllinux_1_2_x86_64",
    "cp312-cp312-win_amd64",
    "cp312-none-any",
    "cp38-abi3-manylinux1_x86_64",
    "cp313-cp313-musllinux_1_1_x86_64",
    "cp313-cp313t-musllinux_1_1_x86_64",
    "cp313-abi3-musllinux_1_1_x86_64",
    "cp314-cp314t-macosx_11_0_arm64",
    "cp314-cp314t-macosx_15_0_arm64",
    "cp315-abi3-win_arm64",
    "cp315-abi3t-win_arm64",
    "cp315-none-win_arm64",
    "cp39-abi3-win_amd64",
    "py2.py3-none-any",
    "py3-none-linux_x86_64",
    "py3-none-macosx_10_9_universal2",
    "py3-none-manylinux2014_x86_64",
    "py3-none-win_amd64",
)


def run(python: Path, code: str, *path: Path, **environ: str) -> Any:
    """What the code prints as JSON, with nothing but the standard library and this path to import from."""
    code = f"import json, sys; sys.path += sys.argv[1:]; {code}"
    command = (str(python), "-I", "-S", "-B", "-c", code, *map(str, path))
    return json.loads(subprocess.run(command, capture_output=True, check=True, env=environ).stdout)


@cache
def interpreter_says(version: str) -> dict[str, Any]:
    code = (
        "from packaging.markers import default_environment as e; from packaging.tags import sys_tags as t;"
        "print(json.dumps({'environment': e(), 'tags': list(map(str, t()))}))"
    )
    answer: dict[str, Any] = run(found()[version], code, SITE_PACKAGES)
    return answer


# packaging no longer runs on the oldest, and this project's own modules need 3.11.
_RUNS_PACKAGING = SpecifierSet(metadata("packaging")["Requires-Python"])
on_interpreters = pytest.mark.parametrize("version", [v for v in found() if v.removesuffix("t") in _RUNS_PACKAGING])
on_newer_interpreters = pytest.mark.parametrize("version", [v for v in found() if v not in {"3.8", "3.9", "3.10"}])
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks packaging on Linux about Linux")


@pytest.mark.parametrize("text", TARGETS)
def test_a_target_is_read_as_it_is_written(text: str) -> None:
    assert str(Target.parse(text)) == text


def test_targets_of_the_same_text_are_equal() -> None:
    assert Target.parse("3.12-win32") == Target("3.12", "win32")


@pytest.mark.parametrize("text", ["3.8", "3.9", "3.10", "3.15", "3.9.18", "3.12.0", "3.13t", "3.14.2t", "3.15t"])
def test_a_cpython_from_3_8_to_3_15_is_no_problem(text: str) -> None:
    assert python_problem(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "2.7", "3", "3.7", "3.1", "3.16", "3.08", "3.12.x", "3.12.01", "3.14tt", "cp312", "3.12\n", "3.１2"],
)
def test_another_python_is_refused(text: str) -> None:
    assert python_problem(text) == (
        f'"{text}" is not a CPython from 3.8 to 3.15; write it as "3.12", or "3.14t" for a free-threaded build'
    )


def test_a_python_without_free_threaded_builds_is_refused() -> None:
    assert python_problem("3.12.4t") == (
        '"3.12.4t" does not exist: free-threaded builds begin with 3.13; write it as "3.12.4"'
    )


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("any", "manylinux_2_28_x86_64"),
        ("", "manylinux_2_28_x86_64"),
        ("win64", "win_amd64"),
        ("win_x86_64", "win_amd64"),
        ("WIN_AMD64", "win_amd64"),
        ("win-arm64", "win_arm64"),
        ("win_aarch64", "win_arm64"),
        ("macosx_14_0_aarch64", "macosx_14_0_arm64"),
        ("macosx-13.0-x86_64", "macosx_13_0_x86_64"),
        ("macosx_14_arm64", "macosx_14_0_arm64"),
        ("macosx_10_9_arm64", "macosx_14_0_arm64"),
        ("macosx_10_3_x86_64", "macosx_14_0_x86_64"),
        ("manylinux_2_28", "manylinux_2_28_x86_64"),
        ("manylinux_2_28_amd64", "manylinux_2_28_x86_64"),
        ("manylinux_2_31_arm64", "manylinux_2_31_aarch64"),
        ("manylinux_2_28_i386", "manylinux_2_28_i686"),
        ("manylinux_2_4_x86_64", "manylinux_2_28_x86_64"),
        ("manylinux2010_aarch64", "manylinux_2_28_aarch64"),
        ("musllinux_1_2_amd64", "musllinux_1_2_x86_64"),
    ],
)
def test_another_platform_is_refused_with_the_nearest_name(text: str, nearest: str) -> None:
    expected = f'"{text}" is not a supported platform; write a name such as "{nearest}"'
    assert (platform_problem(text), platform_problem(nearest)) == (expected, None)


@pytest.mark.parametrize(
    ("text", "cpu"), [("linux", "x86_64"), ("linux_amd64", "x86_64"), ("linux_aarch64", "aarch64")]
)
def test_linux_alone_is_refused_because_it_names_no_c_library(text: str, cpu: str) -> None:
    assert platform_problem(text) == (
        f'"{text}" names no C library; write "manylinux_2_28_{cpu}" for glibc, or "musllinux_1_2_{cpu}" for musl'
    )


@pytest.mark.parametrize(("text", "problem"), [("2.7-win32", python_problem("2.7")), ("3.12", platform_problem(""))])
def test_a_target_that_is_no_machine_cannot_be_made(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - its whole text is compared
        Target.parse(text)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    ("platform", "accepted"),
    [
        ("manylinux_2_6_i686", "linux_i686 manylinux_2_6_i686 manylinux_2_5_i686 manylinux1_i686"),
        ("manylinux1_x86_64", "linux_x86_64 manylinux_2_5_x86_64 manylinux1_x86_64"),
        ("manylinux2014_armv7l", "linux_armv7l manylinux_2_17_armv7l manylinux2014_armv7l"),
        ("musllinux_1_1_aarch64", "linux_aarch64 musllinux_1_1_aarch64 musllinux_1_0_aarch64"),
        ("win_arm64", "win_arm64"),
    ],
)
def test_a_platform_accepts_its_own_tag_and_every_older_one(platform: str, accepted: str) -> None:
    assert Target("3.12", platform).platforms == tuple(accepted.split())


def test_macos_accepts_older_and_universal_wheels() -> None:
    platforms = Target("3.12", "macosx_12_3_arm64").platforms
    assert platforms[:4] == (
        "macosx_12_0_arm64",
        "macosx_12_0_universal2",
        "macosx_11_0_arm64",
        "macosx_11_0_universal2",
    )
    assert platforms[4:] == tuple(f"macosx_10_{minor}_universal2" for minor in range(16, 3, -1))


def test_the_host_accepts_what_packaging_says() -> None:
    assert Target("3.12", host_platform()).platforms == tuple(platform_tags())


@on_linux
@pytest.mark.parametrize("cpu", ["aarch64", "ppc64le", "s390x", "riscv64", "loongarch64"])
def test_another_linux_cpu_accepts_what_packaging_says_there(cpu: str) -> None:
    code = "from packaging.tags import platform_tags; print(json.dumps(list(platform_tags())))"
    there = run(Path(sys.executable), code, SITE_PACKAGES, _PYTHON_HOST_PLATFORM=f"linux-{cpu}")
    assert Target("3.12", there[1]).platforms == tuple(there)


@on_interpreters
def test_a_target_has_the_tags_of_the_real_interpreter(version: str) -> None:
    assert [str(tag) for tag in Target(version, host_platform()).tags] == interpreter_says(version)["tags"]


@on_interpreters
def test_a_target_has_the_markers_of_the_real_interpreter(version: str) -> None:
    varies = ("implementation_version", "python_full_version", "platform_release", "platform_version")
    real = interpreter_says(version)["environment"]
    expected = Target(version, host_platform()).environment
    assert real == expected | {name: real[name] for name in varies}


@on_newer_interpreters
def test_an_interpreter_knows_its_own_target(version: str) -> None:
    code = "from scripts.target import *; print(json.dumps((host_python(), host_platform())))"
    assert run(found()[version], code, SITE_PACKAGES, CHECKOUT) == [version, host_platform()]


@pytest.mark.parametrize(
    ("platform", "os_name", "sys_platform", "system", "machine"),
    [
        ("manylinux2014_x86_64", "posix", "linux", "Linux", "x86_64"),
        ("manylinux_2_31_armv7l", "posix", "linux", "Linux", "armv7l"),
        ("musllinux_1_2_i686", "posix", "linux", "Linux", "i686"),
        ("macosx_10_15_x86_64", "posix", "darwin", "Darwin", "x86_64"),
        ("macosx_14_0_arm64", "posix", "darwin", "Darwin", "arm64"),
        ("win32", "nt", "win32", "Windows", "x86"),
        ("win_amd64", "nt", "win32", "Windows", "AMD64"),
        ("win_arm64", "nt", "win32", "Windows", "ARM64"),
    ],
)
def test_markers_are_those_of_the_platform(
    platform: str, os_name: str, sys_platform: str, system: str, machine: str
) -> None:
    assert Target("3.14.2t", platform).environment == {
        "implementation_name": "cpython",
        "implementation_version": "3.14.2",
        "os_name": os_name,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": "3.14.2",
        "python_version": "3.14",
        "sys_platform": sys_platform,
    }


def test_markers_are_all_that_packaging_knows() -> None:
    assert set(Target("3.12", "win32").environment) == set(Environment.__annotations__)


@pytest.mark.parametrize("marker", ['platform_release >= "1"', 'platform_release < "99"', 'platform_version < "99"'])
def test_no_bound_on_an_unknown_release_holds(marker: str) -> None:
    assert not Marker(marker).evaluate(Target("3.12", "win32").environment)


@pytest.mark.parametrize(
    ("python", "abi", "version"),
    [("3.8", "cp38", (3, 8, 0)), ("3.12.4", "cp312", (3, 12, 4)), ("3.14.1t", "cp314t", (3, 14, 1))],
)
def test_a_python_has_an_abi_and_a_full_version(python: str, abi: str, version: tuple[int, int, int]) -> None:
    target = Target(python, "win32")
    assert (target.abi, target.version) == (abi, version)


def without_old_aliases(tags: list[str]) -> list[str]:
    return [tag for tag in tags if "-manylinux1_" not in tag and "-manylinux2010_" not in tag]


@pytest.mark.parametrize("text", TARGETS)
def test_pip_accepts_the_same_tags_in_the_same_order_but_for_two_old_aliases(text: str) -> None:
    target = Target.parse(text)
    pip = TargetPython(list(target.platforms), target.version, [target.abi], "cp")
    theirs, ours = list(map(str, pip.get_sorted_tags())), list(map(str, target.tags))
    assert sorted(theirs) == sorted(ours)
    # For --platform=manylinux2014_x86_64 pip lists the older two at once, ahead of manylinux_2_16.
    assert without_old_aliases(theirs) == without_old_aliases(ours)


def write_wheel(folder: Path, name: str, version: str, tag: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        info = f"{name}-{version}.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.mark.parametrize("text", [t for t in TARGETS if "i686" not in t and "aarch64" not in t])
def test_pip_downloads_just_what_the_target_accepts(text: str, tmp_path: Path) -> None:
    target = Target.parse(text)
    upstream, downloads = tmp_path / "upstream", tmp_path / "downloads"
    upstream.mkdir()
    names = [f"p{number}" for number in range(len(WHEEL_TAGS))]
    for name, tag in zip(names, WHEEL_TAGS, strict=True):
        write_wheel(upstream, name, "1", "py3-none-any")
        write_wheel(upstream, name, "2", tag)
    command = (
        sys.executable,
        "-m",
        "pip",
        "--isolated",
        "download",
        "--no-index",
        f"--find-links={upstream}",
    )
    options = ("--only-binary=:all:", "--no-deps", f"--dest={downloads}", *pip_options(target))
    subprocess.run(
        (*command, *options, *names),
        check=True,
        env=os.environ | {"PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
    )
    expected = {
        f"{name}-2-{tag}.whl" if target.accepts(f"{name}-2-{tag}.whl") else f"{name}-1-py3-none-any.whl"
        for name, tag in zip(names, WHEEL_TAGS, strict=True)
    }
    assert {path.name for path in downloads.iterdir()} == expected


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("3.12-manylinux_2_28_x86_64", {0, 4, 5, 15, 16, 18}),
        ("3.13t-musllinux_1_2_x86_64", {7, 15, 16}),
        ("3.14t-macosx_14_0_arm64", {9, 15, 17}),
        ("3.15-win_amd64", {14, 15, 19}),
        ("3.15t-win_arm64", {12, 13, 15}),
    ],
)
def test_a_target_accepts_a_wheel_whose_tags_it_has(text: str, accepted: set[int]) -> None:
    target = Target.parse(text)
    expected = [tag for number, tag in enumerate(WHEEL_TAGS) if number in accepted]
    assert [tag for tag in WHEEL_TAGS if target.accepts(f"demo-1.0-{tag}.whl")] == expected


def test_what_is_no_wheel_cannot_be_asked_about() -> None:
    with pytest.raises(ValueError, match=r"demo-1\.0\.tar\.gz is not the name of a wheel"):
        Target("3.12", "win32").accepts("demo-1.0.tar.gz")


def test_the_host_is_a_target() -> None:
    assert python_problem(host_python()) is None
