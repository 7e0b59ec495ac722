"""A change -> facts that its files tell of themselves: name, soundness, form, size, licence and links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.compared import Compared, listed
from scripts.distribution import SUFFIXES, parse_filename
from scripts.evidence import FileFacts
from scripts.item import Fact, Topic, plain, red, yellow
from scripts.license_names import FAMILIES, IDS, fold
from scripts.people import size
from scripts.project_view import links
from scripts.texts import quoted

_JUMP, _JUMP_BYTES = 2, 10**6
_LABELS = {
    "home": ("homepage", "home", "source", "repository", "sourcecode"),
    "changes": ("changelog", "changes", "releasenotes", "history", "whatsnew"),
}


def _differing(old: Sequence[FileFacts], new: Sequence[FileFacts]) -> frozenset[str]:
    """Name what is not the same in two wheels; nothing where one of them is not known, or there are more."""
    inside = [[file.examined.inside for file in files if file.examined.inside] for files in (old, new)]
    if [len(each) for each in inside] != [1, 1]:
        return frozenset()
    return frozenset(name for name, _ in inside[0][0].contents ^ inside[1][0].contents)


def _hashes(one: Compared) -> Iterator[Fact]:
    for file in one.new:
        if file.filename and parse_filename(file.filename)[0] != one.change.project:
            yield red(Topic.HASHES, f"the file is {quoted(file.filename)}, of another project")
        elif file.filename and parse_filename(file.filename)[1] not in one.change.after:
            yield red(Topic.HASHES, f"the file is {quoted(file.filename)}, another version")
        if file.examined.unsound:
            yield red(Topic.HASHES, f"not sound: {quoted(file.examined.unsound, 300)}")
    if one.change.kind == "rehashed":
        names = [frozenset(filter(None, (file.filename for file in files))) for files in (one.old, one.new)]
        if same := names[0] & names[1]:
            yield red(Topic.HASHES, f"other bytes under the same name: {listed(same)}")
        if differing := _differing(one.old, one.new):
            yield red(Topic.HASHES, f"other contents: {listed(differing)}")
        if come := names[1] - names[0]:
            yield plain(Topic.HASHES, f"now {listed(come)}" + (f", before {listed(names[0])}" if names[0] else ""))


def _sdists(one: Compared) -> Iterator[Fact]:
    old, new = (
        [file.filename for file in files if file.filename.endswith(SUFFIXES[1:])] for files in (one.old, one.new)
    )
    if new and not old:
        yield yellow(Topic.FORM, f"an sdist, whose code runs where it is installed: {listed(new)}", "sdists")


def _native(files: Sequence[FileFacts]) -> frozenset[str] | None:
    """Return the native code in the wheels of a release; None where there is none."""
    found = frozenset[str]().union(*(file.examined.inside.native for file in files if file.examined.inside))
    is_bound = any(file.filename.endswith(".whl") and not file.filename.endswith("-any.whl") for file in files)
    return found if found or is_bound else None


def _form(one: Compared) -> Iterator[Fact]:
    old, new = _native(one.old), _native(one.new)
    if new is not None and old is None:
        names = f": {listed(new)}" if new else ""
        yield yellow(Topic.FORM, f"gained native code{names}") if one.old else plain(Topic.FORM, f"native code{names}")


def _size(one: Compared) -> Iterator[Fact]:
    old, new = (max((file.examined.size or 0 for file in files), default=0) for files in (one.old, one.new))
    if old and new > _JUMP * old and new - old >= _JUMP_BYTES:
        yield yellow(Topic.FORM, f"the largest file grew from {size(old)} to {size(new)}")


def _is_same_licence(old: str, new: str) -> bool:
    """Whether a licence is only stated in another way, such as by an SPDX id in place of a classifier."""
    names = [IDS.get(fold(text), text) for text in (old, new)]
    return names[0] == names[1] or (old in FAMILIES and names[1].startswith(FAMILIES[old]))


def _licence(one: Compared) -> Iterator[Fact]:
    old, new = (
        sorted({file.examined.about.license or "none stated" for file in files if file.examined.about})
        for files in (one.old, one.new)
    )
    if new and not one.old:
        yield plain(Topic.LICENCE, f"licence {listed(new)}")
    elif old and new and old != new:
        is_same = len(old) == len(new) == 1 and _is_same_licence(old[0], new[0])
        text = f"licence {listed(old)} → {listed(new)}"
        yield plain(Topic.LICENCE, text) if is_same else yellow(Topic.LICENCE, text, "licenses")


def _links(one: Compared) -> Iterator[Fact]:
    abouts = [file.examined.about for file in one.new if file.examined.about]
    if not abouts:
        return
    urls = [(label, url, host) for label, url, host in links(abouts[0].urls) if url.isprintable() and "\\" not in url]
    shown = []
    for word, labels in _LABELS.items():
        of_word = {"".join(filter(str.isalnum, label.lower())): (url, host) for label, url, host in reversed(urls)}
        if found := next((of_word[label] for label in labels if label in of_word), None):
            shown.append(f"[{word}](<{found[0]}>) at {quoted(found[1])}")
    if shown:
        yield plain(Topic.LINKS, ", ".join(shown))


def facts(one: Compared) -> Iterator[Fact]:
    """Yield what the files that came say, as compared with those before."""
    for find in (_hashes, _sdists, _form, _size, _licence, _links):
        yield from find(one)


def unchecked(one: Compared) -> Iterator[str]:
    """Name what of this is not known."""
    if any(file.examined.about is None and not file.examined.unsound for file in one.new):
        yield "licence"
