"""Facts -> Item: one line of a review with what is known of it, and how much attention that asks for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """What a reviewer has to do about a fact; the worst first."""

    RED = 0  # to decide
    YELLOW = 1  # to look at
    PLAIN = 2


class Topic(IntEnum):
    """What a fact is about, in the order in which facts of one severity are told."""

    HASHES = 1
    CHANGE = 2
    AGE = 3
    TARGETS = 4
    FORM = 5  # wheel or sdist, native code, size
    LICENCE = 6
    ADVISORIES = 7
    ATTESTATION = 8
    INSIDE = 9
    DRIFT = 10
    WAIVERS = 11
    LINKS = 12


class Fact(NamedTuple):
    """One sentence of evidence. What is somebody else's text in it is quoted (texts.quoted), so it may be shown as it
    is, in Markdown as on a terminal. rule and ids are those that a waiver of it would name.
    """

    severity: Severity
    topic: Topic
    text: str
    rule: str = ""
    ids: tuple[str, ...] = ()


class Item(NamedTuple):
    """One thing that changed. kind is one of change.KINDS, or what else it is; projects are those that are meant.

    unchecked are the topics of which nothing could be known. hashes are lines for who wants to compare.
    """

    kind: str
    projects: tuple[str, ...]
    title: str
    facts: tuple[Fact, ...] = ()
    unchecked: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """That of its worst fact."""
        return min((fact.severity for fact in self.facts), default=Severity.PLAIN)


def ordered(items: Iterable[Item]) -> list[Item]:
    """Sort items, the worst first."""
    return sorted(items, key=lambda one: (*min((fact[:2] for fact in one.facts), default=(2, 99)), one.title))


def red(topic: Topic, text: str, rule: str = "", ids: tuple[str, ...] = ()) -> Fact:
    """Return a fact that somebody has to decide on."""
    return Fact(Severity.RED, topic, text, rule, ids)


def yellow(topic: Topic, text: str, rule: str = "") -> Fact:
    """Return a fact that is worth a look."""
    return Fact(Severity.YELLOW, topic, text, rule)


def plain(topic: Topic, text: str) -> Fact:
    """Return a fact that is as one would expect."""
    return Fact(Severity.PLAIN, topic, text)
