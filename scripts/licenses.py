"""A wheel's METADATA -> its licence, and whether a policy's lists allow that.

A licence is stated as an expression (PEP 639), or by classifiers, or as free text: the best of the three counts. Names
are compared without regard to case, by the SPDX id where they have one. A classifier that fits several licences, such
as `BSD License`, has none (PEP 639, appendix on classifiers): it stands in a policy's lists under its own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Literal, NamedTuple

from packaging.metadata import RawMetadata

from scripts.license_names import FAMILIES, IDS, fold, is_choice, is_known, known_tree, parse
from scripts.unchecked import NotChecked

_MAX_TEXT = 500
_MAX_SHOWN = 80
# These two say of a licence that it was approved, and not which one it is. Old tools wrote UNKNOWN where nothing was.
_APPROVALS = {"License :: OSI Approved", "License :: DFSG approved"}
_NOTHING = {"", "UNKNOWN"}


class License(NamedTuple):
    """What METADATA states, and where: one text, or the last part of each licence classifier. It is untrusted."""

    stated: tuple[str, ...] = ()
    source: Literal["expression", "classifiers", "text", "none"] = "none"

    @property
    def text(self) -> str:
        """One line for people; empty where nothing is stated."""
        return ", ".join(self.stated)[:_MAX_TEXT]


class _Rank(IntEnum):
    FINE = 0
    UNSURE = 1
    BAD = 2


class _Finding(NamedTuple):
    rank: _Rank
    reason: str = ""


class _Lists(NamedTuple):
    """A policy's lists: what is compared -> the entry as it was written."""

    allow: dict[str, str]
    deny: dict[str, str]


def first_line(text: str | None) -> str:
    """Return the first line that is not blank, cut to what a table has room for."""
    lines = filter(None, map(str.strip, (text or "").splitlines()))
    return next(lines, "")[:_MAX_TEXT]


def stated(raw: RawMetadata) -> License:
    """Return the licence as an expression, else by its classifiers, else the first line of the free text."""
    if expression := " ".join((raw.get("license_expression") or "").split()):
        return License((expression,), "expression")  # whole, or a part of it would be judged
    classifiers = (text for text in raw.get("classifiers", []) if text.startswith("License :: "))
    names = dict.fromkeys(first_line(text.rpartition(" :: ")[2]) for text in classifiers if text not in _APPROVALS)
    if names:
        return License(tuple(names), "classifiers")
    text = first_line(raw.get("license"))
    return License() if text in _NOTHING else License((text,), "text")


def _key(entry: str) -> str:
    tree = known_tree(entry)
    return fold(entry if tree is None else str(tree))


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")


def _listed(names: Sequence[str], lists: _Lists) -> _Finding | None:
    """Return what the lists say of a licence that has several names; the first one that they hold counts."""
    for key in map(fold, names):
        if key in lists.deny:
            return _Finding(_Rank.BAD, f"{_shown(names[0])} is denied")
        if key in lists.allow:
            return _Finding(_Rank.FINE)
    return _Finding(_Rank.BAD, f"{_shown(names[0])} is not allowed") if lists.allow else None


def _judge_leaf(leaf: Any, lists: _Lists) -> _Finding:
    whole = str(leaf)
    # What is listed with its exception is meant so; otherwise the licence itself decides.
    if found := _listed((whole, whole.partition(" WITH ")[0]), lists):
        return found
    return _Finding(_Rank.FINE) if is_known(leaf) else _unknown(whole)


def _unknown(name: str) -> _Finding:
    return _Finding(_Rank.UNSURE, f"{_shown(name)} is no licence that SPDX knows")


def _judge_tree(tree: Any, lists: _Lists) -> _Finding:
    """Of what AND joins the worst counts, of what OR leaves to choose the best."""
    if not tree.args:
        return _judge_leaf(tree, lists)
    findings = [_judge_tree(each, lists) for each in tree.args]
    return _combined(findings, (min if is_choice(tree) else max)(each.rank for each in findings))


def _combined(findings: Iterable[_Finding], rank: _Rank) -> _Finding:
    reasons = dict.fromkeys(each.reason for each in findings if each.rank is rank and each.reason)
    return _Finding(rank, " and ".join(reasons))


def _may_mean(name: str, entries: dict[str, str]) -> list[str]:
    family = FAMILIES.get(name)
    return [_shown(entry) for key, entry in entries.items() if family and key.startswith(fold(family))]


def _judge_classifier(name: str, lists: _Lists) -> _Finding:
    """Return what the lists say of a classifier without an id, which may mean a licence that they name."""
    found = _listed((name,), lists)
    if found is None:
        denied = _may_mean(name, lists.deny)
        return _Finding(_Rank.UNSURE, f"{_shown(name)} may mean {denied[0]}") if denied else _Finding(_Rank.FINE)
    if found.rank is _Rank.BAD and fold(name) not in lists.deny and (meant := _may_mean(name, lists.allow)):
        return found._replace(reason=f"{found.reason}; it may mean {meant[0]}: to accept it, allow it by its own name")
    return found


def _judge(licence: License, lists: _Lists) -> _Finding:
    if licence.source == "expression" and (tree := parse(licence.stated[0])) is not None:
        return _judge_tree(tree, lists)
    judge_name = _judge_classifier if licence.source == "classifiers" else _judge_text
    trees = [(name, known_tree(name)) for name in licence.stated]
    findings = [judge_name(name, lists) if tree is None else _judge_tree(tree, lists) for name, tree in trees]
    return _combined(findings, max(each.rank for each in findings))


def _judge_text(name: str, lists: _Lists) -> _Finding:
    return _listed((name,), lists) or _unknown(name)


def _sentence(licence: License, reason: str) -> str:
    shown = _shown(licence.text)
    return f"licence {reason}" if reason.startswith(shown) else f"licence {shown}: {reason}"


def problem(licence: License, allow: Sequence[str], deny: Sequence[str]) -> str | None:
    """Say what a policy's lists have against a licence; None where they allow it.

    An empty allow list allows what deny does not name. Of several classifiers each must be allowed, since nothing says
    that there is a choice (PEP 639). Raises NotChecked where there is a deny list alone, and METADATA does not tell
    whether that names the licence.
    """
    if not allow and not deny:
        return None
    if not licence.stated and allow:
        return "states no licence"
    if not licence.stated:
        raise NotChecked("states no licence")
    finding = _judge(licence, _Lists({_key(entry): entry for entry in allow}, {_key(entry): entry for entry in deny}))
    if finding.rank is _Rank.UNSURE:
        raise NotChecked(_sentence(licence, finding.reason))
    return _sentence(licence, finding.reason) if finding.rank is _Rank.BAD else None


def entry_problem(text: str) -> str | None:
    """Say what is wrong with an entry of a policy's list, which is one licence; None where nothing is."""
    if not text.strip():
        return "an entry is empty; name a licence, such as MIT"
    if not text.isprintable():
        return f"{_shown(text)} is not one line of text; name a licence, such as MIT"
    # A classifier's name may have an `or` in it; with an id beside that, it is an expression.
    tree = None if fold(text) in IDS else parse(text)
    if tree is not None and tree.args and any(map(is_known, tree.literals)):
        return f"{_shown(text)} is an expression; list each of its licences by itself"
    return None


def strangers(entries: Iterable[str], found: Iterable[License]) -> list[str]:
    """List the entries of a policy's lists that SPDX does not know and that none of the licences found states."""
    stated = {fold(name) for licence in found for name in licence.stated}
    return [entry for entry in entries if known_tree(entry) is None and fold(entry) not in stated]
