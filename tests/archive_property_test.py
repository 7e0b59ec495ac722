"""scripts/archive.py on wheels that hypothesis damages or names: nothing crashes it, and what passes is really sound.

Sound means that two readers who know nothing of each other find what the wheel was made of: zipfile, which believes
the central directory, and one that reads from front to back and believes the local headers, as streams are read.
"""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

from hostile import INFO, NAME, Member, alpha, saved, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import distribution

MEMBERS = alpha(
    Member("alpha_folder/", method=0),
    Member("alpha_folder/one.py", b"one\n" * 40),
    Member("alpha_folder/two.py", b"two\n", method=0),
    Member("alpha-1.0.data/scripts/run", b"#!python\n", local_extra=struct.pack("<HHQQ", 1, 16, 9, 11)),
    Member("café.py", b"", flags=8, local={"crc": 0, "packed": 0, "size": 0}, after=struct.pack("<LLL", 0, 2, 0)),
)
GOOD = zipped(MEMBERS, end={"start": 0xFFFFFFFF}, end64={})
FILES = {member.raw_name.decode(): member.data for member in MEMBERS}
SIGNATURES = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07")
HEADERS = [at for at in range(len(GOOD)) if GOOD[at : at + 4] in SIGNATURES]
NUMBERS = (0, 1, 2, 8, 9, 0x21, 0x800, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, len(GOOD), *HEADERS)

quiet = settings(derandomize=True, deadline=None, database=None)
place = st.integers(0, len(GOOD) - 1)
Step = tuple[str, int, int, bytes]


def steps() -> st.SearchStrategy[list[Step]]:
    """Return damage: to any byte, to a field of a header, and to whole pieces."""
    anywhere = st.tuples(
        st.sampled_from(["flip", "insert", "write"]), place, st.just(0), st.binary(min_size=1, max_size=4)
    )
    number = st.sampled_from(NUMBERS).map(lambda value: struct.pack("<L", value))
    field = st.builds(lambda at, plus: at + plus, st.sampled_from(HEADERS), st.integers(4, 45))
    short = st.tuples(number, st.sampled_from([1, 2, 4])).map(lambda pair: pair[0][: pair[1]])
    header = st.tuples(st.sampled_from(["write", "insert"]), field, st.just(0), short)
    piece = st.tuples(
        st.sampled_from(["delete", "copy", "move", "end"]), place, place, st.binary(min_size=1, max_size=1)
    )
    return st.lists(st.one_of(header, anywhere, piece), min_size=1, max_size=3)


def damaged(data: bytes, step: Step) -> bytes:
    kind, at, other, value = step
    if kind == "flip":
        return data[:at] + bytes(byte ^ value[0] for byte in data[at : at + 1]) + data[at + 1 :]
    if kind == "insert":
        return data[:at] + value + data[at:]
    if kind == "write":
        return data[:at] + value + data[at + len(value) :]
    if kind == "end":
        return data[:at]
    first, last = sorted((at, other))
    without = data[:first] + data[last:]
    return (
        without if kind == "delete" else (data if kind == "copy" else without)[:other] + data[first:last] + data[other:]
    )


def from_the_front(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Read an archive as a stream: by its local headers alone, with inflate's own word on where a member ends."""
    stream = io.BytesIO(data)
    while (header := stream.read(30))[:4] == b"PK\x03\x04":
        _, _, flags, method, _, _, _, packed, _, name_length, extra_length = struct.unpack("<4s5H3L2H", header)
        name = stream.read(name_length).decode()
        extra = stream.read(extra_length)
        if method == 0:
            yield name, stream.read(packed if packed != 0xFFFFFFFF else struct.unpack_from("<Q", extra, 12)[0])
            continue
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        rest = stream.read()
        yield name, inflate.decompress(rest)
        stream.seek(len(data) - len(inflate.unused_data))
        if flags & 8:
            stream.read(12)


def by_the_directory(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))
        return {name: archive.read(name) for name in archive.namelist()}


def passes(folder: Path, data: bytes) -> bool:
    """Tell whether a wheel is accepted; a refusal is one sentence that names the file, and nothing else is raised."""
    try:
        distribution.read(saved(folder, data), "0" * 64)
    except ValueError as error:
        assert str(error).startswith(NAME)  # noqa: PT017 (whether it is raised is what we tell)
        assert str(error).isprintable()  # noqa: PT017
        return False
    return True


def test_the_good_wheel_passes_and_both_readers_find_it_whole(tmp_path: Path) -> None:
    assert passes(tmp_path, GOOD)
    assert by_the_directory(GOOD) == FILES == dict(from_the_front(GOOD))


@settings(quiet, max_examples=800)
@given(steps())
def test_what_passes_after_damage_is_the_same_to_every_reader(damage: list[Step]) -> None:
    data = GOOD
    for step in damage:
        data = damaged(data, step)
    with tempfile.TemporaryDirectory() as folder:
        if passes(Path(folder), data):
            assert by_the_directory(data) == FILES
            assert dict(from_the_front(data)) == FILES


some = st.sampled_from([b"", b"x", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), struct.pack("<LLL", 0, 2, 0), bytes(16)])
shorts = st.sampled_from([number & 0xFFFF for number in NUMBERS])
changed = st.fixed_dictionaries({}, optional={name: st.sampled_from(NUMBERS) for name in ("crc", "packed", "size")})
fields = st.one_of(changed, st.dictionaries(st.sampled_from(["flags", "method"]), shorts, max_size=1))
ends = st.dictionaries(st.sampled_from(["here", "count", "size", "start"]), shorts, max_size=1)


@st.composite
def liars(draw: st.DrawFn) -> bytes:
    """Draw the same wheel, written by who knows all offsets and yet adds to it or says something else somewhere."""
    members, at = list(MEMBERS), draw(st.integers(0, len(MEMBERS) - 1))
    stream = members[at].stream + draw(some)
    after, local = members[at].after + draw(some), {**members[at].local, **draw(fields)}
    members[at] = replace(members[at], packed=stream, after=after, local=local, central=draw(fields))
    where = draw(st.sampled_from(["before", "gap", "comment"]))
    pieces = {"before": b"", "gap": b"", "comment": b"", where: draw(some)}
    return zipped(members, before=pieces["before"], gap=pieces["gap"], comment=pieces["comment"], end=draw(ends))


@settings(quiet, max_examples=500)
@given(liars())
def test_what_passes_from_a_liar_is_the_same_to_every_reader(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if passes(Path(folder), data):
            assert by_the_directory(data) == FILES
            assert dict(from_the_front(data)) == FILES


def test_no_single_flipped_bit_makes_a_wheel_that_readers_differ_on(tmp_path: Path) -> None:
    harmless = 0
    for at in range(len(GOOD)):
        data = damaged(GOOD, ("flip", at, 0, b"\x01"))
        if passes(tmp_path, data):
            harmless += 1
            assert by_the_directory(data) == FILES == dict(from_the_front(data))
    assert 0 < harmless < len(GOOD) // 3  # times and the like


# Few of these, so that two names often meet; hostile ones are rarer, so that some wheels pass.
PARTS = (*("a", "A", "b", "ss", "ß", "é", "e\u0301", "alpha.py", "Alpha.py", INFO, "b-1.dist-info"),)
HOSTILE = ("..", ".", "", " ", "a.", "C:", "a\\b", "\n")
DATA = (
    "purelib/",
    "platlib/",
    "scripts/",
    "data/bin/",
    "data/lib/site-packages/",
    "data/Lib/site-packages/",
    "../",
    "x/",
)
prefixes = st.one_of(st.just(""), st.sampled_from(DATA).map("alpha-1.0.data/".__add__))
parts = st.lists(st.one_of(*5 * [st.sampled_from(PARTS)], st.sampled_from(HOSTILE)), min_size=1, max_size=2)
names = st.builds("{}{}".format, prefixes, parts.map("/".join))


def installed(files: Mapping[str, bytes]) -> list[str]:
    """Return where a simple installer puts each file below an environment whose site-packages is Lib/site-packages."""
    schemes = {"purelib": "Lib/site-packages", "platlib": "Lib/site-packages", "scripts": "bin", "data": "."}
    places = []
    for name in files:
        first, *rest = name.split("/")
        moved = first.endswith(".data") and len(rest) > 1
        folder = Path("/env", schemes.get(rest[0], "headers") if moved else "Lib/site-packages")
        places.append(str(folder.joinpath(*(rest[1:] if moved else [first, *rest]))))
    return places


@settings(quiet, max_examples=500)
@given(st.lists(names, max_size=4))
def test_names_that_pass_are_installed_below_the_environment_and_in_different_places(chosen: list[str]) -> None:
    members = alpha(*(Member(name, b"x") for name in chosen))
    with tempfile.TemporaryDirectory() as folder:
        if not passes(Path(folder), zipped(members)):
            return
    places = installed({str(member.name): b"" for member in members})
    assert all(Path(place).is_relative_to("/env") and ".." not in Path(place).parts for place in places)
    folded = {normalize("NFC", place.casefold()) for place in places}
    assert len(folded) == len(places)
    assert not any(str(parent) in folded for place in folded for parent in Path(place).parents)
    infos = {place.split("/")[4] for place in folded if place.startswith("/env/lib/site-packages/")}
    assert [name for name in infos if name.endswith(".dist-info")] == [INFO]
