"""Items -> the review as Markdown for a comment, or as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scripts.forge import MARKER, MAX_BODY
from scripts.item import Item, Severity

_SECTIONS = {
    Severity.RED: ("🔴", "To decide"),
    Severity.YELLOW: ("🟡", "To look at"),
    Severity.PLAIN: ("", "As expected"),
}
_COUNTED = {
    "rehashed": "with changed hashes",
    "vanished": "with fewer hashes",
    "downgraded": "downgraded",
    "upgraded": "upgraded",
    "added": "new",
    "removed": "removed",
    "gained": "gained",
    "lost": "lost",
}


class Review(NamedTuple):
    """What is told: items in order, what they were compared with, as of when, and what was not checked and why."""

    base: str
    as_of: str
    items: Sequence[Item]
    unchecked: Sequence[str] = ()


def summary(items: Sequence[Item]) -> str:
    """Return the review in one line."""
    numbers = {kind: len({name for one in items if one.kind == kind for name in one.projects}) for kind in _COUNTED}
    parts = [f"{number} {_COUNTED[kind]}" for kind, number in numbers.items() if number]
    to_decide, to_see = (sum(one.severity == each for one in items) for each in (Severity.RED, Severity.YELLOW))
    attention = []
    if to_decide:
        attention.append(f"{to_decide} {'thing needs' if to_decide == 1 else 'things need'} a decision")
    if to_see:
        attention.append(f"{to_see} to look at")
    if not items:
        return "Nothing changed"
    return ", ".join([*attention, *parts] if attention else [*parts, "nothing needs attention"])


def _block(item: Item) -> str:
    """Return an item with its facts, as a list in a list."""
    mark = _SECTIONS[item.severity][0]
    lines = [f"- {mark} {item.title}" if mark else f"- {item.title}"]
    for fact in item.facts:
        sign = _SECTIONS[fact.severity][0]
        lines.append(f"  - {sign} {fact.text}" if sign else f"  - {fact.text}")
    if item.unchecked:
        lines.append(f"  - *not checked*: {', '.join(item.unchecked)}")
    return "\n".join(lines) + "\n"


def _blocks(items: Sequence[Item]) -> Iterator[str]:
    for severity, (_, title) in _SECTIONS.items():
        of_it = [one for one in items if one.severity == severity]
        for number, one in enumerate(of_it):
            yield ("" if number else f"\n### {title}\n\n") + _block(one)


def _within(parts: Sequence[str], room: int, more: str) -> str:
    """Join as many parts as there is room for; of the rest stands how many they are."""
    if sum(map(len, parts)) <= room:
        return "".join(parts)
    kept: list[str] = []
    left = room - len(more) - len(str(len(parts)))
    for part in parts:
        if (left := left - len(part)) < 0:
            break
        kept.append(part)
    return "".join([*kept, more.format(len(parts) - len(kept))])


def markdown(review: Review, most: int = MAX_BODY) -> str:
    """Return the review as a comment of at most so many characters."""
    head = f"{MARKER}\n## {summary(review.items)}\n\nCompared with `{review.base[:12]}`. {review.as_of}\n"
    notes = "".join(["\n### Not checked\n\n", *(f"- {one}\n" for one in review.unchecked)]) if review.unchecked else ""
    opening, closing = "\n<details><summary>Hashes</summary>\n\n```diff\n", "```\n\n</details>\n"
    room = most - len(head) - len(notes) - len(opening) - len(closing)
    text = head + _within(list(_blocks(review.items)), room, "\n… and {} more\n") + notes
    lines = [f"{line}\n" for one in review.items for line in one.hashes]
    if not lines or (room := most - len(text) - len(opening) - len(closing)) < 100:
        return text
    return "".join([text, opening, _within(lines, room, "… and {} more\n"), closing])


def _object(item: Item) -> dict[str, object]:
    facts = [
        {"severity": fact.severity.name.lower(), "topic": fact.topic.name.lower(), "text": fact.text}
        for fact in item.facts
    ]
    return item._asdict() | {"severity": item.severity.name.lower(), "facts": facts}


def to_json(review: Review) -> str:
    """Return the review for machines, whole."""
    whole = review._asdict() | {"summary": summary(review.items), "items": list(map(_object, review.items))}
    return json.dumps(whole, ensure_ascii=True, indent=2) + "\n"
