"""Members -> a wheel, byte by byte: what no writer of zip files would write, each field as a test wants it."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distributions import core_metadata

NAME = "alpha-1.0-py3-none-any.whl"
INFO = "alpha-1.0.dist-info"
WHEEL_FILE = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
Fields = Mapping[str, int]


def deflated(data: bytes) -> bytes:
    """Return the raw stream that a zip file holds."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@dataclass(frozen=True)
class Member:
    """One entry; `local` and `central` replace what its two headers say, `after` follows its bytes."""

    name: str | bytes
    data: bytes = b""
    method: int = 8
    flags: int = 0
    mode: int | None = None
    packed: bytes | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    local_name: bytes | None = None
    local: Fields = field(default_factory=dict)
    central: Fields = field(default_factory=dict)
    after: bytes = b""

    @property
    def raw_name(self) -> bytes:
        """The name's bytes."""
        return self.name if isinstance(self.name, bytes) else self.name.encode()

    @property
    def stream(self) -> bytes:
        """The bytes between local header and next entry, without what comes `after`."""
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == 8 else self.data

    @property
    def attributes(self) -> int:
        """The external attributes, as Unix writes them."""
        usual = 0o040755 if self.raw_name.endswith(b"/") else 0o100644
        return (usual if self.mode is None else self.mode) << 16

    def fields(self, changes: Fields) -> dict[str, int]:
        """What a header says."""
        utf8 = 0 if self.raw_name.isascii() or isinstance(self.name, bytes) else 0x800
        true = {"flags": self.flags | utf8, "method": self.method, "crc": zlib.crc32(self.data)}
        return {**true, "packed": len(self.stream), "size": len(self.data), **changes}


def _local(member: Member) -> bytes:
    f = member.fields(member.local)
    name = member.raw_name if member.local_name is None else member.local_name
    sizes = f["crc"], f["packed"], f["size"], len(name), len(member.local_extra)
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, f["flags"], f["method"], 0, 33, *sizes)
    return header + name + member.local_extra + member.stream + member.after


def _central(member: Member, at: int) -> bytes:
    f = {"header": at, "disk": 0, "attributes": member.attributes, **member.fields(member.central)}
    sizes = f["crc"], f["packed"], f["size"], len(member.raw_name), len(member.extra)
    kind = struct.pack("<4s6H", b"PK\x01\x02", 0x314, 20, f["flags"], f["method"], 0, 33)
    return (
        kind
        + struct.pack("<3L5H2L", *sizes, 0, f["disk"], 0, f["attributes"], f["header"])
        + (member.raw_name + member.extra)
    )


def zipped(
    members: Sequence[Member],
    *,
    before: bytes = b"",
    gap: bytes = b"",
    end: Mapping[str, int] = {},
    end64: Fields | None = None,
    locator: Mapping[str, int] = {},
    comment: bytes = b"",
) -> bytes:
    """Return the archive; with `end64`, a ZIP64 end record and its locator stand before the end record."""
    body, directory = bytearray(before), bytearray()
    for member in members:
        directory += _central(member, len(body))
        body += _local(member)
    body += gap
    true = {"disk": 0, "first": 0, "here": len(members), "count": len(members)}
    true |= {"size": len(directory), "start": len(body)}
    body += directory
    if end64 is not None:
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, *{**true, **end64}.values())
        where = {"disk": 0, "offset": len(body), "disks": 1, **locator}
        body += record + struct.pack("<4sLQL", b"PK\x06\x07", *where.values())
    body += struct.pack("<4s4H2LH", b"PK\x05\x06", *{**true, **end}.values(), len(comment)) + comment
    return bytes(body)


def row(name: str, data: bytes, algorithm: str = "sha256") -> str:
    """Return a row of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
    return f"{name},{algorithm}={digest},{len(data)}\n"


def rows(members: Sequence[Member]) -> str:
    """Return the RECORD of these members; folders have no row."""
    found = [row(m.raw_name.decode("latin-1"), m.data) for m in members if isinstance(m.name, bytes)]
    found += [row(m.name, m.data) for m in members if isinstance(m.name, str) and not m.name.endswith("/")]
    return "".join([*found, f"{INFO}/RECORD,,\n"])


def alpha(
    *more: Member,
    metadata: Member | None = None,
    wheel: bytes | None = WHEEL_FILE,
    record: str | bytes | None = None,
) -> list[Member]:
    """Return the members of alpha 1.0, with a RECORD that is right for all of them unless another is given."""
    members = [Member("alpha.py", b"one = 1\n"), *more]
    members.append(metadata or Member(f"{INFO}/METADATA", core_metadata("alpha", "1.0")))
    members += [] if wheel is None else [Member(f"{INFO}/WHEEL", wheel)]
    text = rows(members) if record is None else record
    return [*members, Member(f"{INFO}/RECORD", text if isinstance(text, bytes) else text.encode())]


def saved(folder: Path, data: bytes) -> Path:
    """Write a wheel of alpha 1.0."""
    path = folder / NAME
    path.write_bytes(data)
    return path
