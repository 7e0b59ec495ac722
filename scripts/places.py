"""Names -> paths of files, of which there may be a hundred thousand: as paths they would take fifty megabytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

Name = TypeVar("Name")


class Places(Mapping[Name, Path]):
    """Where each file is. parts are its folder and its name there, of which a path is made when it is asked for."""

    def __init__(self, parts: Mapping[Name, tuple[Path, str]]) -> None:
        self.parts = parts

    def __getitem__(self, name: Name) -> Path:
        folder, filename = self.parts[name]
        return folder / filename

    def __contains__(self, name: object) -> bool:
        return name in self.parts

    def __iter__(self) -> Iterator[Name]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)
