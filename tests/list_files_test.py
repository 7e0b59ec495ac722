"""scripts/list_files.py: files.jsonl holds what is true of each file, and what cannot be listed is refused by name."""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
from pathlib import Path

import pytest
from approved import approve, approve_only, missing
from conftest import Checkout
from distributions import Distribution, core_metadata, sdist, wheel
from hostile import Member, alpha, zipped
from index_test import refusal, tree
from upstream import Upstream

from scripts.list_files import published
from scripts.root import Root

ALPHA = wheel("alpha", "1.0", requires=["beta>=1", 'gamma; extra == "e"'], requires_python=">=3.8,<4")
BETA = wheel("beta", "2.0")
YAML = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\n'
NAME, INFO = "alpha-1.0-py3-none-any.whl", "alpha-1.0.dist-info/METADATA"
UPLOADED = 1704164645  # 2024-01-02T03:04:05Z, as the tests' upstream says


def listing(checkout: Checkout) -> str:
    return (checkout.root / "web" / "files.jsonl").read_text(encoding="ascii")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_line_says_what_is_true_of_a_file(checkout: Checkout, upstream: Upstream) -> None:
    one = upstream.add(sdist("gamma", "3.0", requires_python=">=3.9"), upload_time=None)
    for each in (BETA, ALPHA):
        upstream.add(each)
    checkout.write(packages_yaml=f"{YAML}allow_sdists: [gamma]\n")
    approve(BETA, one, ALPHA)
    checkout.index()
    assert listing(checkout) == (
        f'{{"core_metadata": "sha256={sha256(ALPHA.metadata)}", "filename": "alpha-1.0-py3-none-any.whl", '
        f'"hash": "sha256={ALPHA.sha256}", "requires_dist": ["beta>=1", "gamma; extra == \\"e\\""], '
        f'"requires_python": ">=3.8,<4", "upload_timestamp": {UPLOADED}}}\n'
        f'{{"core_metadata": "sha256={sha256(BETA.metadata)}", "filename": "beta-2.0-py3-none-any.whl", '
        f'"hash": "sha256={BETA.sha256}", "upload_timestamp": {UPLOADED}}}\n'
        f'{{"filename": "gamma-3.0.tar.gz", "hash": "sha256={one.sha256}", "requires_python": ">=3.9"}}\n'
    )


def test_lines_are_sorted_and_ascii(checkout: Checkout, upstream: Upstream) -> None:
    odd = wheel("zeta", "1.0", requires=['beta; platform_release == "\u00e9\u2028"'])
    for one in (odd, BETA, ALPHA):
        upstream.add(one)
    approve(odd, BETA, ALPHA)
    checkout.index()
    lines = listing(checkout).split("\n")
    assert [line.split('"filename": "')[1].split('"')[0] for line in lines[:-1]] == [
        *(ALPHA.filename, BETA.filename, odd.filename)
    ]
    assert '"requires_dist": ["beta; platform_release == \\"\\u00e9\\u2028\\""]' in lines[2]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("told", ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.999999", "2024-01-02T05:04:05+02:00"])
def test_the_upload_time_is_the_same_on_every_machine(
    checkout: Checkout, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, zone: str, told: str
) -> None:
    upstream.add(BETA, upload_time=told)
    approve(BETA)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        checkout.index()
    time.tzset()
    assert f'"upload_timestamp": {UPLOADED}}}' in listing(checkout)


def test_the_upload_time_of_a_published_file_is_remembered(checkout: Checkout, upstream: Upstream) -> None:
    for one in (ALPHA, BETA):
        upstream.add(one)
    approve(ALPHA, BETA)
    checkout.index()
    both = listing(checkout)
    approve(ALPHA)
    checkout.index()
    upstream.requests.clear()
    approve(ALPHA, BETA)
    checkout.index()
    assert listing(checkout) == both
    assert upstream.requests == []


def test_the_upload_time_outlives_a_run_that_failed_after_the_download(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(BETA)
    bad = upstream.add(wheel("alpha", "1.0", requires_python="new"))
    approve(BETA, bad)
    refusal(checkout)
    upstream.requests.clear()
    approve(BETA)
    checkout.index()
    assert f'"upload_timestamp": {UPLOADED}}}' in listing(checkout)
    assert upstream.requests == []


def test_the_upload_time_outlives_a_run_that_was_killed_before_the_release(
    checkout: Checkout, upstream: Upstream
) -> None:
    upstream.add(BETA)
    bad = upstream.add(wheel("alpha", "1.0", requires_python="new"))
    approve(BETA, bad)
    refusal(checkout)
    incoming = checkout.root / "incoming" / BETA.filename
    incoming.rename(checkout.root / "packages" / BETA.filename)  # as far as it came
    approve(BETA)
    checkout.index()
    assert f'"upload_timestamp": {UPLOADED}}}' in listing(checkout)


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]\nnull\n3\n", b'{"filename": 1}\n', b"{"])
def test_a_damaged_list_of_an_earlier_release_is_no_obstacle(
    checkout: Checkout, upstream: Upstream, damage: bytes
) -> None:
    upstream.add(BETA)
    approve(BETA)
    checkout.index()
    good = listing(checkout)
    (checkout.root / "web" / "files.jsonl").write_bytes(damage)
    checkout.index()
    assert listing(checkout) == good


def refused(checkout: Checkout, upstream: Upstream, *files: Distribution) -> str:
    """Publish gamma, then approve bad files; return the refusal, with gamma still as it was."""
    gamma = upstream.add(wheel("gamma", "1.0"))
    approve(gamma)
    checkout.index()
    before = {path: data for path, data in tree(checkout.root).items() if not path.startswith("incoming/")}
    for one in files:
        upstream.add(one)
    approve(gamma, *files)
    text = refusal(checkout)
    after = {path: data for path, data in tree(checkout.root).items() if not path.startswith("incoming/")}
    assert after == before
    return text


def test_metadata_that_lies_is_refused(checkout: Checkout, upstream: Upstream) -> None:
    # pip looks at the name, but not at the version.
    liar = wheel("alpha", "1.0", metadata=core_metadata("alpha", "9.0"))
    assert refused(checkout, upstream, liar) == (
        "alpha 1.0: alpha-1.0-py3-none-any.whl: alpha-1.0.dist-info/METADATA says 'alpha' '9.0', "
        "the file name says alpha 1.0; take another version"
    )


@pytest.mark.parametrize(
    ("bad", "fact"),
    [
        (
            wheel("alpha", "1.0", metadata=core_metadata("requests", "1.0")),
            f"{NAME}: {INFO} says 'requests' '1.0', the file name says alpha 1.0",
        ),
        (
            wheel("alpha", "1.0", metadata=b"Summary: none\n"),
            f"{NAME}: {INFO} says '' '', the file name says alpha 1.0",
        ),
        (Distribution(NAME, b"no zip", b"Summary: none\n"), f"{NAME} is no zip archive"),
        (
            wheel("alpha", "1.0", files={"beta-1.0.dist-info/METADATA": core_metadata("beta", "1.0")}),
            f"{NAME} holds 2 dist-info folders; a wheel holds one",
        ),
        (
            wheel("alpha", "1.0", metadata=core_metadata("alpha", "1.0") + b"Summary: caf\xe9\n"),
            f"{NAME}: {INFO} is not UTF-8",
        ),
        (
            wheel("alpha", "1.0", requires=["beta >="]),
            f"{NAME}: {INFO} has the Requires-Dist 'beta >=', which is no requirement",
        ),
    ],
    ids=["name", "empty", "no zip", "two", "not UTF-8", "no requirement"],
)
def test_a_wheel_that_pip_would_not_install_is_named_with_a_plain_reason(
    checkout: Checkout, upstream: Upstream, bad: Distribution, fact: str
) -> None:
    assert refused(checkout, upstream, bad) == f"alpha 1.0: {fact}; take another version"


def test_a_wheel_that_pip_takes_and_another_system_reads_differently_is_refused(
    checkout: Checkout, upstream: Upstream
) -> None:
    twins = Distribution(NAME, zipped(alpha(Member("Alpha.py"))), core_metadata("alpha", "1.0"))
    assert refused(checkout, upstream, twins) == (
        f"alpha 1.0: {NAME} holds 'alpha.py' and 'Alpha.py', which some systems install in one place; "
        "take another version"
    )


def test_all_bad_files_are_named_at_once(checkout: Checkout, upstream: Upstream) -> None:
    python = wheel("beta", "1.0", requires_python="new")
    other = wheel("alpha", "1.0", metadata=core_metadata("alpha", "9.0"))
    assert refused(checkout, upstream, python, other) == (
        "alpha 1.0: alpha-1.0-py3-none-any.whl: alpha-1.0.dist-info/METADATA says 'alpha' '9.0', "
        "the file name says alpha 1.0; take another version\n"
        "beta 1.0: beta-1.0-py3-none-any.whl: beta-1.0.dist-info/METADATA has the Requires-Python 'new', "
        "which is no version specifier; take another version"
    )


def test_an_epoch_which_dumb_pypi_would_skip_is_refused(checkout: Checkout, upstream: Upstream) -> None:
    epoch = wheel("alpha", "1!2.0")
    assert refused(checkout, upstream, epoch) == (
        "alpha 1!2.0: dumb-pypi writes no page for such a name "
        "(Unsafe package name: alpha-1!2.0-py3-none-any.whl); take another version"
    )


def test_a_tag_without_a_digit_fits_no_target(checkout: Checkout, upstream: Upstream) -> None:
    odd = upstream.add(wheel("alpha", "1.0", tag="foo-none-any"))
    approve(odd, everywhere=True)
    assert refusal(checkout) == missing(
        "alpha 1.0 (locks/requirements/3.12-manylinux_2_28_x86_64.txt): "
        "alpha-1.0-foo-none-any.whl does not fit 3.12-manylinux_2_28_x86_64",
        of=1,
    )


def test_an_sdist_that_dumb_pypi_would_put_on_another_page_is_refused(checkout: Checkout, upstream: Upstream) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        info = tarfile.TarInfo("alpha-beta-1/PKG-INFO")
        metadata = core_metadata("alpha-beta", "1")
        info.size = len(metadata)
        archive.addfile(info, io.BytesIO(metadata))
    one = upstream.add(Distribution("alpha-beta-1.tar.gz", data.getvalue(), metadata))
    checkout.write(packages_yaml=f"{YAML}allow_sdists: [alpha-beta]\n")
    approve(one)
    assert refusal(checkout) == (
        "alpha-beta 1: dumb-pypi takes alpha-beta-1.tar.gz for a file of alpha-beta-1; take another version"
    )


def test_one_name_with_two_hashes_is_refused(checkout: Checkout, upstream: Upstream) -> None:
    checkout.write(
        packages_yaml='python_versions: ["3.11", "3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\n'
    )
    first, second = ALPHA, wheel("alpha", "1.0", files={"alpha.py": b"# swapped\n"})
    upstream.add(first)
    approve(first)
    checkout.index()
    live = (checkout.root / "web").readlink()
    upstream.add(second)
    approve_only(second, only="3.12-manylinux_2_28_x86_64")
    assert refusal(checkout) == f"{first.filename}: locked with two hashes; run make upgrade so that the locks agree"
    assert (checkout.root / "web").readlink() == live
    assert (checkout.root / "web" / "packages" / first.filename).read_bytes() == first.data


def test_a_file_that_was_swapped_upstream_and_locked_anew_replaces_the_old_one(
    checkout: Checkout, upstream: Upstream
) -> None:
    first, second = ALPHA, wheel("alpha", "1.0", files={"alpha.py": b"# swapped\n"})
    upstream.add(first)
    approve(first)
    checkout.index()
    upstream.add(second)
    approve(second)
    checkout.index()
    assert (checkout.root / "web" / "packages" / first.filename).read_bytes() == second.data
    assert [path.read_bytes() for path in Path(checkout.root / "retired").glob("*.whl.1")] == [first.data]


def test_of_a_file_the_newest_list_counts_whose_line_is_whole(checkout: Checkout, upstream: Upstream) -> None:
    for files in ((ALPHA,), (ALPHA, BETA)):
        upstream.add(files[-1])
        approve(*files)
        checkout.index()
    root, place = Root(checkout.root), checkout.root / "web" / "files.jsonl"
    before = dict(published(root))
    assert before.keys() == {ALPHA.sha256, BETA.sha256}
    text = place.read_text().replace("}\n", "\n")
    place.unlink()
    place.write_text(text)
    assert published(root) == {ALPHA.sha256: before[ALPHA.sha256]}
