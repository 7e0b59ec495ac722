"""scripts/distribution.py: what a wheel or sdist says of itself is read without running it, and nothing is believed."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from distributions import Distribution, core_metadata, sdist, wheel
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts import distribution, zip_layout
from scripts.archive import MAX_METADATA_BYTES
from scripts.core_metadata import About
from scripts.licenses import License
from scripts.manifest import fact_of

INFO = "alpha-1.0.dist-info/METADATA"
NAME = "alpha-1.0-py3-none-any.whl"


def problem(path: Path) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole text is compared)
        distribution.read(path, "0" * 64)
    return str(caught.value)


def sdist_of(folder: Path, *members: tuple[str, bytes]) -> Path:
    path = folder / "alpha-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_wheel_is_read(tmp_path: Path) -> None:
    headers = "Summary: what it is\nLicense-Expression: MIT\nProject-URL: Home, https://example.org/\n"
    one = wheel(
        "Alpha.Beta",
        "1.0",
        requires=["gamma>=1; python_version<'3.9'"],
        requires_python=">=3.8",
        metadata_headers=headers,
    )
    assert distribution.read(one.save(tmp_path), one.sha256) == distribution.Distribution(
        filename="alpha_beta-1.0-py3-none-any.whl",
        name=canonicalize_name("alpha-beta"),
        version=Version("1.0"),
        sha256=one.sha256,
        size=len(one.data),
        metadata=fact_of(one.metadata),
        requires_dist=("gamma>=1; python_version<'3.9'",),
        requires_python=">=3.8",
        about=About("what it is", "MIT", (("Home", "https://example.org/"),), License(("MIT",), "expression")),
        is_checked=True,
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: free", "MIT OR Apache-2.0"),
        ("Classifier: License :: OSI Approved :: MIT License\nLicense: whole text", "MIT License"),
        ("Classifier: License :: OSI Approved\nLicense: BSD", "BSD"),
        ("Classifier: License :: Public Domain\nClassifier: License :: OSI Approved :: X", "Public Domain, X"),
        ("License: \n        MIT License\n        Permission is hereby", "MIT License"),
        (f"License: {'x' * 999}", "x" * 500),
        ("License: UNKNOWN", ""),
        ("", ""),
    ],
)
def test_a_licence_is_the_best_that_the_metadata_tells_on_one_line(tmp_path: Path, headers: str, expected: str) -> None:
    one = wheel("alpha", "1.0", metadata_headers=headers)
    assert distribution.read(one.save(tmp_path), one.sha256).about.license == expected


def test_only_urls_that_a_browser_opens_and_does_not_run_are_read(tmp_path: Path) -> None:
    urls = ["Docs, https://a.example/x", "Run, javascript:alert(1)", "Data, data:text/html,x", "Odd, https://a b", "No"]
    headers = "\n".join(["Home-page: http://a.example", *(f"Project-URL: {url}" for url in urls)])
    one = wheel("alpha", "1.0", metadata_headers=headers)
    assert distribution.read(one.save(tmp_path), one.sha256).about.urls == (
        ("Homepage", "http://a.example"),
        ("Docs", "https://a.example/x"),
    )


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_sdist_is_read_without_its_needs_which_only_a_build_tells(tmp_path: Path, suffix: str) -> None:
    one = sdist("alpha", "1.0", requires=["gamma"], requires_python=">=3.8")
    path = tmp_path / f"alpha-1.0{suffix}"
    if suffix == ".tar.gz":
        path.write_bytes(one.data)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("alpha-1.0/PKG-INFO", one.metadata)
    expected = distribution.Distribution(
        *(path.name, canonicalize_name("alpha"), Version("1.0"), one.sha256, path.stat().st_size, None, (), ">=3.8"),
        is_checked=True,
    )
    assert distribution.read(path, one.sha256) == expected


@pytest.mark.parametrize(
    ("name", "version"), [("beta", "1.0"), ("alpha", "2.0"), ("alpha\n beta", "1.0"), ("alpha", "one"), ("", "")]
)
def test_metadata_that_says_another_release_is_refused(tmp_path: Path, name: str, version: str) -> None:
    one = wheel("alpha", "1.0", metadata=core_metadata(name, version))
    assert problem(one.save(tmp_path)) == (f"{NAME}: {INFO} says {name!r} {version!r}, the file name says alpha 1.0")


def test_a_name_that_stands_twice_is_none(tmp_path: Path) -> None:
    one = wheel("alpha", "1.0", metadata=core_metadata("alpha", "1.0", headers="Name: beta"))
    assert problem(one.save(tmp_path)) == f"{NAME}: {INFO} says name more than once, or not as text"


def test_another_spelling_of_the_same_release_is_accepted(tmp_path: Path) -> None:
    one = wheel("alpha-beta", "1.0", metadata=core_metadata("Alpha.Beta", "1.0.0"))
    path = one.save(tmp_path)
    assert distribution.read(path, one.sha256).metadata == fact_of(one.metadata)
    assert distribution.read_metadata(path) == one.metadata


def test_metadata_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    one = wheel("alpha", "1.0", metadata=core_metadata("alpha", "1.0") + b"Summary: caf\xe9\n")
    assert problem(one.save(tmp_path)) == f"{NAME}: {INFO} is not UTF-8"


@pytest.mark.parametrize("text", ["3.8 or newer", ">=3.*", "<script>"])
def test_a_requires_python_that_is_no_specifier_is_refused(tmp_path: Path, text: str) -> None:
    one = wheel("alpha", "1.0", requires_python=text)
    assert problem(one.save(tmp_path)) == (
        f"{NAME}: {INFO} has the Requires-Python {text!r}, which is no version specifier"
    )


@pytest.mark.parametrize("text", ["gamma >=", "-r other.txt", "gamma; python_version", "../gamma", "gamma>=1\n beta"])
def test_a_requires_dist_that_is_no_requirement_is_refused(tmp_path: Path, text: str) -> None:
    one = wheel("alpha", "1.0", requires=["fine", text])
    assert problem(one.save(tmp_path)) == (f"{NAME}: {INFO} has the Requires-Dist {text!r}, which is no requirement")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"no zip at all")
    assert problem(path) == f"{NAME} is no zip archive"
    path = tmp_path / "alpha-1.0.tar.gz"
    path.write_bytes(b"no gzip at all")
    assert problem(path).startswith("alpha-1.0.tar.gz is not a sound archive: ")


@pytest.mark.parametrize("one", [wheel("alpha", "1.0"), sdist("alpha", "1.0")], ids=["wheel", "sdist"])
def test_a_damaged_archive_is_read_or_refused_but_no_other_error_comes(tmp_path: Path, one: Distribution) -> None:
    chance = random.Random(20)  # noqa: S311 (the same damage each time)
    path = tmp_path / one.filename
    refused = 0
    for _ in range(1500):
        data = bytearray(one.data)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        try:
            assert distribution.read(path, one.sha256).filename == one.filename
        except ValueError as error:
            assert str(error)  # noqa: PT017 (some damage is harmless)
            refused += 1
    assert refused > 500


def test_an_sdist_without_pkg_info_is_refused(tmp_path: Path) -> None:
    path = sdist_of(tmp_path, ("alpha-1.0/setup.py", b""), ("PKG-INFO", b""), ("../alpha-1.0/PKG-INFO", b""))
    assert problem(path) == "alpha-1.0.tar.gz holds no alpha-1.0/PKG-INFO"


def test_an_sdist_s_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "alpha-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("alpha-1.0/PKG-INFO")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    assert problem(path) == "alpha-1.0.tar.gz holds no alpha-1.0/PKG-INFO"


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_any_size_in_an_sdist_takes_little_memory(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 300 * 2**20
    path = tmp_path / "alpha-1.0.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(header.tobuf())
        stream.write(bytes(300 * 2**20))
    tracemalloc.start()
    try:
        text = problem(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert text == "alpha-1.0.tar.gz is not a sound archive: a header is too large"
    assert peak < 5 * MAX_METADATA_BYTES


def test_pkg_info_of_any_size_takes_little_memory(tmp_path: Path) -> None:
    path = sdist_of(tmp_path, ("alpha-1.0/PKG-INFO", bytes(100 * 2**20)))
    assert problem(path) == f"alpha-1.0.tar.gz: alpha-1.0/PKG-INFO is larger than {MAX_METADATA_BYTES} bytes"


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("alpha-1.0-py3-none-any.whl", "alpha", "1.0"),
        (
            "Alpha_Beta-1!2.0+local.1-1-cp312-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "alpha-beta",
            "1!2.0+local.1",
        ),
        ("alpha.beta-1.0.post1.tar.gz", "alpha-beta", "1.0.post1"),
        ("alpha-1.zip", "alpha", "1"),
    ],
)
def test_a_file_name_tells_name_and_version(filename: str, name: str, version: str) -> None:
    found = distribution.parse_filename(filename)
    assert (found[0], str(found[1])) == (name, version)


@pytest.mark.parametrize("field", ["License-Expression: MIT", "Requires-Python: >=3.99"])
def test_a_field_that_clients_and_rules_may_read_differently_stands_once(tmp_path: Path, field: str) -> None:
    one = wheel("alpha", "1.0", metadata_headers=f"{field}\n{field}")
    name = field.partition(":")[0].lower()
    assert problem(one.save(tmp_path)) == f"{NAME}: {INFO} says {name} more than once, or not as text"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("\n".join(f"X{n}: y" for n in range(1000)), "1003 fields of 1003 names"),
        ("a:\n" * 20_000, "20003 fields of 4 names"),
    ],
)
def test_metadata_of_very_many_fields_is_refused(tmp_path: Path, headers: str, expected: str) -> None:
    one = wheel("alpha", "1.0", metadata_headers=headers)
    assert problem(one.save(tmp_path)) == f"{NAME}: {INFO} has {expected}; at most 10000 are read"


@pytest.mark.parametrize(
    "need", ['beta; os_name ~= "posix"', "beta==" + "1" * 5000, "beta===\x1b[31m", "beta @ https://x/\x1b[2J"]
)
def test_a_requirement_that_no_client_can_judge_is_none(tmp_path: Path, need: str) -> None:
    one = wheel("alpha", "1.0", requires=[need])
    assert problem(one.save(tmp_path)) == f"{NAME}: {INFO} has the Requires-Dist {need!r}, which is no requirement"


@pytest.mark.parametrize("tags", ["a.b.c.d.e.f.g.h-a.b.c.d.e.f.g.h-a.b.c.d.e.f.g.h", f"{'a.' * 100}a-b.c.d.e.f-any"])
def test_a_name_of_very_many_tags_is_none(tags: str) -> None:
    with pytest.raises(ValueError, match=r" is not the name of a wheel or sdist \(with more than 500 tags\)$"):
        distribution.parse_filename(f"alpha-1.0-{tags}.whl")


def test_an_sdist_of_very_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_layout, "MAX_ENTRIES", 1)
    one = sdist("alpha", "1.0")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in (("a", b""), ("b", b""), ("alpha-1.0/PKG-INFO", one.metadata)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path = tmp_path / "alpha-1.0.tar.gz"
    path.write_bytes(data.getvalue())
    assert problem(path) == "alpha-1.0.tar.gz holds no alpha-1.0/PKG-INFO among its first 1 entries"


def test_a_zip_sdist_is_read_as_one_archive_too(tmp_path: Path) -> None:
    path = tmp_path / "alpha-1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("alpha-1.0/PKG-INFO", sdist("alpha", "1.0").metadata)
    path.write_bytes(b"junk" + path.read_bytes())
    assert problem(path) == "alpha-1.0.zip has a central directory that does not reach to the end record"
