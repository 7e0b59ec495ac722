"""What is wrong with what is published -> a sentence: the rule that it breaks, where, and what to do."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import NamedTuple

from scripts.texts import printable


class Rule(IntEnum):
    """The rules, in the order in which their problems are told."""

    LAYOUT = auto()  # what stands where, and of what type it is
    RELEASE = auto()  # which release it is
    SERVER = auto()  # what the server adds to what it sends
    LOCKS = auto()  # exactly what was approved
    NAMES = auto()
    FORMS = auto()  # HTML and JSON agree
    FACTS = auto()  # what pages say of files
    LINKS = auto()
    PAGES = auto()  # byte for byte what they should be
    VALIDATORS = auto()
    FILES = auto()


class Problem(NamedTuple):
    """A broken rule: where, as a path from the top of the release, what is so, and what to do if not the usual."""

    rule: Rule
    path: str
    fact: str
    remedy: str = ""

    def sentence(self, top: str, remedy: str) -> str:
        """Return `path: fact; what to do`, where remedy is the usual one."""
        return printable(f"{top}{self.path}: {self.fact}; {self.remedy or remedy}")
