"""scripts/inside.py: what a wheel would put where, by its list of files alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from distributions import sdist, wheel

from scripts.inside import Inside, look

ENTRY = "alpha-1.0.dist-info/entry_points.txt"


def inside(folder: Path, **files: bytes | str) -> Inside:
    """Return what is in a wheel of files, by their names."""
    data = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    one = wheel("alpha", "1.0", files=data)
    found = look(one.save(folder), one.sha256)[1]
    assert found is not None
    return found._replace(contents=frozenset())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alpha/__init__.py", Inside(names=frozenset({"alpha"}))),
        ("alpha.py", Inside(names=frozenset({"alpha"}))),
        ("_alpha.cpython-312-x86_64-linux-gnu.so", Inside(names=frozenset({"_alpha"}))),
        ("alpha-1.0.data/purelib/beta/x.py", Inside(names=frozenset({"beta"}))),
        ("alpha-1.0.data/data/lib/python3.12/site-packages/beta.py", Inside(names=frozenset({"beta"}))),
        ("alpha-1.0.data/data/Lib/site-packages/beta.pth", Inside(startup=frozenset({"beta.pth"}))),
        ("alpha-1.0.data/scripts/run", Inside(commands=frozenset({"run"}))),
        ("alpha-1.0.data/data/bin/run", Inside(commands=frozenset({"run"}))),
        ("alpha-1.0.data/data/etc/alpha.conf", Inside(elsewhere=frozenset({"etc/alpha.conf"}))),
        ("alpha-1.0.data/headers/alpha.h", Inside(elsewhere=frozenset({"alpha.h"}))),
        ("alpha.pth", Inside(startup=frozenset({"alpha.pth"}))),
        ("ALPHA.PTH", Inside(startup=frozenset({"ALPHA.PTH"}))),
        ("alpha.start", Inside(startup=frozenset({"alpha.start"}))),
        ("sitecustomize.py", Inside(names=frozenset({"sitecustomize"}), startup=frozenset({"sitecustomize.py"}))),
        (
            "usercustomize/__init__.py",
            Inside(names=frozenset({"usercustomize"}), startup=frozenset({"usercustomize/__init__.py"})),
        ),
        ("alpha-1.0.dist-info/licenses/LICENSE", Inside()),
    ],
)
def test_each_file_is_known_for_what_it_does(tmp_path: Path, name: str, expected: Inside) -> None:
    native = frozenset({name}) if name.endswith(".so") else frozenset[str]()
    assert inside(tmp_path, **{name: ""}) == expected._replace(native=native)


def test_a_pth_file_deep_in_a_package_runs_nothing(tmp_path: Path) -> None:
    assert inside(tmp_path, **{"alpha/data/x.pth": ""}).startup == frozenset()


def test_native_code_is_known_by_its_ending(tmp_path: Path) -> None:
    names = {"a/x.so", "a/x.pyd", "alpha.libs/libz.so.1.2", "a/x.DLL", "a/x.dylib", "a/x.exe"}
    assert inside(tmp_path, **dict.fromkeys([*names, "a/x.py", "a/so"], "")).native == names


def test_entry_points_are_commands_or_for_others(tmp_path: Path) -> None:
    text = "[console_scripts]\nRun = a:b\n[gui_scripts]\nwin=a:c [x]\n[pytest11]\nalpha = a\n"
    found = inside(tmp_path, **{ENTRY: text})
    assert found == Inside(commands=frozenset({"Run", "win"}), plugins=frozenset({"pytest11"}))


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("no section = x\n", "holds an entry_points.txt that cannot be read"),
        ("[console_scripts]\n" + "# x\n" * 2**19, "holds an entry_points.txt that is too large"),
    ],
)
def test_entry_points_that_nobody_can_read_are_a_fault(tmp_path: Path, text: str, fact: str) -> None:
    with pytest.raises(ValueError, match=f"^alpha-1.0-py3-none-any.whl {fact}$"):
        inside(tmp_path, **{ENTRY: text})


def test_a_damaged_wheel_is_told(tmp_path: Path) -> None:
    one = wheel("alpha", "1.0")
    path = one.save(tmp_path)
    path.write_bytes(one.data[:-30])
    with pytest.raises(ValueError, match=r"^alpha-1\.0-py3-none-any\.whl "):
        look(path, one.sha256)


def test_an_sdist_is_not_looked_into_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    one = sdist("alpha", "1.0", trace=trace, build_backend_in_tree=True)
    assert look(one.save(tmp_path), one.sha256)[1] is None
    assert not trace.exists()
