"""scripts/compilers.py, remembered.py, links.py: targets share a process and what it read, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from conftest import Checkout
from distributions import sdist, wheel
from pip._internal.index.collector import IndexContent, LinkCollector, parse_links
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.format_control import FormatControl
from pip._internal.models.search_scope import SearchScope
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.models.target_python import TargetPython
from pip._internal.network.session import PipSession
from pip._vendor.packaging.tags import Tag
from upstream import JSON, Upstream

from scripts import links, locks
from scripts.compilers import Compilers
from scripts.pip_environment import environment_for
from scripts.target import Target

TARGETS = ("3.9-manylinux_2_28_x86_64", "3.12-win_amd64", "3.13-manylinux_2_28_x86_64")
PYTHONS = ("3.9", "3.12", "3.13")
PLATFORMS = ("manylinux_2_28_x86_64", "win_amd64")
NAMES = (
    *("foo-1.0-py3-none-any.whl", "foo-1.0-1-py2.py3-none-any.whl", "foo-2.0-cp312-cp312-win_amd64.whl"),
    *("foo-3.0-CP312-abi3-Win_AMD64.whl", "foo-3.0%2Blocal-py3-none-any.whl", "foo-3.1-py3-none-any.whl?x=1#y.whl"),
    *("foo-4.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "foo-4.1-36.37-none-any.whl"),
    *("foo-5.0.tar.gz", "foo-5.1.zip", "foo-5.2-py3-none.whl", "foo.whl", ".whl", "foo-5.3-py3-none-.whl", "bar"),
    *("bar-1.0-py3-none-any.whl", "foo-6.0-py3-none-any.whl.asc", "foo-6.1-py3-none-any.egg", "foo-7.0-py3-none-any/"),
)


@pytest.fixture
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def configuration(*pythons: str, more: str = "") -> str:
    return f"python_versions: {json.dumps(pythons)}\nplatforms: {json.dumps(PLATFORMS)}\nresolve_deps: true\n{more}"


def texts() -> dict[str, str]:
    return {str(key.target): path.read_text() for key, path in locks.existing().items()}


def finder(target: Target, formats: FormatControl) -> PackageFinder:
    """Return pip's own finder for a target."""
    python = TargetPython(py_version_info=target.version)
    python._valid_tags = [Tag(tag.interpreter, tag.abi, tag.platform) for tag in target.tags]
    collector = LinkCollector(PipSession(), SearchScope.create(find_links=[], index_urls=[], no_index=True))
    preferences = SelectionPreferences(allow_yanked=True, format_control=formats)
    return PackageFinder.create(collector, preferences, target_python=python)


# What targets share


@pytest.mark.usefixtures("_one_process")
@pytest.mark.parametrize("sidecar", [True, False])
def test_what_was_read_for_one_target_is_not_asked_for_again(
    checkout: Checkout, upstream: Upstream, *, sidecar: bool
) -> None:
    for one in (
        wheel("foo", "1.0", requires=["bar", "baz; os_name == 'nt'"]),
        wheel("bar", "1.0"),
        wheel("baz", "1.0"),
    ):
        upstream.add(one, sidecar=sidecar)
    checkout.write("foo\n", packages_yaml=configuration(*PYTHONS))
    assert checkout.lock() == 0
    assert len(locks.existing()) == len(PYTHONS) * len(PLATFORMS)
    asked = Counter(request.path for request in upstream.requests)
    assert set(asked.values()) == {1}
    end = ".metadata" if sidecar else ""
    assert {path.rpartition("/")[2] for path in asked if not path.endswith("/")} == {
        f"{name}-1.0-py3-none-any.whl{end}" for name in ("foo", "bar", "baz")
    }


@pytest.mark.usefixtures("_one_process")
def test_metadata_of_a_wheel_that_no_hash_verifies_is_not_remembered(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("foo", "1.0"), sidecar=False, hashes=False)
    upstream.add(wheel("bar", "1.0"), sidecar=False)
    checkout.write("foo\nbar\n", packages_yaml=configuration("3.12"))
    assert checkout.lock() == 0
    # To resolve and to hash, for each target.
    assert Counter(upstream.file_requests()) == {"foo-1.0-py3-none-any.whl": 4, "bar-1.0-py3-none-any.whl": 1}


@pytest.mark.usefixtures("_one_process")
def test_a_lock_is_the_same_whatever_was_solved_before_it(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("foo", "1.0", requires=["nt; os_name == 'nt'", "old; python_version < '3.10'", "built"]))
    for tag in ("cp39-abi3-win_amd64", "cp313-cp313-manylinux_2_17_x86_64", "py3-none-any"):
        upstream.add(wheel("nt", "1.0", tag=tag))
        upstream.add(wheel("old", "1.0", tag=tag))
    upstream.add(wheel("built", "1.0", requires_python="<3.12"))
    upstream.add(wheel("built", "2.0", requires_python=">=3.12"))
    together: dict[str, str] = {}
    for pythons in ((PYTHONS), *((one,) for one in PYTHONS)):
        checkout.write("foo\nnt\n", packages_yaml=configuration(*pythons))
        shutil.rmtree("locks", ignore_errors=True)
        assert checkout.lock() == 0
        together = together or texts()
        assert texts() == {target: together[target] for target in texts()}
    assert len(set(together.values())) == len(PYTHONS) * len(PLATFORMS)


@pytest.mark.usefixtures("_one_process")
def test_a_target_that_cannot_be_solved_leaves_nothing_to_the_next(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    for number, tag in (("1.0", "cp312-cp312-win_amd64"), ("2.0", "cp313-cp313-manylinux_2_17_x86_64")):
        upstream.add(wheel("foo", number, tag=tag))
    checkout.write("foo==2.0\n", packages_yaml=configuration("3.12", "3.13"))
    assert checkout.lock() == 1
    assert list(texts()) == ["3.13-manylinux_2_28_x86_64"]
    there = "the upstream has foo-2.0-cp313-cp313-manylinux_2_17_x86_64.whl; name another version or target"
    assert capfd.readouterr().err.splitlines() == [
        *("locks/requirements/3.12-manylinux_2_28_x86_64.txt,", "locks/requirements/3.12-win_amd64.txt,"),
        "locks/requirements/3.13-win_amd64.txt: cannot be solved:",
        f"    requirements.in:1: foo==2.0: no file fits the target; {there}",
        "1 locks written, 0 unchanged, 0 removed, 3 failed",
    ]


# The processes


def test_a_process_that_dies_says_why_and_another_takes_its_place(upstream: Upstream, tmp_path: Path) -> None:
    upstream.add(wheel("foo", "1.0"))
    (tmp_path / "some.in").write_text("foo\n")
    options = (f"--target={TARGETS[0]}", "--", "--quiet", "--output-file=some.txt", "some.in")
    with Compilers(environment_for(upstream.url)) as compilers:
        compilers.compile(options, tmp_path)
        with pytest.raises(RuntimeError, match=r"compile_target: error: the following arguments are required"):
            compilers.compile(("--target=", "--"), tmp_path)
        (tmp_path / "some.txt").unlink()
        compilers.compile(options, tmp_path)
    assert "foo==1.0" in (tmp_path / "some.txt").read_text()


def test_the_processes_end_with_their_block(upstream: Upstream, tmp_path: Path) -> None:
    upstream.add(wheel("foo", "1.0"))
    (tmp_path / "some.in").write_text("foo\n")
    with Compilers(environment_for(upstream.url)) as compilers:
        compilers.compile((f"--target={TARGETS[0]}", "--", "--quiet", "--output-file=some.txt", "some.in"), tmp_path)
        (one,) = compilers._idle
        assert one._process.poll() is None
    assert one._process.returncode == 0


# What is read of a page


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("is_sdist_allowed", [False, True])
def test_what_a_page_is_not_read_for_is_no_candidate(target: str, *, is_sdist_allowed: bool) -> None:
    files = [{"filename": name, "url": f"../files/{name}", "hashes": {}} for name in NAMES]
    content = json.dumps({"files": files}).encode()
    page = IndexContent(content, JSON, None, "http://localhost/foo/", cache_link_parsing=False)
    formats = FormatControl() if is_sdist_allowed else FormatControl(only_binary={":all:"})
    pip = finder(Target.parse(target), formats)
    judge = pip.make_link_evaluator("foo")
    expected = pip.evaluate_links(judge, parse_links(page))
    read = list(links.promising(page, judge))
    assert pip.evaluate_links(judge, read) == expected
    assert expected
    assert any(link.filename == "foo-5.0.tar.gz" for link in read) == is_sdist_allowed
    assert len(read) < len(NAMES)


def test_a_page_is_read_in_full_for_an_error(
    checkout: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.add(wheel("foo", "1.0", tag="cp27-cp27m-win32"))
    upstream.add(sdist("foo", "1.0"))
    checkout.write("foo==1.0\n", packages_yaml="python_versions: ['3.12']\nplatforms: [win_amd64]\n")
    assert checkout.lock() == 1
    assert "the upstream has foo-1.0-cp27-cp27m-win32.whl, foo-1.0.tar.gz; name" in capfd.readouterr().err
