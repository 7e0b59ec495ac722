"""scripts/archive.py and what it stands on: what no two readers would read alike is refused, by name and with a reason.

All is read through `distribution.read`, as `make index` does; what METADATA says is in tests/distribution_test.py.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from distributions import core_metadata, wheel
from hostile import INFO, NAME, WHEEL_FILE, Member, alpha, deflated, row, rows, saved, zipped

from scripts import distribution
from scripts.manifest import fact_of

DATA = "alpha-1.0.data"
METADATA = core_metadata("alpha", "1.0")
FULL = 0xFFFFFFFF


def problem(path: Path) -> str:
    with pytest.raises(ValueError, match=r"^alpha-1\.0-py3-none-any\.whl ") as caught:
        distribution.read(path, "0" * 64)
    return str(caught.value).removeprefix(f"{NAME} ")


def refused(folder: Path, data: bytes) -> str:
    return problem(saved(folder, data))


def read(folder: Path, data: bytes) -> None:
    assert distribution.read(saved(folder, data), "0" * 64).metadata == fact_of(METADATA)


def mark(name: str, what: str) -> str:
    return f"holds {name!r}, {what}"


ESCAPES = "which leads out of the folder that it is unpacked into"
NOTHING = "a name with a part that says nothing"
WINDOWS = "a name that means another place on Windows"
UNPRINTABLE = "a name with characters that do not print"


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("../evil.py", ESCAPES),
        ("alpha/../../evil.py", ESCAPES),
        (f"{DATA}/purelib/../../evil.py", ESCAPES),
        ("alpha/..", ESCAPES),
        ("../", ESCAPES),
        ("/etc/evil", "an absolute name"),
        ("//host/evil", "an absolute name"),
        ("alpha//evil.py", NOTHING),
        ("./evil.py", NOTHING),
        ("alpha/./evil.py", NOTHING),
        ("evil//", NOTHING),
        ("C:/evil.py", WINDOWS),
        ("evil.py:stream", WINDOWS),
        ("..\\evil.py", WINDOWS),
        ("alpha.py.", WINDOWS),
        ("alpha /evil.py", WINDOWS),
        ("evil.py\0.txt", UNPRINTABLE),
        ("evil\n.py", UNPRINTABLE),
        ("evil\x7f", UNPRINTABLE),
        ("evil\u202eyp.py", UNPRINTABLE),
        ("evil\u2028.py", UNPRINTABLE),
    ],
)
def test_a_name_that_is_not_a_plain_path_is_refused(tmp_path: Path, name: str, fact: str) -> None:
    assert refused(tmp_path, zipped(alpha(Member(name, b"x" if name[-1] != "/" else b"")))) == mark(name, fact)


@pytest.mark.parametrize("name", ["", "e" * 1001])
def test_a_name_of_no_length_or_of_any_is_refused(tmp_path: Path, name: str) -> None:
    shown = f"{name[:100]}…" if name else ""
    assert refused(tmp_path, zipped(alpha(Member(name)))) == mark(shown, f"a name of {len(name)} bytes")


def test_a_name_in_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    fact = "a name that is neither ASCII nor marked UTF-8"
    assert refused(tmp_path, zipped(alpha(Member(b"caf\xe9.py")))) == mark("café.py", fact)
    marked = Member(b"caf\xe9.py", flags=0x800)
    assert refused(tmp_path, zipped(alpha(marked))) == mark("café.py", fact)
    read(tmp_path, zipped(alpha(Member("café.py"))))


@pytest.mark.parametrize(
    ("names", "fact"),
    [
        (["twice.py", "twice.py"], "holds 'twice.py' twice"),
        (["folder/", "folder/"], "holds 'folder/' twice"),
        (["Alpha.py"], "holds 'alpha.py' and 'Alpha.py', which some systems install in one place"),
        (["straße", "STRASSE"], "holds 'straße' and 'STRASSE', which some systems install in one place"),
        (["caf\u00e9", "cafe\u0301"], "holds 'caf\u00e9' and 'cafe\u0301', which some systems install in one place"),
        (["alpha.py/x"], "holds 'alpha.py' and 'alpha.py/x', a file and a folder in one place"),
        (["Alpha.py/x/y"], "holds 'alpha.py' and 'Alpha.py/x/y', a file and a folder in one place"),
        (["alpha.py/"], "holds 'alpha.py' and 'alpha.py/', a file and a folder in one place"),
    ],
)
def test_two_entries_for_one_place_are_refused(tmp_path: Path, names: Sequence[str], fact: str) -> None:
    assert refused(tmp_path, zipped(alpha(*map(Member, names)))) == fact


@pytest.mark.parametrize(
    ("member", "fact"),
    [
        (Member("link", b"/etc/passwd", mode=0o120777), "holds 'link', a symbolic link"),
        (Member("link/", mode=0o120777), "holds 'link/', a symbolic link"),
        (Member("device", mode=0o020666), "holds 'device', whose mode is not that of a file"),
        (Member("pipe", mode=0o010666), "holds 'pipe', whose mode is not that of a file"),
        (Member("file", mode=0o040755), "holds 'file', whose mode is not that of a file"),
        (Member("folder/", mode=0o100644), "holds 'folder/', whose mode is not that of a folder"),
        (Member("folder/", b"x"), "holds 'folder/', a folder with bytes of its own"),
    ],
)
def test_only_files_and_folders_are_accepted(tmp_path: Path, member: Member, fact: str) -> None:
    assert refused(tmp_path, zipped(alpha(member))) == fact


def test_folders_may_have_entries_and_no_row(tmp_path: Path) -> None:
    read(tmp_path, zipped(alpha(Member("alpha/", method=0), Member("alpha/x", b"x"))))


@pytest.mark.parametrize(
    ("member", "fact"),
    [
        (Member("x", b"x", flags=0x1), "holds 'x', which is encrypted"),
        (Member("x", b"x", flags=0x41), "holds 'x', which is encrypted"),
        (Member("x", b"x", flags=0x20), "holds 'x' with the flags 0x0020, which wheels do not use"),
        (Member("x", b"x", flags=0x2000), "holds 'x' with the flags 0x2000, which wheels do not use"),
        (Member("x", b"x", method=12), "holds 'x', which is neither stored nor deflated, as wheels are"),
        (Member("x", b"x", method=14), "holds 'x', which is neither stored nor deflated, as wheels are"),
        (Member("x", b"xy", method=0, packed=b"xyz"), "holds 'x', which is stored with two different sizes"),
    ],
)
def test_what_not_every_reader_unpacks_is_refused(tmp_path: Path, member: Member, fact: str) -> None:
    assert refused(tmp_path, zipped(alpha(member))) == fact


NAMED = struct.pack("<HHBL", 0x7075, 6, 1, 0)
DAMAGED = "holds 'x' with damaged extra fields"
OTHER_NAME = "holds 'x' with another name in a Unicode extra field"
NO_64 = "holds 'x' with ZIP64 sizes that its other sizes do not ask for, or without any"
LOCAL = "holds 'x' with a local header that says another name, kind or place"
SIZES = "holds 'x' with a local header that says other sizes or another checksum"
BETWEEN = "has bytes after 'x' that belong to no entry"
UNFOUNDED = "has bytes after 'alpha.py' that belong to no entry"
OVERLAP = "holds 'x', which overlaps what comes after it"
UNPACKED = "holds 'x', which does not unpack to the size and checksum that it states"
X64 = struct.pack("<HHQQ", 1, 16, 1, 3)
DESCRIBED: Mapping[str, int] = {"crc": 0, "packed": 0, "size": 0}
CRC = 0x8CDC1683  # of b"x"


@pytest.mark.parametrize(
    ("member", "fact"),
    [
        (Member("x", b"x", extra=b"\x55\x54\x05"), DAMAGED),
        (Member("x", b"x", local_extra=b"\x55\x54\x05\x00\x00"), DAMAGED),
        (Member("x", b"x", extra=NAMED + b"y"), OTHER_NAME),
        (Member("x", b"x", local_extra=NAMED + b"y"), OTHER_NAME),
        (Member("x", b"x", extra=2 * (NAMED + b"x")), DAMAGED),
        (Member("x", b"x", extra=X64), NO_64),
        (Member("x", b"x", extra=X64 + X64), DAMAGED),
        (Member("x", b"x", central={"size": FULL}), NO_64),
        (Member("x", b"x", central={"size": FULL}, extra=struct.pack("<HHQQ", 1, 16, 1, 3)), NO_64),
        (Member("x", b"x", central={"header": FULL}), NO_64),
        (Member("x", b"x", local={"size": FULL, "packed": FULL}), NO_64),
        (Member("x", b"x", local_extra=struct.pack("<HHQQ", 1, 16, 1, 4)), NO_64),
        (Member("x", b"x", local={"size": FULL, "packed": 0}, local_extra=struct.pack("<HHQ", 1, 8, 1)), SIZES),
        (Member("x", b"x", local_name=b"y"), LOCAL),
        (Member("x", b"x", local={"method": 0}), LOCAL),
        (Member("x", b"x", local={"flags": 2}), LOCAL),
        (Member("x", b"x", local={"crc": 0}), SIZES),
        (Member("x", b"x", local={"size": 2}), SIZES),
        (Member("x", b"x", local={"packed": 4}), SIZES),
        (Member("x", b"x", local=DESCRIBED), SIZES),
        (Member("x", b"x", after=b"y"), BETWEEN),
        (Member("x", b"x", after=bytes(2**20)), BETWEEN),
        (Member("x", b"x", flags=8, local=DESCRIBED), BETWEEN),
        (Member("x", b"x", flags=8, local=DESCRIBED, after=struct.pack("<LLL", CRC, 3, 2)), BETWEEN),
        (Member("x", b"x", flags=8, local=DESCRIBED, after=struct.pack("<LLLB", CRC, 3, 1, 0)), BETWEEN),
        (Member("x", b"x", flags=8, local={"size": 2}, after=struct.pack("<LLL", CRC, 3, 1)), SIZES),
        (Member("x", b"x", local={"packed": 2**20}, central={"packed": 2**20}), OVERLAP),
        (Member("x", b"x", central={"disk": 1}), "has a damaged central directory"),
        (Member("x", b"x", central={"header": 2**31}), UNFOUNDED),
        (Member("x", b"x", local={"crc": 0}, central={"crc": 0}), UNPACKED),
        (Member("x", b"x", packed=b"\xff\xff"), "holds 'x', which does not unpack"),
        (Member("x", b"x", packed=deflated(b"x")[:-1]), "holds 'x', which ends early"),
        (Member("x", b"x", packed=deflated(b"x") + b"y"), "holds 'x' with bytes after its end"),
        (Member("x", b"x", packed=deflated(b"x") + bytes(2**20)), "holds 'x' with bytes after its end"),
        (Member("x", b"x", packed=b""), "holds 'x', which ends early"),
    ],
)
def test_an_entry_that_two_readers_could_read_differently_is_refused(tmp_path: Path, member: Member, fact: str) -> None:
    assert refused(tmp_path, zipped(alpha(member))) == fact


@pytest.mark.parametrize(
    "member",
    [
        Member("x", b"x", extra=b"\x55\x54\x01\x00\x00", local_extra=b"\x55\x54\x02\x00\x00\x00"),
        Member("x", b"x", extra=NAMED + b"x"),
        Member("x", b"x", local_extra=X64),
        Member("x", b"x", local={"size": FULL, "packed": FULL}, local_extra=X64),
        Member("x", b"x", central={"size": FULL, "packed": FULL}, extra=X64),
        *(
            Member("x", b"x", flags=8, local=DESCRIBED, after=signature + struct.pack(form, CRC, 3, 1))
            for signature in (b"", b"PK\x07\x08")
            for form in ("<LLL", "<LQQ")
        ),
        Member("x", b"", method=0),
        Member("x", b"", method=8),
        Member("x", bytes(2**20)),
        Member("x", bytes(2**20), method=0),
    ],
)
def test_what_real_writers_write_is_accepted(tmp_path: Path, member: Member) -> None:
    read(tmp_path, zipped(alpha(member)))


CONTRADICTS = "has a ZIP64 end record that contradicts its end record"
NOT_THERE = "has no ZIP64 end record where its locator has to point"
AFTER = "does not end where its end record says"
FIELDS = f"holds a {INFO}/RECORD with a row of {{}} fields; a row has three"
MORE = "has a central directory with more in it than its end record counts"
NOT_ADJACENT = "has a central directory that does not reach to the end record"
PARTS = "is one part of several"
SATURATED = {"here": 0xFFFF, "count": 0xFFFF, "size": FULL, "start": FULL}


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"", "is no zip archive"),
        (b"no zip at all, though it is long enough", "is no zip archive"),
        (zipped(alpha())[:-1], AFTER),
        (zipped(alpha())[30:], NOT_ADJACENT),
        (zipped([]), "holds 0 dist-info folders; a wheel holds one"),
        (zipped(alpha(), comment=b"PK\x05\x06" + bytes(18)), NOT_ADJACENT),
        (zipped(alpha(), comment=b"hello"), AFTER),
        (zipped(alpha()) + b"\n", AFTER),
        (b"#!/bin/sh\n" + zipped(alpha()), NOT_ADJACENT),
        (zipped(alpha(), before=b"#!/bin/sh\n"), "has bytes before its first entry"),
        (zipped(alpha(), gap=b"x"), f"has bytes after '{INFO}/RECORD' that belong to no entry"),
        (zipped(alpha()) + zipped(alpha(Member("evil.py"))), NOT_ADJACENT),
        (zipped(alpha(Member("evil.py")), before=zipped(alpha())), "has bytes before its first entry"),
        (zipped(alpha(), end={"count": 4, "here": 4, "size": 2}), NOT_ADJACENT),
        (zipped(alpha(), end={"count": 3, "here": 3}), MORE),
        (zipped(alpha(), end={"count": 5, "here": 5}), "has a damaged central directory"),
        (zipped(alpha(), end={"here": 3}), PARTS),
        (zipped(alpha(), end={"disk": 1}), PARTS),
        (zipped(alpha(), end={"first": 1}), PARTS),
        (zipped(alpha(), end=SATURATED), "has an end record that asks for a ZIP64 one, which is not there"),
        (zipped(alpha(), end64={"count": 3}), CONTRADICTS),
        (zipped(alpha(), end64={"start": 0}), CONTRADICTS),
        (zipped(alpha(), end=SATURATED, end64={"start": 0}), NOT_ADJACENT),
        (zipped(alpha(), end=SATURATED, end64={"count": 3, "here": 3}), MORE),
        (zipped(alpha(), end=SATURATED, end64={}, locator={"offset": 0}), NOT_THERE),
        (zipped(alpha(), end=SATURATED, end64={}, locator={"disks": 2}), NOT_THERE),
        (
            zipped(alpha(), end=SATURATED, end64={"count": 10**6, "here": 10**6}),
            "has 1000000 entries in 271 bytes; at most 100000 in 16777216 are read",
        ),
        (
            zipped(alpha(), end=SATURATED, end64={"size": 2**40}),
            "has 4 entries in 1099511627776 bytes; at most 100000 in 16777216 are read",
        ),
    ],
)  # fmt: skip
def test_an_archive_with_two_meanings_is_refused(tmp_path: Path, data: bytes, fact: str) -> None:
    assert refused(tmp_path, data) == fact


@pytest.mark.parametrize("end", [SATURATED, {"start": FULL}, {}])
def test_zip64_is_accepted_where_it_says_the_same(tmp_path: Path, end: Mapping[str, int]) -> None:
    read(tmp_path, zipped(alpha(), end=end, end64={}))


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    members = alpha(Member("x", b"x"), Member("y", b"x", local_name=b"x"))
    data = zipped([*members[:2], members[2], *members[3:]])
    first, second = (data.index(b"PK\x03\x04", at) for at in (40, 80))
    shared = data.replace(struct.pack("<L", second) + b"y", struct.pack("<L", first) + b"y")
    assert shared != data
    assert refused(tmp_path, shared) == OVERLAP


@pytest.mark.parametrize(
    ("record", "fact"),
    [
        (rows(alpha()[:-2]), f"holds '{INFO}/WHEEL', which its RECORD does not name"),
        (rows(alpha()[:-1]) + row("evil.py", b""), "has a RECORD with 'evil.py', which is not there"),
        (rows(alpha()[:-1]) + row("alpha.py", b"one = 1\n"), "has a RECORD with 'alpha.py', which is named twice"),
        (rows([Member("alpha.py", b"two = 2\n"), *alpha()[1:-1]]), "has a RECORD with another sha256 of 'alpha.py'"),
        (rows([Member("alpha.py", b"one"), *alpha()[1:-1]]), "has a RECORD with another size of 'alpha.py'"),
        (f"alpha.py,,8\n{rows(alpha()[1:-1])}", "has a RECORD without a sha256 of 'alpha.py'"),
        (row("alpha.py", b"one = 1\n", "md5"), "has a RECORD without a sha256 of 'alpha.py'"),
        (row("alpha.py", b"one = 1\n", "sha1"), "has a RECORD without a sha256 of 'alpha.py'"),
        (row("alpha.py", b"one = 1\n").replace(",8", ","), "has a RECORD with another size of 'alpha.py'"),
        (row("alpha.py", b"one = 1\n").replace("=", "=="), "has a RECORD with another sha256 of 'alpha.py'"),
        (row("alpha.py", b"one = 1\n").replace(",8", ""), FIELDS.format(2)),
        (f"\n{rows(alpha()[:-1])}", FIELDS.format(0)),
        (row(f"{INFO}/RECORD", b""), f"has a RECORD with a hash of '{INFO}/RECORD', which is written after it"),
        (b"caf\xe9.py,,\n", f"holds a {INFO}/RECORD that is no CSV in UTF-8"),
        ('"alpha.py"x,,\n', f"holds a {INFO}/RECORD that is no CSV in UTF-8"),
        ("x" * 2**21, f"holds a {INFO}/RECORD that is no CSV in UTF-8"),
        ("", f"holds '{INFO}/METADATA', which its RECORD does not name"),
    ],
)  # fmt: skip
def test_a_record_that_is_not_complete_and_right_is_refused(tmp_path: Path, record: str | bytes, fact: str) -> None:
    assert refused(tmp_path, zipped(alpha(record=record))) == fact


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_a_record_may_hash_better_than_sha256(tmp_path: Path, algorithm: str) -> None:
    record = row("alpha.py", b"one = 1\n", algorithm) + rows(alpha()[1:-1])
    read(tmp_path, zipped(alpha(record=record)))


def test_signatures_of_the_record_need_no_row_but_are_unpacked(tmp_path: Path) -> None:
    signature = Member(f"{INFO}/RECORD.jws", b"{}")
    record = rows(alpha()[:-1])
    read(tmp_path, zipped(alpha(signature, record=record)))
    read(tmp_path, zipped(alpha(signature, record=f"{record}{signature.name!s},,\n")))
    damaged = Member(f"{INFO}/RECORD.jws", b"{}", packed=b"\xff")
    assert refused(tmp_path, zipped(alpha(damaged, record=record))) == (
        f"holds '{INFO}/RECORD.jws', which does not unpack"
    )


@pytest.mark.parametrize(
    ("members", "fact"),
    [
        (alpha()[:-1], f"holds no {INFO}/RECORD"),
        (alpha(wheel=None), f"holds no {INFO}/WHEEL"),
        (alpha(metadata=Member(f"{INFO}/metadata", METADATA)), f"holds no {INFO}/METADATA"),
        (alpha(metadata=Member(f"x/{INFO}/METADATA", METADATA)), f"holds no {INFO}/METADATA"),
        ([Member("alpha.py")], "holds 0 dist-info folders; a wheel holds one"),
        (alpha(Member("beta-1.0.dist-info/METADATA")), "holds 2 dist-info folders; a wheel holds one"),
        (alpha(Member("Beta-1.0.Dist-Info/x")), "holds 2 dist-info folders; a wheel holds one"),
        (alpha(Member("alpha_-1.0.dist-info/")), "holds 2 dist-info folders; a wheel holds one"),
        *(
            ([Member(f"{other}.dist-info/METADATA")], f"holds {other}.dist-info, which its name does not match")
            for other in ("beta-1.0", "alpha-2.0", "alpha", "alpha-one", "alpha-1.0-1")
        ),
        (
            alpha(Member(f"{INFO}/x/beta-1.0.dist-info/METADATA")),
            f"holds '{INFO}/x/beta-1.0.dist-info/METADATA', a dist-info inside its own",
        ),
        (
            alpha(Member(f"{DATA}/purelib/beta-1.0.dist-info/x")),
            f"holds '{DATA}/purelib/beta-1.0.dist-info/x', which would be installed beside its own dist-info",
        ),
        (
            alpha(Member(f"{DATA}/platlib/{INFO}/METADATA")),
            f"holds '{DATA}/platlib/{INFO}/METADATA', which would be installed beside its own dist-info",
        ),
        (
            alpha(Member(f"{DATA}/data/Lib/site-packages/b-1.Dist-Info/x")),
            f"holds '{DATA}/data/Lib/site-packages/b-1.Dist-Info/x', which would be installed beside its own dist-info",
        ),
    ],
)
def test_a_wheel_has_one_dist_info_that_matches_its_name(tmp_path: Path, members: list[Member], fact: str) -> None:
    assert refused(tmp_path, zipped(members)) == fact


def test_dist_infos_of_bundled_projects_deep_in_a_package_are_accepted(tmp_path: Path) -> None:
    vendored = Member("alpha/_vendor/beta-1.0.dist-info/METADATA", b"Name: beta\n")
    licence = Member(f"{INFO}/licenses/alpha/_vendor/beta-1.0.dist-info/LICENSE", b"free\n")
    read(tmp_path, zipped(alpha(vendored, licence)))


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("beta-1.0.data/purelib/x", f"holds 'beta-1.0.data/purelib/x'; its data folder is named {DATA}"),
        ("Alpha-1.0.data/purelib/x", f"holds 'Alpha-1.0.data/purelib/x'; its data folder is named {DATA}"),
        (f"{DATA}/evil/x", f"holds '{DATA}/evil/x', which is in no scheme of a data folder"),
        (f"{DATA}/purelib", f"holds '{DATA}/purelib', which is in no scheme of a data folder"),
        *(
            (f"{DATA}/{place}", f"holds 'alpha.py' and '{DATA}/{place}', which some systems install in one place")
            for place in (
                *("purelib/alpha.py", "platlib/Alpha.py", "data/lib/python3.12/site-packages/alpha.py"),
                *("data/lib64/python3/dist-packages/alpha.py", "data/Lib/site-packages/alpha.py"),
            )
        ),
        (
            f"{DATA}/purelib/{INFO}",
            f"holds '{DATA}/purelib/{INFO}', which would be installed beside its own dist-info",
        ),
        (
            f"{DATA}/platlib/alpha.py/x",
            f"holds 'alpha.py' and '{DATA}/platlib/alpha.py/x', a file and a folder in one place",
        ),
    ],
)  # fmt: skip
def test_a_data_folder_that_escapes_or_overwrites_is_refused(tmp_path: Path, name: str, fact: str) -> None:
    assert refused(tmp_path, zipped(alpha(Member(name, b"x")))) == fact


def test_a_script_that_lies_twice_is_refused(tmp_path: Path) -> None:
    names = f"{DATA}/scripts/run", f"{DATA}/data/bin/run"
    assert refused(tmp_path, zipped(alpha(*map(Member, names)))) == (
        f"holds '{names[0]}' and '{names[1]}', which some systems install in one place"
    )


def test_every_scheme_is_accepted(tmp_path: Path) -> None:
    names = "purelib/alpha/p.py", "platlib/alpha/q.so", "headers/a.h", "scripts/run", "data/share/alpha/run"
    folders = f"{DATA}/", f"{DATA}/purelib/", f"{DATA}/purelib/alpha/", "alpha/"
    members = [Member(f"{DATA}/{name}", b"x") for name in names]
    read(tmp_path, zipped(alpha(*(Member(folder) for folder in folders), *members)))


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (b"", "with the Wheel-Version missing"),
        (WHEEL_FILE.replace(b"1.0", b"2.0"), "with the Wheel-Version '2.0'"),
        (WHEEL_FILE.replace(b"1.0", b"1"), "with the Wheel-Version '1'"),
        (WHEEL_FILE + b"Wheel-Version: 1.9\n", "with the Wheel-Version '1.0', '1.9'"),
        (WHEEL_FILE.replace(b"Root", b"Not"), "with the Root-Is-Purelib missing"),
        (WHEEL_FILE.replace(b"true", b"perhaps"), "with the Root-Is-Purelib 'perhaps'"),
        (WHEEL_FILE + b"Root-Is-Purelib: false\n", "with the Root-Is-Purelib 'true', 'false'"),
        (WHEEL_FILE + b"Caf\xe9: x\n", "that is not UTF-8"),
    ],
)
def test_a_wheel_file_that_installers_do_not_know_is_refused(tmp_path: Path, text: bytes, fact: str) -> None:
    assert refused(tmp_path, zipped(alpha(wheel=text))) == f"holds a {INFO}/WHEEL {fact}"


def test_a_newer_minor_version_of_the_format_is_accepted(tmp_path: Path) -> None:
    read(tmp_path, zipped(alpha(wheel=WHEEL_FILE.replace(b"1.0", b"1.1").replace(b"true", b"False"))))


@pytest.mark.parametrize("size", [0, 1, 2**24 - 1, 2**24 + 1])
def test_a_size_that_is_not_true_is_found_when_it_is_passed(tmp_path: Path, size: int) -> None:
    lies = {"size": size}
    liar = Member("x", bytes(2**24), local=lies, central=lies)
    assert refused(tmp_path, zipped(alpha(liar, record=f"x,sha256=,{size}\n"))) == UNPACKED


def lying(size: int) -> Member:
    """Return an entry that says, in both headers and with ZIP64, that it unpacks to this size."""
    extra = struct.pack("<HHQ", 1, 8, size)
    return (
        Member("x", b"x", local={"size": size}, central={"size": size})
        if size < FULL
        else Member("x", b"x", local={"size": FULL}, central={"size": FULL}, local_extra=extra, extra=extra)
    )


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    rest = sum(len(member.data) for member in alpha(lying(0), record="")) - 1
    for size in (100 * 2**20 + 1, 2**32 - 2):
        data = zipped(alpha(lying(size), record=""))
        fact = f"unpacks to {size + rest} bytes, more than 100 times its {len(data)}"
        assert refused(tmp_path, data) == fact
    for size in (2**34, 2**63):
        fact = f"unpacks to {size + rest} bytes; {2**34} are the most"
        assert refused(tmp_path, zipped(alpha(lying(size), record=""))) == fact


@pytest.mark.parametrize(("member", "limit"), [("METADATA", 10 * 2**20), ("WHEEL", 2**16), ("RECORD", 16 * 2**20)])
def test_a_file_that_is_read_whole_has_a_limit(tmp_path: Path, member: str, limit: int) -> None:
    replaced = Member(f"{INFO}/{member}", bytes(limit + 1))
    members = [replaced if each.name == replaced.name else each for each in alpha()]
    assert refused(tmp_path, zipped(members)) == f"holds a {INFO}/{member} larger than {limit} bytes"


# The most memory that a fresh process takes: what getrusage tells has its parent's in it.
LARGE = Member(f"{INFO}/METADATA", bytes(100 * 2**20))
READER = """\
import sys
from pathlib import Path
from scripts import distribution
try:
    distribution.read(Path(sys.argv[1]), "0" * 64)
except ValueError as error:
    print(error)
print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")])
"""


def many() -> bytes:
    members = [Member(f"{number:06}{'x' * 100}", method=0) for number in range(99_000)]
    count = {"here": len(members) + 4, "count": len(members) + 4}
    return zipped(alpha(*members), end=dict.fromkeys(count, 0xFFFF), end64=count)


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (lambda: zipped(alpha(metadata=LARGE)), " holds a {INFO}/METADATA larger"),
        (lambda: zipped(alpha(Member("x", bytes(2**27)))), " unpacks to 13421"),
        (lambda: zipped(alpha(Member("zeros", bytes(99 * 2**20)))), ""),
        (lambda: zipped(alpha(record="é" + "x," * (7 * 2**20))), " holds a {INFO}/RECORD with a row of"),
        (lambda: zipped(alpha(record="🐍" + "x" * (15 * 2**20))), " holds a {INFO}/RECORD that is no CSV"),
        (lambda: bytes(2**24) + zipped([], end={"count": 9999, "here": 9999, "size": 2**24}), " has a damaged"),
        (many, ""),
    ],
    ids=["METADATA", "bomb", "zeros", "fields", "line", "directory", "entries"],
)  # fmt: skip
def test_no_wheel_takes_200_mb_of_memory(tmp_path: Path, data: Callable[[], bytes], fact: str) -> None:
    path = saved(tmp_path, data())
    done = subprocess.run((sys.executable, "-c", READER, path), check=True, capture_output=True, text=True)
    *said, peak = done.stdout.splitlines()
    assert "".join(said).startswith(fact and f"{NAME}{fact.format(INFO=INFO)}")
    assert bool(said) == bool(fact)
    assert int(peak) < 200 * 1000


def test_a_data_folder_deep_inside_a_package_is_no_scheme(tmp_path: Path) -> None:
    path = wheel("alpha", "1.0", files={"pkg/x.data/purelib/m.py": b"1", "pkg/m.py": b"2"}).save(tmp_path)
    assert distribution.read(path, "").filename == path.name
