"""scripts/held.py: what a file really is."""

from __future__ import annotations

from pathlib import Path

from distributions import wheel

from scripts import distribution, held
from scripts.held import Held

_ALPHA = wheel("alpha", "1.0")


def test_a_file_that_is_no_archive_is_held_with_its_fault(tmp_path: Path) -> None:
    path = _ALPHA.save(tmp_path)
    path.write_bytes(b"x")
    told = held.hold_all({path.name: path}, lambda _: None)[path.name]
    assert (told.sha256, told.size, told.fault) == (
        "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
        1,
        "is no zip archive",
    )


def test_what_was_read_is_held_as_it_would_be_read_again(tmp_path: Path) -> None:
    path = _ALPHA.save(tmp_path)
    assert held.as_read(distribution.read(path, _ALPHA.sha256)) == held.hold(path)


def test_files_are_held_by_name_and_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    paths = {one.filename: one.save(tmp_path) for one in (wheel("many", f"1.{minor}") for minor in range(50))}
    found = held.hold_all({**paths, "absent": tmp_path / "absent"}, lambda _: None)
    assert found.keys() == paths.keys()
    assert all(isinstance(one, Held) and not one.fault for one in found.values())
