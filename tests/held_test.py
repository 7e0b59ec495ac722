"""scripts/held.py: what a file really is, and when that need not be read again."""

from __future__ import annotations

from pathlib import Path

from distributions import wheel

from scripts import distribution, held
from scripts.held import Held

_ALPHA = wheel("alpha", "1.0")


def test_a_file_whose_bytes_were_read_is_hashed_only(tmp_path: Path) -> None:
    path = _ALPHA.save(tmp_path)
    known = distribution.read(path, _ALPHA.sha256)._replace(requires_python=">=3")
    assert held.hold(path, {_ALPHA.sha256: known}).requires_python == ">=3"


def test_a_file_that_changed_since_it_was_read_is_read_again(tmp_path: Path) -> None:
    path = _ALPHA.save(tmp_path)
    known = {_ALPHA.sha256: distribution.read(path, _ALPHA.sha256)}
    path.write_bytes(b"x")
    told = held.hold_all({path.name: path}, lambda _: None, known)[path.name]
    assert (told.sha256, told.size, told.fault) == (
        "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
        1,
        "is no zip archive",
    )


def test_files_are_held_by_name_and_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    paths = {one.filename: one.save(tmp_path) for one in (wheel("many", f"1.{minor}") for minor in range(50))}
    found = held.hold_all({**paths, "absent": tmp_path / "absent"}, lambda _: None)
    assert found.keys() == paths.keys()
    assert all(isinstance(one, Held) and not one.fault for one in found.values())
