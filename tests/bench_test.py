"""`make bench`: what it measures with is sound, and what it says of numbers is right. No time is measured here."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from bench import document, load, plot, serve_group, synthetic, without
from bench.__main__ import GROUPS, main
from bench.load import Load
from bench.measure import FailedError, Medians, run, side_by_side
from bench.shares import INDEX, memory, shares
from bench.table import Row, line, row
from conftest import Checkout
from index_test import tree

from scripts import CODE, verify

_SAID = """\
Running 5s test @ http://127.0.0.1:8000/
  Latency Distribution
     50%    1.46s{space}
     99%    {slowest}
  42 requests in 5.47s, 2.65GB read
{more}Requests/sec:      7.67
Transfer/sec:    500.00MB
"""


def test_synthetic_wheels_are_published_and_verified(checkout: Checkout) -> None:
    wheels = checkout.path / "wheels"
    approvals = synthetic.save(synthetic.versions(3, 10), wheels)
    synthetic.approve(checkout.path, approvals, synthetic.SIX_TARGETS, "closure: error\n")
    synthetic.hold(checkout.root, sorted(wheels.iterdir()))
    assert checkout.index() == 0
    assert verify.main([f"--root={checkout.root}"]) == 0
    assert checkout.upstream.requests == []
    assert len(list(wheels.iterdir())) == len(list((checkout.root / "packages").glob("*.whl"))) == 30


def test_synthetic_wheels_are_the_same_each_time_and_need_each_other() -> None:
    made = [synthetic.make(project, version) for project, version in synthetic.versions(20, 2)]
    assert made == [synthetic.make(project, version) for project, version in synthetic.versions(20, 2)]
    needs = re.findall(rb"Requires-Dist: project-0000(\d\d)>=1\.0", b"".join(one.metadata for one in made))
    assert len(needs) > 20
    assert max(len(one.data) for one in made) < 2_000
    assert len(synthetic.make(0, "1.0", padding=10_000).data) > 10_000


def test_the_list_for_dumb_pypi_says_what_the_release_says(checkout: Checkout) -> None:
    approvals = synthetic.save(synthetic.versions(2, 2), checkout.path / "wheels")
    synthetic.approve(checkout.path, approvals)
    synthetic.hold(checkout.root, sorted((checkout.path / "wheels").iterdir()))
    checkout.index()
    path = synthetic.package_list(approvals, checkout.path / "list.json")
    theirs = [json.loads(text) for text in path.read_text().splitlines()]
    ours = [json.loads(text) for text in (checkout.root / "web" / "files.jsonl").read_text().splitlines()]
    told = ("filename", "hash", "requires_python")
    assert [[one[key] for key in told] for one in theirs] == [[one[key] for key in told] for one in ours]
    assert [one["requires_dist"] for one in theirs] == [one.get("requires_dist", []) for one in ours]


def _part(*arguments: str | Path) -> str:
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(CODE), str(CODE / "tests")))}
    return run(sys.executable, "-m", "bench.part", *arguments, env=env).output.strip()


def _release(folder: Path) -> dict[str, bytes]:
    of_all = {"files.jsonl": b"{}\n{}\n", "manifest.jsonl": b"{}"}
    pages = {"index.html": b"<p>", "simple/alpha/index.json": b"{}"} | of_all
    for path, data in pages.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return pages


def test_the_part_of_a_first_build_is_of_every_file_and_page(tmp_path: Path) -> None:
    pages = _release(tmp_path / "release")
    (place := tmp_path / "place").mkdir()
    approvals = synthetic.save(synthetic.versions(2, 3), tmp_path / "wheels")
    packages = synthetic.package_list(approvals, tmp_path / "list.json")
    said = _part("first", tmp_path / "wheels", packages, tmp_path / "release", place)
    assert said == "42 fields of METADATA, 6 files on pages of dumb-pypi's, 4 pages written"
    made = [synthetic.make(*each) for each in synthetic.versions(2, 3)]
    assert tree(place) == pages | {f"packages/{one.filename}.metadata": one.metadata for one in made}


def test_the_part_of_a_change_is_every_page_linked_or_written_anew(tmp_path: Path) -> None:
    pages = _release(tmp_path / "release")
    (place := tmp_path / "place").mkdir()
    assert _part("change", tmp_path / "release", place) == "2 lists written, 2 pages linked"
    found = tree(place)
    assert gzip.decompress(found.pop("files.jsonl.gz")) == pages["files.jsonl"]
    assert found == pages
    assert {path for path in pages if (place / path).samefile(tmp_path / "release" / path)} == {
        "index.html",
        "simple/alpha/index.json",
    }


def test_ours_and_theirs_are_measured_in_turn() -> None:
    order: list[str] = []
    ours, theirs = iter([1.0, 9.0, 2.0]), iter([4.0, 5.0, 60.0])

    def measure(who: str) -> float:
        order.append(who)
        return next(ours if who == "ours" else theirs)

    medians = side_by_side(lambda: measure("ours"), lambda: measure("theirs"))
    assert (medians, order) == (Medians(2.0, 5.0, 3), ["ours", "theirs"] * 3)
    assert side_by_side(lambda: 3.0, runs=5, budget=0) == Medians(3.0, None, 1)


def test_a_command_is_measured_by_what_it_takes_itself() -> None:
    ballast = bytearray(200 * 2**20)
    small = run(sys.executable, "-c", "print('a line')")
    large = run(sys.executable, "-c", f"x = bytearray({150 * 2**20}); print('two'); print('lines')")
    assert len(ballast) > small.peak_mb * 2**20
    assert large.peak_mb > small.peak_mb + 140
    assert (small.output.strip(), large.output.strip()) == ("a line", "two\nlines")
    assert small.seconds > 0


def test_a_command_that_fails_or_takes_too_long_says_so() -> None:
    name = Path(sys.executable).name
    with pytest.raises(FailedError, match=f"^{name} failed: no such thing$"):
        run(sys.executable, "-c", "import sys; sys.exit('first\\nno such thing')")
    with pytest.raises(FailedError, match=f"^{name} took more than 0 s$"):
        run(sys.executable, "-c", "import time; time.sleep(600)", timeout=0.2)


@pytest.mark.parametrize(
    ("target", "medians", "met"),
    [
        ("≤ 0.2 ×", Medians(1, 5, 3), True),
        ("≤ 0.2 ×", Medians(1.1, 5, 3), False),
        ("≥ 0.9 ×", Medians(9, 10, 3), True),
        ("≥ 0.9 ×", Medians(8.9, 10, 3), False),
        ("≤ 10 s", Medians(10, None, 1), True),
        ("≤ 10 s", Medians(10.1, 1000, 1), False),
        ("≤ 0.2 ×", Medians(1, None, 3), None),
        ("≤ 0.2 ×", None, None),
        ("", Medians(1, 5, 3), None),
    ],
)
def test_a_target_is_met_or_not(target: str, medians: Medians | None, met: bool | None) -> None:
    assert Row("work", "peer", target, medians).is_met is met


def test_a_row_that_cannot_be_measured_tells_why() -> None:
    def fail() -> Medians:
        raise FailedError("wrk is not installed")

    one = row("project page", "nginx", "≥ 1 ×", fail)
    assert line(one) == "project page | nginx | — | — | — | target ≥ 1 × | not measured: wrk is not installed"


def test_the_document_is_a_table_for_each_group() -> None:
    rows = {
        "index": [
            Row("first build", "dumb-pypi", "≤ 1.5 ×", Medians(1234.5, 1000.0, 1)),
            Row("peak memory", "", "≤ 400 MB", Medians(401.2, None, 3), unit="MB"),
        ],
        "serve": [Row("the three above", "nginx", failure="a | b")],
    }
    profiles = {"index": {"time goes, first build of 10 files": [("read", 0.751), ("write", 0.2449), ("look", 0.0041)]}}
    expected = f"""\
# Benchmarks

Written by `make bench`, which measures in turn, ours and theirs, and takes the median of the runs.
A ratio is ours divided by theirs.

2026-01-02, 2 cores.

## `make index`

| work | beside it | ours | theirs | ratio | target | met | runs |
|---|---|---|---|---|---|---|---|
| first build | dumb-pypi | 1,234 s | 1,000 s | 1.23 × | ≤ 1.5 × | yes | 1 |
| peak memory | — | 401 MB | — | — | ≤ 400 MB | no | 3 |

{document.NOTES["index"]}

![Seconds over the number of files](benchmarks.svg)

Where the time goes, first build of 10 files:

| step | share |
|---|---|
| read | 75% |
| write | 24% |

## Serving

| work | beside it | ours | theirs | ratio | target | met | runs |
|---|---|---|---|---|---|---|---|
| the three above | nginx | — | — | — | — | not measured: a \\| b | — |

{document.NOTES["serve"]}
"""
    assert document.text(rows, profiles, "2026-01-02, 2 cores", has_plot=True) == expected
    assert document.TITLES.keys() == GROUPS.keys()


def held(checkout: Checkout, files: int) -> tuple[str, ...]:
    """Approve so many files, which are on disk; returns the arguments of `scripts.index`."""
    wheels = checkout.path / "wheels"
    synthetic.approve(checkout.path, synthetic.save(synthetic.versions(1, files), wheels))
    synthetic.hold(checkout.root, sorted(wheels.iterdir()))
    return f"--root={checkout.root}", f"--upstream={checkout.upstream.url}", f"--caddy={shutil.which('true')}"


def test_shares_are_of_steps_that_there_are(checkout: Checkout) -> None:
    options, env = held(checkout, 2), os.environ | {"PYTHONPATH": str(CODE)}
    found = dict(shares(INDEX, "scripts.index", *options, cwd=checkout.path, env=env))
    assert found.keys() == {*INDEX, "all else, such as Python's start"}
    assert [step for step, share in found.items() if share <= 0] == []
    assert sum(found.values()) == pytest.approx(1)


def test_memory_is_told_of_the_same_steps(checkout: Checkout) -> None:
    options, env = held(checkout, 200), os.environ | {"PYTHONPATH": f"{CODE}:{CODE / 'tests'}"}
    peak, told = memory("scripts.index", *options, cwd=checkout.path, env=env)
    found = dict(told)
    assert peak > 20 * 10**6
    assert found.keys() <= {*INDEX, "all else: Python, its modules, and what goes again"}
    assert any(found[step] > 0 for step in found.keys() & INDEX.keys())
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("optimisation", without.ALL)
def test_what_is_published_without_an_optimisation_is_right(checkout: Checkout, optimisation: str) -> None:
    env = os.environ | {"PYTHONPATH": f"{CODE}:{CODE / 'tests'}"}
    for files in (2, 3):
        options = held(checkout, files)
        done = without.run(optimisation, "scripts.index", *options, cwd=checkout.path, env=env)
        assert f"1 projects, {files} files" in done.output
        shutil.rmtree(checkout.path / "wheels")
    assert verify.main([f"--root={checkout.root}"]) == 0


@pytest.mark.parametrize("part", serve_group.PARTS)
def test_what_a_part_of_the_caddyfile_costs_is_told_of_one_without_it(part: str) -> None:
    text = (CODE / "caddy/Caddyfile").read_text()
    less = serve_group.without(part, text, "a-release")
    assert ("output stdout" in less, "release.txt" in less) == (part != "an access log", part == "an access log")
    with pytest.raises(FailedError, match=f"the Caddyfile has {part} 0 times"):
        serve_group.without(part, less, "a-release")


def test_the_plot_is_logarithmic(tmp_path: Path) -> None:
    curves = {"first ours": {100: 1.0, 10_000: 100.0, 1000: 10.0}, "first theirs": {100: 2.0}}
    document.write(tmp_path, {}, curves, {})
    text = (tmp_path / "benchmarks.svg").read_text()
    assert ">first build, make index</text>" in text
    assert '<polyline points="60.0,370.0 275.0,195.0 490.0,20.0" stroke="#0b5fa5"/>' in text
    assert re.findall(r">([0-9,]+)</text>", text) == ["100", "1,000", "10,000"]
    assert re.findall(r">([0-9.]+ s)</text>", text) == ["1 s", "10 s", "100 s"]
    assert plot.svg({"a <b>": {1: 1.0}}).count("a &lt;b&gt;") == 1


def test_what_wrk_says_is_read() -> None:
    assert load.parse(_SAID.format(slowest="4.72s ", space=" ", more="")) == Load(7.67, 4720.0, 524.288)
    assert load.parse(_SAID.format(slowest="850.00us", space=" ", more="")).p99_ms == 0.85
    with pytest.raises(FailedError, match=r"^Non-2xx or 3xx responses: 7$"):
        load.parse(_SAID.format(slowest="1.00ms", space="", more="  Non-2xx or 3xx responses: 7\n"))
    with pytest.raises(FailedError, match=r"^no answer to any of 64 connections$"):
        load.parse(_SAID.format(slowest="0.00us", space="", more="").replace("500.00MB", "0.00B"))
    with pytest.raises(FailedError, match=r"^wrk tells no rate$"):
        load.parse("")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--groups=speed", f"BENCH: there is no speed; name some of {', '.join(GROUPS)}, or leave it out"),
        ("--sizes=many", "BENCH_SIZES: 'many' is no list of numbers of files from 100 on; write 1000,10000"),
    ],
)
def test_what_make_is_told_wrongly_is_one_sentence(option: str, sentence: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, "--caddy=caddy", "--peers=peers"])
    assert str(ended.value) == sentence
