"""scripts/watch.py, since.py, remedy.py, served.py: what `make watch` says of each thing that may become of a file."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from advisory_service import AdvisoryService, osv
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel
from packaging.version import Version
from project import copy_of_project, make
from upstream import Upstream

from scripts import config, since, watch
from scripts.advisories import Audit
from scripts.offer import Offer
from scripts.pip_environment import pip_environment
from scripts.remedy import fixing
from scripts.root import Root
from scripts.served import read_live
from scripts.since import Context

KEY = "requirements: 3.12-manylinux_2_28_x86_64"
ALPHA = wheel("alpha", "1.0")
NEWER = wheel("alpha", "1.1")
TAIL = f"({ALPHA.filename}; {KEY})"
SETTINGS = 'resolve_deps: true\npython_versions: ["3.12"]\nplatforms: [{}]\nclosure: off\n'
UPGRADE = "run make upgrade PACKAGE=alpha, which can take 1.1"
NO_WAY = "the upstream has no version that would do; remove what needs it, or answer for it in waivers.yaml"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[AdvisoryService]:
    with AdvisoryService(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def alpha_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout and the shared folder to which it published alpha 1.0, made once for all tests."""
    folder = tmp_path_factory.mktemp("alpha")
    (folder / "checkout").mkdir()
    with pytest.MonkeyPatch.context() as patch, Upstream() as upstream:
        patch.chdir(folder / "checkout")
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        made = Checkout(folder / "checkout", upstream)
        made.write(packages_yaml=SETTINGS.format("manylinux_2_28_x86_64"))
        upstream.add(ALPHA)
        approve(ALPHA)
        made.index()
    return folder


@pytest.fixture
def served(checkout: Checkout, service: AdvisoryService, alpha_alone: Path) -> Checkout:
    """A checkout that published alpha 1.0, asked for without a bound."""
    shutil.copytree(alpha_alone / "shared", checkout.root, symlinks=True)
    shutil.copytree(alpha_alone / "checkout" / "locks", checkout.path / "locks")
    checkout.upstream.add(ALPHA)
    checkout.write("alpha\n", packages_yaml=settings(service))
    return checkout


def settings(service: AdvisoryService, more: str = "", platforms: str = "manylinux_2_28_x86_64") -> str:
    rule = f"  vulnerabilities: {{service: osv, url: '{service.url}', level: warn}}\n"
    return f"{SETTINGS.format(platforms)}policy:\n{rule}{more}"


def publish(
    checkout: Checkout, service: AdvisoryService, *distributions: Distribution, yanked: str | bool = False, **told: str
) -> None:
    for one in distributions:
        checkout.upstream.add(one, yanked=yanked)
    checkout.write(packages_yaml=settings(service, **told))
    approve(*distributions)
    assert checkout.index() == 0
    checkout.upstream.requests.clear()
    service.asked.clear()
    names = sorted({one.filename.partition("-")[0] for one in distributions})
    checkout.write("".join(f"{name}\n" for name in names))


def refusal(checkout: Checkout) -> str:
    with pytest.raises(SystemExit) as caught:
        watch.main([f"--root={checkout.root}", f"--upstream={checkout.upstream.url}"])
    return str(caught.value)


def watched(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Run what `make watch` runs; returns its status and its lines but the last."""
    capsys.readouterr()
    status = watch.main([f"--root={checkout.root}", f"--upstream={checkout.upstream.url}"])
    told = capsys.readouterr()
    assert told.err == ""
    return status, told.out.splitlines()[:-1]


def test_nothing_new_is_one_line(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert watch.main([f"--root={served.root}", f"--upstream={served.upstream.url}"]) == 0
    release = (served.root / "web").readlink().name
    assert capsys.readouterr().out == (
        f"{served.root}: {release}: 1 project compared with the upstream: 0 red, 0 not checked, 0 yellow, 0 waived\n"
    )


def test_a_yank_is_red_and_names_the_version_to_take(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    served.upstream.add(ALPHA, yanked="breaks on Tuesdays")
    served.upstream.add(NEWER)
    expected = f"red: alpha 1.0: yanked upstream: breaks on Tuesdays; {UPGRADE} {TAIL}"
    assert watched(served, capsys) == (1, [expected])


# What became of a file


def test_a_yank_without_a_reason_says_so(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    served.upstream.add(ALPHA, yanked=True)
    expected = f"red: alpha 1.0: yanked upstream, without a reason; {NO_WAY} {TAIL}"
    assert watched(served, capsys) == (1, [expected])


def test_a_yank_that_was_known_when_the_file_was_approved_is_no_news(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, service, ALPHA, yanked="breaks")
    assert watched(checkout, capsys) == (0, [])


def test_a_file_that_is_not_there_any_more_is_red(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    served.upstream.add(NEWER)
    served.upstream.remove(ALPHA.filename)
    assert watched(served, capsys) == (1, [f"red: alpha 1.0: deleted upstream; {UPGRADE} {TAIL}"])


def test_another_file_under_the_same_name_is_red(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    other = served.upstream.add(wheel("alpha", "1.0", files={"evil.py": b"evil"}))
    assert watched(served, capsys) == (
        1,
        [
            f"red: alpha 1.0: the upstream has another file of this name, with sha256 {other.sha256}; "
            f"find out why before you take anything of it {TAIL}"
        ],
    )


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (
            {"status": "quarantined", "reason": "malware"},
            "red: alpha 1.0: quarantined upstream: malware; remove what needs it, then run make lock index",
        ),
        ({"status": "archived"}, "yellow: alpha 1.0: archived upstream; look for another project"),
        (
            {"status": "deprecated", "reason": "old"},
            "yellow: alpha 1.0: deprecated upstream: old; look for another project",
        ),
        ({"status": "active"}, None),
    ],
)
def test_a_project_that_has_another_status_now_is_told(
    served: Checkout, capsys: pytest.CaptureFixture[str], status: dict[str, str], line: str | None
) -> None:
    served.upstream.statuses["alpha"] = status
    expected = [f"{line} {TAIL}"] if line else []
    assert watched(served, capsys) == (int("red" in str(line)), expected)


def test_a_status_that_was_known_when_it_was_approved_is_no_news(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.upstream.statuses["alpha"] = {"status": "archived"}
    publish(checkout, service, ALPHA)
    assert watched(checkout, capsys) == (0, [])


def test_a_project_that_is_gone_is_red(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    served.upstream.remove(ALPHA.filename)
    served.upstream.add(wheel("beta", "1.0"))
    fact = "the upstream does not know the project any more; find out why before you take anything of it"
    assert watched(served, capsys) == (1, [f"red: alpha 1.0: {fact} {TAIL}"])


def test_files_of_a_version_of_which_the_same_is_so_are_one_line(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    ones = [wheel("alpha", "1.0", tag=f"cp312-cp312-{platform}") for platform in ("manylinux_2_28_x86_64", "win_amd64")]
    publish(checkout, service, *ones, platforms="manylinux_2_28_x86_64, win_amd64")
    for one in ones:
        checkout.upstream.add(one, yanked="breaks")
    tail = f"({ones[0].filename}, {ones[1].filename}; {KEY}, 3.12-win_amd64)"
    assert watched(checkout, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {NO_WAY} {tail}"])
    checkout.upstream.add(wheel("alpha", "1.1", tag="cp312-cp312-win_amd64"))
    assert watched(checkout, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {NO_WAY} {tail}"])
    checkout.upstream.add(wheel("alpha", "1.1", tag="cp312-cp312-manylinux_2_17_x86_64"))
    assert watched(checkout, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {UPGRADE} {tail}"])


def test_what_an_upstream_says_is_made_printable(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    served.upstream.add(ALPHA, yanked="\x1b[2Jall\nis well")
    assert watched(served, capsys) == (1, [f"red: alpha 1.0: yanked upstream: [2Jall is well; {NO_WAY} {TAIL}"])


# What to do about it


@pytest.mark.parametrize(
    ("newer", "told"),
    [
        ({"yanked": True}, {}),
        ({}, {"requires_python": ">=3.13"}),
        ({}, {"requires_python": "nonsense"}),
        ({}, {"tag": "cp311-cp311-win_amd64"}),
        ({}, {"version": "1.1rc1"}),
    ],
)
def test_a_version_that_make_upgrade_would_not_take_is_no_way_out(
    served: Checkout, capsys: pytest.CaptureFixture[str], newer: dict[str, bool], told: dict[str, str]
) -> None:
    served.upstream.add(wheel("alpha", told.pop("version", "1.1"), **told), **newer)  # type: ignore[arg-type]
    served.upstream.add(ALPHA, yanked="breaks")
    assert watched(served, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {NO_WAY} {TAIL}"])


@pytest.mark.parametrize(
    ("requirements", "line"),
    [
        ("# one\nalpha==1.0\n", "requirements.in:2 (alpha==1.0)"),
        ("alpha\n-c bounds.in\n", "bounds.in:1 (alpha<1.1)"),
        ("alpha\nalpha==1.0; python_version > '3.11'\n", 'requirements.in:2 (alpha==1.0; python_version > "3.11")'),
    ],
)  # fmt: skip
def test_a_requirement_that_keeps_the_better_version_out_is_named(
    served: Checkout, capsys: pytest.CaptureFixture[str], requirements: str, line: str
) -> None:
    served.upstream.add(ALPHA, yanked="breaks")
    served.upstream.add(NEWER)
    served.write(requirements, bounds_in="alpha<1.1\n")
    action = f"{line} keeps 1.1 out; change that, then run make upgrade PACKAGE=alpha"
    assert watched(served, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {action} {TAIL}"])


def test_a_line_that_is_for_other_machines_keeps_nothing_out(
    served: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    served.upstream.add(ALPHA, yanked="breaks")
    served.upstream.add(NEWER)
    served.write("alpha\nalpha==1.0; sys_platform == 'win32'\n")
    assert watched(served, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {UPGRADE} {TAIL}"])


def test_what_others_ask_of_a_project_is_left_to_the_resolver(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.upstream.add(wheel("app", "1.0", requires=["alpha"]))
    checkout.upstream.add(ALPHA)
    checkout.write("app\n", packages_yaml=settings(service))
    assert (checkout.lock(), checkout.index()) == (0, 0)
    checkout.upstream.add(ALPHA, yanked="breaks")
    checkout.upstream.add(NEWER)
    tail = f"({ALPHA.filename}; {KEY}; via requirements.in:1 → app → alpha)"
    action = f"{UPGRADE}, if what needs it lets it in"
    assert watched(checkout, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {action} {tail}"])


def test_a_version_that_is_too_young_is_named_as_such(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, service, ALPHA, more="  min_age_days: {days: 14, level: warn}\n")
    checkout.upstream.add(ALPHA, yanked="breaks")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    checkout.upstream.add(NEWER, upload_time=yesterday.isoformat().replace("+00:00", "Z"))
    action = "1.1 would do and is too young for min_age_days; wait, or waive that in waivers.yaml"
    assert watched(checkout, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {action} {TAIL}"])


def test_where_a_set_lists_several_versions_each_has_its_own_line(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, service, ALPHA, NEWER)
    checkout.write("alpha==1.0\nalpha==1.1\n", packages_yaml=settings(service).replace("true", "false"))
    checkout.upstream.add(ALPHA, yanked="breaks")
    checkout.upstream.add(wheel("alpha", "1.2"))
    action = "requirements.in:1 (alpha==1.0) keeps 1.2 out; change that, then run make upgrade PACKAGE=alpha"
    assert watched(checkout, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {action} {TAIL}"])


# Advisories


@pytest.mark.parametrize(
    ("requirements", "fixed", "action"),
    [
        ("alpha\n", "1.1", UPGRADE),
        ("alpha\n", "1.0.5", UPGRADE),
        ("alpha<1.1\n", "1.1",
         "requirements.in:1 (alpha<1.1) keeps 1.1 out; change that, then run make upgrade PACKAGE=alpha"),
        ("alpha\n", "2.0", NO_WAY),
    ],
)  # fmt: skip
def test_an_advisory_is_red_and_says_whether_the_requirements_allow_its_fix(
    served: Checkout,
    service: AdvisoryService,
    capsys: pytest.CaptureFixture[str],
    requirements: str,
    fixed: str,
    action: str,
) -> None:
    served.write(requirements)
    served.upstream.add(NEWER)
    service.advisories["alpha", "1.0"] = [osv("alpha", "GHSA-1", aliases=["CVE-2026-1"], fixed=fixed)]
    expected = f"red: alpha 1.0: CVE-2026-1 (GHSA-1); fixed in {fixed}; It is bad.; {action} {TAIL}"
    assert watched(served, capsys) == (1, [expected])


def test_between_two_fixes_nobody_knows_which_version_is_one() -> None:
    is_fix = fixing(["1.26.17", "2.0.6", "?"])
    assert [text for text in ("1.26.17", "1.26.18", "2.0.5", "2.0.6", "2.1") if is_fix(Version(text))] == [
        "1.26.17",
        "2.0.6",
        "2.1",
    ]
    assert not fixing([])(Version("9"))


def test_without_a_service_in_the_policy_the_default_one_is_asked(
    served: Checkout, service: AdvisoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.write("alpha\n", packages_yaml=settings(service).partition("policy")[0])
    for name, value in service.proxy.items():
        monkeypatch.setenv(name, value)
    known = {"id": "PYSEC-1", "aliases": [], "fixed_in": ["2"], "summary": "Bad.", "details": "Bad.", "link": ""}
    service.advisories["alpha", "1.0"] = [{**known, "withdrawn": None}]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    environment = pip_environment(served.upstream.url)
    live, found = read_live(Root(served.root)), config.load(Path())
    told = watch._advisories_findings(live, dict.fromkeys(live.projects), Context(found, Offer()), environment, 60)
    action = "run make upgrade PACKAGE=alpha, if the upstream has a fix"
    assert [one.text for one in told] == [f"alpha 1.0: PYSEC-1; fixed in 2; Bad.; {action} {TAIL}"]


@pytest.mark.parametrize(
    ("waiver", "status"),
    [
        ({"advisory": "CVE-2026-1"}, 0),
        ({"advisory": "CVE-2026-2"}, 1),
        ({"versions": ">1.0"}, 1),
        ({"expires": "2020-01-01"}, 1),
        ({"rule": "yanked"}, 1),
    ],
)
def test_what_somebody_answers_for_is_counted_and_not_red(
    served: Checkout,
    service: AdvisoryService,
    capsys: pytest.CaptureFixture[str],
    waiver: dict[str, str],
    status: int,
) -> None:
    service.advisories["alpha", "1.0"] = [osv("alpha", "GHSA-1", aliases=["CVE-2026-1"])]
    usual = {"rule": "vulnerabilities", "project": "alpha", "versions": "==1.0", "reason": "x", "approved_by": "A"}
    told = usual | {"expires": "2999-01-01"} | waiver
    text = "".join(f"  {key}: {value if key == 'expires' else json.dumps(value)}\n" for key, value in told.items())
    served.write("alpha\n", waivers_yaml=f"-\n{text}")
    assert watch.main([f"--root={served.root}", f"--upstream={served.upstream.url}"]) == status
    red, waived = (1, 0) if status else (0, 1)
    assert f": {red} red, 0 not checked, 0 yellow, {waived} waived\n" in capsys.readouterr().out


# What could not be had


def test_a_page_that_cannot_be_had_is_not_checked_and_the_others_are(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, service, ALPHA, wheel("beta", "1.0"))
    checkout.upstream.add(ALPHA, yanked="breaks")
    checkout.upstream.fault("/simple/beta/", "500")
    reason = f"{checkout.upstream.url}beta/: HTTP 500; is UPSTREAM right, and up?"
    assert watched(checkout, capsys) == (
        1,
        [f"red: alpha 1.0: yanked upstream: breaks; {NO_WAY} {TAIL}", f"not checked: beta: {reason}"],
    )
    checkout.upstream.add(ALPHA)
    assert watched(checkout, capsys) == (0, [f"not checked: beta: {reason}"])


def test_an_upstream_that_tells_nothing_is_an_error(served: Checkout) -> None:
    served.upstream.stop()
    assert refusal(served) == (
        f"nothing is compared: {served.upstream.url}alpha/: no connection; is UPSTREAM right, and up?"
    )


def test_a_page_without_hashes_is_not_checked(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    served.upstream.add(ALPHA, hashes=False)
    expected = f"not checked: alpha 1.0: the upstream tells no sha256 of it; compare it by hand {TAIL}"
    assert watched(served, capsys) == (0, [expected])


def test_an_index_of_html_alone_is_compared_too(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    served.upstream.json = False
    assert watched(served, capsys) == (0, [])
    served.upstream.add(ALPHA, yanked="breaks")
    assert watched(served, capsys) == (1, [f"red: alpha 1.0: yanked upstream: breaks; {NO_WAY} {TAIL}"])


def test_advisories_that_cannot_be_had_are_not_checked(
    served: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.fault = "500"
    expected = f"not checked: advisories of alpha 1.0: the service osv at {service.url}: HTTP 500"
    assert watched(served, capsys) == (0, [expected])


def test_versions_without_a_word_on_advisories_for_one_reason_are_one_line() -> None:
    unchecked = {("a", "1"): "not found", ("b", "2"): "not found", ("c", "3"): "no answer"}
    context = Context(config.Config(True, None, None, (), ()), Offer())
    found = since.advisories(Audit({}, unchecked), {}, {}, context)
    assert [(one.text, one.is_checked) for one in found] == [
        ("advisories of a 1, b 2: not found", False),
        ("advisories of c 3: no answer", False),
    ]


def test_an_advisory_of_a_project_without_a_page_is_told_all_the_same(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, service, ALPHA, wheel("beta", "1.0"))
    checkout.upstream.fault("/simple/alpha/", "500")
    service.advisories["alpha", "1.0"] = [osv("alpha", "GHSA-1")]
    status, lines = watched(checkout, capsys)
    action = "run make upgrade PACKAGE=alpha, if the upstream has a fix"
    assert (status, lines[0]) == (1, f"red: alpha 1.0: GHSA-1; fixed in 9; It is bad.; {action} {TAIL}")


# What must not be asked


def test_nobody_is_asked_about_in_house_projects(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    own = wheel("acme-tools", "1.0")
    (checkout.path / "wheels").mkdir()
    own.save(checkout.path / "wheels")
    checkout.upstream.add(ALPHA)
    yaml = settings(service).replace("closure", "first_party: wheels\nclosure")
    checkout.write("acme-tools\nalpha\n", packages_yaml=yaml)
    assert (checkout.lock(), checkout.index()) == (0, 0)
    (checkout.path / "wheels" / own.filename).unlink()
    checkout.upstream.requests.clear()
    service.asked.clear()
    assert watched(checkout, capsys) == (0, [])
    assert checkout.upstream.page_requests() == ["/simple/alpha/"]
    assert service.asked == [("alpha", "1.0")]


def test_nobody_is_asked_about_a_name_that_became_ours_since(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, service, ALPHA, wheel("beta", "1.0"))
    (checkout.path / "wheels").mkdir()
    wheel("beta", "2.0").save(checkout.path / "wheels")
    checkout.write("alpha\n", packages_yaml=settings(service).replace("closure", "first_party: wheels\nclosure"))
    assert watched(checkout, capsys) == (0, [])
    assert checkout.upstream.page_requests() == ["/simple/alpha/"]
    assert service.asked == [("alpha", "1.0")]


def test_nobody_is_asked_about_a_denied_name_which_has_a_page_and_no_files(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, service, ALPHA, more="denied: {evil: it steals}\n")
    assert (checkout.root / "web/simple/evil/index.json").exists()
    assert watched(checkout, capsys) == (0, [])
    assert checkout.upstream.page_requests() == ["/simple/alpha/"]


def test_a_name_that_the_policy_keeps_from_the_upstream_is_not_asked_and_not_checked(
    checkout: Checkout, service: AdvisoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(checkout, service, ALPHA, wheel("beta", "1.0"))
    checkout.write("alpha\n", packages_yaml=settings(service, "  pinned_names: [bet*]\n"))
    expected = """not checked: beta: the policy's "bet*" keeps its name from the upstream"""
    assert watched(checkout, capsys) == (0, [expected])
    assert checkout.upstream.page_requests() == ["/simple/alpha/"]
    assert service.asked == [("alpha", "1.0")]


# What is served


def test_without_a_release_there_is_nothing_to_compare(served: Checkout, tmp_path: Path) -> None:
    (served.root / "web").unlink()
    assert refusal(served) == f"{served.root}/web: nothing is published there; run make index"
    served.root = tmp_path / "nowhere"
    assert refusal(served) == f"PYPI_ROOT: {served.root} holds no release of ours; run make index"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": [{}], "project-status": {}}', '{"files": 3}'])
def test_a_damaged_page_is_named(served: Checkout, text: str) -> None:
    release = served.root / "releases" / (served.root / "web").readlink().name
    page = release / "simple" / "alpha" / "index.json"
    page.write_text(text)
    assert refusal(served) == f"{page}: is no page that make index wrote; run make verify"


def test_make_watch_needs_no_lock_that_is_up_to_date(
    tmp_path: Path, upstream: Upstream, service: AdvisoryService
) -> None:
    project = copy_of_project(tmp_path / "a checkout", without=("locks/",))
    upstream.add(ALPHA)
    (project / "requirements.in").write_text("alpha==1.0\n")
    (project / "packages.yaml").write_text(settings(service))
    make(project, "lock", "index", f"UPSTREAM={upstream.url}", f"CADDY={sys.executable}")
    (project / "requirements.in").write_text("alpha\n")
    upstream.add(ALPHA, yanked="breaks")
    done = make(project, "watch", f"UPSTREAM={upstream.url}")
    release = (project / "pypi/web").readlink().name
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        f"red: alpha 1.0: yanked upstream: breaks; {NO_WAY} ({ALPHA.filename}; {KEY}; via requirements.in:1 → alpha)",
        f"pypi: {release}: 1 project compared with the upstream: 1 red, 0 not checked, 0 yellow, 0 waived",
    ]
