"""scripts/durable.py: what was written is on the disk; faults_test.py has an fsync fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.durable import sync_all


def test_what_cannot_be_synced_is_an_error_wherever_it_stands(tmp_path: Path) -> None:
    there = [tmp_path / str(number) for number in range(100)]
    for path in there:
        path.write_bytes(b"")
    sync_all([tmp_path, *there])
    sync_all([])
    with pytest.raises(FileNotFoundError, match="absent"):
        sync_all([*there, tmp_path / "absent", *there])
