"""scripts/closure*.py, first_choice.py, conflicts.py: what clients would miss, before they do."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from approved import approve, approve_only
from conftest import Checkout
from distributions import Distribution, sdist, wheel
from index_test import refusal
from offers import file
from policy_test import FOOT, waive
from project import ALONE, copy_of_project, environment, make
from upstream import Upstream

from scripts import build, closure_matrix, conflicts, judge, locks, solve
from scripts.closure import Served
from scripts.cores import cores
from scripts.first_choice import first_choice
from scripts.locks import Key
from scripts.requirements import RequirementSet
from scripts.solve import Job
from scripts.target import Target

LINUX, WINDOWS = "3.12-manylinux_2_28_x86_64", "3.12-win_amd64"
TARGETS = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64, win_amd64]\n'
ADD = "to fill the gaps, add such lines with the versions that you want, or set resolve_deps: true"
BOTH = f"{LINUX}, {WINDOWS}"


def approved(checkout: Checkout, *distributions: Distribution, requirements: str = "", yaml: str = "") -> None:
    """Let the upstream have files and the locks approve them, on each target those that fit."""
    for one in distributions:
        checkout.upstream.add(one)
    checkout.write(packages_yaml=TARGETS + yaml)
    approve(*distributions)
    if requirements:
        checkout.write(requirements)
        approve_only(*distributions, everywhere=False)


def gaps(checkout: Checkout) -> list[str]:
    """Return what closure has against a release."""
    lines = refusal(checkout).splitlines()
    return [line.removeprefix("closure: ") for line in lines if line.startswith("closure: ")]


# Gaps


def test_a_need_that_only_another_version_would_meet_is_told_with_the_line_to_add(checkout: Checkout) -> None:
    app = wheel("fastapi", "0.110.0", requires=["starlette<0.38,>=0.37.2"])
    approved(checkout, app, wheel("starlette", "0.36.3"))
    assert refusal(checkout) == (
        f"closure: fastapi 0.110.0 → starlette<0.38,>=0.37.2: {BOTH} have none (the index has 0.36.3)\n"
        f"requirements.in: {ADD}\n    starlette==0.37.2\n"
        f"1 error; {FOOT}"
    )
    assert not (checkout.root / "web").exists()


def test_the_line_that_is_told_fills_the_gap(checkout: Checkout) -> None:
    test_a_need_that_only_another_version_would_meet_is_told_with_the_line_to_add(checkout)
    checkout.upstream.add(wheel("starlette", "0.37.2"))
    checkout.write("fastapi==0.110.0\nstarlette==0.37.2\n")
    assert checkout.lock() == 0
    assert checkout.index() == 0


@pytest.mark.parametrize(
    ("need", "line"),
    [
        ("beta==2.0", "beta==2.0"),
        ("beta~=2.1", "beta==2.1"),
        ("beta<=3", "beta==3"),
        ("beta>=2,<3,!=2", "beta==VERSION"),
        ("beta>1", "beta==VERSION"),
        ("beta", "beta==VERSION"),
        ("Be.ta[x]>=2", "be-ta==2"),
    ],
)
def test_the_line_to_add_names_a_version_where_the_need_does(checkout: Checkout, need: str, line: str) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=[need]))
    assert f"requirements.in: {ADD}\n    {line}\n" in refusal(checkout)


def test_with_resolve_deps_no_line_is_told(checkout: Checkout) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta>=2"]), yaml="resolve_deps: true\n")
    assert refusal(checkout) == (
        f"closure: alpha 1.0 → beta>=2: {BOTH} have none (the index has no such project)\n1 error; {FOOT}"
    )


def test_a_need_met_on_one_target_alone_is_told_for_the_other(checkout: Checkout) -> None:
    beta = wheel("beta", "2.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    approved(checkout, wheel("alpha", "1.0", requires=["beta"]), beta)
    assert gaps(checkout) == [
        f"alpha 1.0 → beta: {WINDOWS} has none (the index has 2.0, for other targets)",
        f"requirements.in:2 → beta==2.0: {WINDOWS} has none (the index has 2.0, for other targets)",
    ]
    assert refusal(checkout).count("    beta==2.0\n") == 1


def test_a_need_whose_marker_does_not_hold_is_none(checkout: Checkout) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta; sys_platform == 'win32'", "gamma; python_version < '3'"]))
    assert gaps(checkout) == [f"alpha 1.0 → beta: {WINDOWS} has none (the index has no such project)"]


def test_requires_python_counts(checkout: Checkout) -> None:
    alpha, beta = wheel("alpha", "1.0", requires=["beta"]), wheel("beta", "2.0", requires_python=">=3.13")
    yaml = 'python_versions: ["3.12", "3.13"]\nplatforms: [manylinux_2_28_x86_64]\n'
    requirements = "alpha==1.0\nbeta==2.0; python_version >= '3.13'\n"
    for one in (alpha, beta):
        checkout.upstream.add(one)
    checkout.write(requirements, packages_yaml=yaml)
    assert checkout.lock() == 0
    assert gaps(checkout) == [f"alpha 1.0 → beta: {LINUX} has none (the index has 2.0, for other targets)"]
    checkout.write("alpha==1.0\nbeta==2.0\n", packages_yaml=yaml + "closure: off\n")
    approve_only(alpha, beta, only="3.13-manylinux_2_28_x86_64")
    approve_only(alpha, only=LINUX)
    assert checkout.index() == 0
    checkout.write("alpha==1.0\nbeta==2.0\n", packages_yaml=yaml)
    assert gaps(checkout) == [
        f"alpha 1.0 → beta: {LINUX} has none (the index has 2.0, for other targets)",
        f"requirements.in:2 → beta==2.0: {LINUX} has none (the index has 2.0, for other targets)",
    ]


def test_the_needs_of_an_extra_count_where_it_is_asked_for(checkout: Checkout) -> None:
    alpha = wheel("alpha", "1.0", extras={"fast": ["beta"], "dev": ["gamma"]})
    approved(checkout, alpha)
    assert checkout.index() == 0
    approved(checkout, alpha, requirements="alpha[Fast]==1.0\n")
    assert gaps(checkout) == [f"alpha[fast] 1.0 → beta: {BOTH} have none (the index has no such project)"]


def test_extras_of_needs_count_in_turn_and_the_chain_says_by_which_way(checkout: Checkout) -> None:
    approved(
        checkout,
        wheel("app", "1.0", requires=["alpha[fast]"]),
        wheel("alpha", "1.0", extras={"fast": ["beta[c]>=2"]}),
        wheel("beta", "2.0", extras={"c": ["gamma[x,y]!=3"]}),
        requirements="app==1.0\nalpha==1.0\nbeta==2.0\n",
    )
    chain = "app 1.0 → alpha[fast] 1.0 → beta[c] 2.0 → gamma[x,y]!=3"
    assert gaps(checkout) == [f"{chain}: {BOTH} have none (the index has no such project)"]


def test_a_file_of_another_set_meets_a_need_too(checkout: Checkout) -> None:
    for one in (wheel("alpha", "1.0", requires=["beta"]), wheel("beta", "1.0")):
        checkout.upstream.add(one)
    checkout.write(
        "alpha==1.0\n", other_in="beta==1.0\n", packages_yaml=f"{TARGETS}requirements: [requirements.in, other.in]\n"
    )
    assert checkout.lock() == 0
    assert checkout.index() == 0


def test_a_yanked_file_meets_only_a_need_that_pins_it(checkout: Checkout) -> None:
    approved(
        checkout,
        wheel("alpha", "1.0", requires=["beta>=1"]),
        wheel("beta", "1.0"),
        wheel("gamma", "1.0", requires=["beta==1.0"]),
    )
    checkout.upstream.add(wheel("beta", "1.0"), yanked="old")
    assert gaps(checkout) == [f"alpha 1.0 → beta>=1: {BOTH} have none (the index has 1.0 (yanked))"]


def test_a_wildcard_pins_nothing(checkout: Checkout) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta==1.*"]), wheel("beta", "1.0"))
    checkout.upstream.add(wheel("beta", "1.0"), yanked=True)
    assert gaps(checkout) == [f"alpha 1.0 → beta==1.*: {BOTH} have none (the index has 1.0 (yanked))"]


def test_a_pre_release_is_no_choice_where_there_is_a_release(checkout: Checkout) -> None:
    approved(
        checkout,
        wheel("app", "1.0", requires=["beta", "base>=2"]),
        wheel("beta", "1.0", requires=["base<2"]),
        wheel("beta", "2.0rc1", requires=["base>=2"]),
        wheel("base", "1.0"),
        wheel("base", "2.0"),
        requirements="app==1.0\nbeta==1.0\nbeta==2.0rc1\nbase==1.0\nbase==2.0\n",
    )
    assert gaps(checkout)[0].startswith(f"requirements.in:1: app==1.0 cannot be resolved for {BOTH}: ")


def two_sets(checkout: Checkout, *distributions: Distribution, first: str, second: str) -> None:
    """Lock two sets, each on its own."""
    for one in distributions:
        checkout.upstream.add(one)
    sets = f"{TARGETS}requirements: [requirements.in, other.in]\n"
    checkout.write(first, other_in=second, packages_yaml=sets)
    assert checkout.lock() == 0


def test_a_need_that_no_file_meets_in_any_choice_is_left_to_pip(checkout: Checkout) -> None:
    two_sets(
        checkout,
        wheel("app", "1.0", requires=["beta>=2", "beta[x]"]),
        wheel("beta", "1.0", extras={"x": []}),
        wheel("beta", "2.0", extras={"x": ["gamma"]}),
        first="app==1.0\nbeta==1.0\n",
        second="beta==2.0\n",
    )
    (line,) = gaps(checkout)
    assert line.startswith(f"requirements.in:1: app==1.0 cannot be resolved for {BOTH}: ")


def test_of_two_files_of_a_version_the_one_that_fits_best_counts(checkout: Checkout) -> None:
    plain = wheel("beta", "1.0")
    native = wheel("beta", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64", requires=["gamma==2"])
    app = wheel("app", "1.0", requires=["beta", "gamma<2"])
    for one in (app, plain, native, wheel("gamma", "1.0"), wheel("gamma", "2.0")):
        checkout.upstream.add(one)
    sets = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nrequirements: [requirements.in, other.in]\n'
    checkout.write("app==1.0\nbeta==1.0\ngamma==1.0\n", other_in="beta==1.0\ngamma==2.0\n", packages_yaml=sets)
    assert checkout.lock() == 0
    path = checkout.path / "locks" / "requirements" / f"{LINUX}.txt"
    fields, body = locks.split(path.read_text())
    key = Key("requirements", Target.parse(LINUX))
    body = body.replace(native.sha256, plain.sha256)
    path.write_text(locks.compose(key, fields["inputs"], fields["tools"], body))
    (line,) = gaps(checkout)
    assert line.startswith(f"requirements.in:1: app==1.0 cannot be resolved for {LINUX}: ")


def test_what_a_project_needs_of_itself_is_of_the_same_version(checkout: Checkout) -> None:
    approved(
        checkout,
        wheel("alpha", "1.0", extras={"all": ["alpha[a]"], "a": []}),
        wheel("alpha", "2.0", extras={"all": ["alpha[a]"], "a": ["delta"]}),
        requirements="alpha[all]==1.0\nalpha==2.0\n",
    )
    assert checkout.index() == 0


def test_each_version_that_needs_an_extra_of_its_own_is_followed_to_it(checkout: Checkout) -> None:
    extras = {"all": ["alpha[a]"], "a": ["delta"]}
    approved(
        checkout,
        *(wheel("alpha", version, extras=extras) for version in ("1.0", "2.0")),
        requirements="alpha[all]==1.0\nalpha[all]==2.0\n",
    )
    assert gaps(checkout) == [
        f"alpha[all] {version} → alpha[a] {version} → delta: {BOTH} have none (the index has no such project)"
        for version in ("1.0", "2.0")
    ]


def test_an_extra_that_one_version_has_whole_is_met(checkout: Checkout) -> None:
    approved(
        checkout,
        wheel("app", "1.0", requires=["beta[x]"]),
        wheel("beta", "1.0", extras={"x": ["gamma"]}),
        wheel("beta", "2.0", extras={"x": []}),
        requirements="app==1.0\nbeta==1.0\nbeta==2.0\n",
    )
    assert checkout.index() == 0


def test_a_pre_release_meets_a_need_where_there_is_nothing_else(checkout: Checkout) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta"]), wheel("beta", "1.0rc1"))
    assert checkout.index() == 0


def test_a_need_that_is_a_url_is_met_by_no_index(checkout: Checkout) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta @ https://host.example/beta.whl"]), wheel("beta", "1.0"))
    assert gaps(checkout) == [
        f"alpha 1.0 → beta @ https://host.example/beta.whl: {BOTH} have none (it is a URL, past any index)"
    ]


def test_a_need_that_a_terminal_would_obey_is_none(checkout: Checkout) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta @ https://host.example/\x1b[2Jx"]))
    assert refusal(checkout).startswith("alpha 1.0: alpha-1.0-py3-none-any.whl: alpha-1.0.dist-info/METADATA has the ")
    assert "\x1b" not in refusal(checkout)


def test_the_same_gap_on_many_targets_is_one_line(checkout: Checkout) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta"]))
    checkout.write(
        "alpha==1.0\n",
        packages_yaml='python_versions: ["3.11", "3.12", "3.13"]\nplatforms: [manylinux_2_28_x86_64, win_amd64]\n',
    )
    assert checkout.lock() == 0
    where = "3.11, 3.12, 3.13 on manylinux_2_28_x86_64, win_amd64"
    assert gaps(checkout) == [f"alpha 1.0 → beta: {where} have none (the index has no such project)"]


def test_what_an_sdist_needs_is_not_checked(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    approved(checkout, sdist("alpha", "1.0", requires=["beta"]), yaml="allow_sdists: [alpha]\n")
    assert checkout.index() == 0
    fact = "an sdist, whose dependencies are not known without running its code"
    assert capsys.readouterr().err.splitlines()[0] == f"not checked: closure: alpha 1.0: {fact}"


# Levels


def test_closure_may_warn_or_be_off(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    alpha = wheel("alpha", "1.0", requires=["beta"])
    approved(checkout, alpha, yaml="closure: warn\n")
    assert checkout.index() == 0
    said = capsys.readouterr().err
    assert said.startswith(f"warning: closure: alpha 1.0 → beta: {BOTH} have none (the index has no such project)\n")
    assert f"requirements.in: {ADD}\n    beta==VERSION\n" in said
    approved(checkout, alpha, yaml="closure: off\n")
    assert checkout.index() == 0
    assert "warning" not in capsys.readouterr().err


def test_a_waiver_excuses_a_gap(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta"]))
    waive(checkout, "closure")
    assert checkout.index() == 0
    assert capsys.readouterr().err.splitlines()[0] == "1 waived by waivers.yaml"


# Conflicts


def conflicting(checkout: Checkout, make_base: Callable[[str, str], Distribution] = wheel, yaml: str = "") -> None:
    """Offer a requirement each of whose needs is met, and not all of them together."""
    approved(
        checkout,
        wheel("app", "1.0", requires=["left", "right"]),
        wheel("left", "1.0", requires=["base<2"]),
        wheel("right", "1.0", requires=["base>=2"]),
        *(make_base("base", version) for version in ("1.0", "2.0")),
        requirements="app==1.0\nleft==1.0\nright==1.0\nbase==1.0\nbase==2.0\n",
        yaml=yaml,
    )


def test_a_requirement_that_excludes_itself_is_told_by_pip(checkout: Checkout) -> None:
    conflicting(checkout)
    (line,) = gaps(checkout)
    assert line.startswith(f"requirements.in:1: app==1.0 cannot be resolved for {BOTH}: these exclude each other: ")
    assert "left 1.0 needs base<2" in line
    assert "right 1.0 needs base>=2" in line


def test_the_resolver_reads_only_the_built_tree(checkout: Checkout) -> None:
    conflicting(checkout)
    checkout.upstream.add(wheel("right", "1.1", requires=["base"]))  # which would do, and is not approved
    refusal(checkout)
    checkout.upstream.requests.clear()
    assert "app==1.0 cannot be resolved" in refusal(checkout)
    assert checkout.upstream.requests == []


def test_in_a_large_index_another_process_finds_the_same(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    approved(
        checkout,
        wheel("app", "1.0", requires=["left", "base>=2"]),
        wheel("left", "1.0", requires=["base<2"]),
        *(wheel("base", version) for version in ("1.0", "2.0")),
        wheel("torn", "1.0", requires=["absent"]),
    )
    asked, ask = [os.getpid()], judge.closure_findings

    def note(*arguments: Any) -> Any:
        asked.append(os.getpid())
        return ask(*arguments)

    monkeypatch.setattr(judge, "closure_findings", note)
    alone = gaps(checkout)
    assert [line.split(":")[0] for line in alone] == ["requirements.in", "torn 1.0 → absent"]
    assert asked == [os.getpid()] * 2
    monkeypatch.setattr(build, "_PROJECTS_AT_ONCE", 1)
    assert gaps(checkout) == alone
    assert len(asked) == 2 or cores() == 1


def test_where_the_first_choice_ends_in_a_conflict_another_may_do(checkout: Checkout) -> None:
    approved(
        checkout,
        wheel("app", "1.0", requires=["base", "right"]),
        wheel("right", "1.0", requires=["base<2"]),
        wheel("base", "1.0"),
        wheel("base", "2.0"),
        requirements="app==1.0\nright==1.0\nbase==1.0\nbase==2.0\n",
    )
    assert checkout.index() == 0


def test_where_no_file_of_the_first_choice_will_do_pip_finds_others(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def compile_layer(job: Job, layer: RequirementSet) -> str:
        asked.append(f"{layer.lines[0].requirement} for {job.key.target}")
        return solve.compile_layer(job, layer)

    monkeypatch.setattr(conflicts, "compile_layer", compile_layer)
    approved(
        checkout,
        wheel("app", "1.0", requires=["library", "base<2"]),
        wheel("library", "1.0", requires=["base"]),
        wheel("library", "2.0", requires=["base>=2"]),
        wheel("base", "1.0"),
        wheel("base", "2.0"),
        requirements="app==1.0\nlibrary==1.0\nlibrary==2.0\nbase==1.0\nbase==2.0\n",
    )
    assert checkout.index() == 0
    assert sorted(asked) == [f"app==1.0 for {LINUX}", f"app==1.0 for {WINDOWS}"]


def test_a_conflict_that_an_sdist_might_solve_is_not_checked(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    conflicting(checkout, sdist, "allow_sdists: [base]\n")
    assert checkout.index() == 0
    assert "not checked: closure: requirements.in:1: app==1.0 cannot be resolved" in capsys.readouterr().err


def test_a_conflict_may_be_waived(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    conflicting(checkout)
    (checkout.path / "waivers.yaml").write_text(
        "- {rule: closure, project: app, versions: '==1.0', reason: x, approved_by: y, expires: 2999-01-01}\n"
    )
    assert checkout.index() == 0
    assert capsys.readouterr().err.splitlines()[0] == "1 waived by waivers.yaml"


# The first choice, by itself


def choice(*files: tuple[str, list[str]], asked: Sequence[str]) -> str:
    key = Key("requirements", Target.parse(LINUX))
    made = [file(f"{stem}-py3-none-any.whl", metadata=b"", requires_dist=tuple(needs)) for stem, needs in files]
    projects = {
        one.distribution.name: [each for each in made if each.distribution.name == one.distribution.name]
        for one in made
    }
    return first_choice(Served(key, projects), asked)


def test_the_first_choice_is_a_proof_or_none() -> None:
    two: tuple[tuple[str, list[str]], ...] = ("a-1", ["b<2"]), ("b-1", ["c"]), ("b-2", [])
    assert choice(*two, ("c-1", []), asked=["a"]) == "solved"
    assert choice(*two, asked=["a"]) == "missing"
    assert choice(*two, ("c-1", []), asked=["b", "a"]) == "solved"
    assert choice(*two, ("c-1", []), asked=["b>1", "a"]) == "conflict"


def test_needs_in_a_circle_end() -> None:
    assert choice(("a-1", ["b[x]"]), ("b-1", ["a", "a; extra == 'x'"]), asked=["a"]) == "solved"


# The matrix


def test_make_closure_prints_the_matrix_and_publishes_nothing(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    approved(
        checkout,
        wheel("alpha", "1.0", requires=["beta"]),
        wheel("beta", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64"),
        sdist("gamma", "1.0"),
        yaml="allow_sdists: [gamma]\n",
    )
    with pytest.raises(SystemExit) as caught:
        closure_matrix.main([f"--root={checkout.root}", f"--upstream={checkout.upstream.url}"])
    assert str(caught.value).startswith(f"closure: alpha 1.0 → beta: {WINDOWS} has none")
    assert capsys.readouterr().out == (
        f"  1 = {LINUX}\n  2 = {WINDOWS}\n        1   2\nalpha  ok gap\nbeta   ok   -\ngamma   ?   ?\n"
    )
    assert str(caught.value).splitlines()[-1] == FOOT.replace("nothing is published", "2 errors")
    assert not (checkout.root / "web").exists()
    assert not any((checkout.root / "releases").iterdir())


@pytest.mark.parametrize("level", ["warn", "off"])
def test_make_closure_is_no_stricter_than_make_index(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    approved(checkout, wheel("alpha", "1.0", requires=["beta"]), yaml=f"closure: {level}\n")
    assert closure_matrix.main([f"--root={checkout.root}", f"--upstream={checkout.upstream.url}"]) == 0
    assert capsys.readouterr().err.startswith(f"warning: closure: alpha 1.0 → beta: {BOTH} have none")


def test_make_closure_needs_no_network_for_what_is_held(checkout: Checkout) -> None:
    copy_of_project(checkout.path, without=("locks",))
    approved(checkout, wheel("alpha", "1.0"))
    assert checkout.index() == 0
    done = make(checkout.path, "closure", f"PYPI_ROOT={checkout.root}", env=environment(**ALONE))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("alpha  ok  ok\n")


def test_a_resolved_lock_is_closed_by_itself(checkout: Checkout, upstream: Upstream) -> None:
    for one in (
        wheel("alpha", "1.0", requires=["beta[x]"]),
        wheel("beta", "1.0", extras={"x": ["gamma>1"]}),
        wheel("gamma", "2.0"),
    ):
        upstream.add(one)
    checkout.write("alpha\n", packages_yaml=f"{TARGETS}resolve_deps: true\n")
    assert checkout.lock() == 0
    assert checkout.index() == 0
