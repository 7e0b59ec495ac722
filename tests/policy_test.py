"""scripts/policy.py, report.py, judge.py: what each rule finds in a real run, how strictly, and what a waiver does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from advisory_service import AdvisoryService, osv
from approved import approve, approve_only
from conftest import Checkout
from distributions import Distribution, sdist, wheel
from index_test import refusal, tree
from manifests import remake

from scripts import locks

TARGETS = 'python_versions: ["3.12", "3.13"]\nplatforms: [manylinux_2_28_x86_64]\n'
KEY = "requirements: 3.12-manylinux_2_28_x86_64, 3.13-manylinux_2_28_x86_64"
ALPHA = wheel("alpha", "1.0")
FOOT = "nothing is published; take other versions, or answer for them in waivers.yaml"
WAIVER = """\
- rule: {rule}
  project: alpha
  versions: "{versions}"
  reason: tried and tested
  approved_by: A. Turing
  expires: {expires}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[AdvisoryService]:
    with AdvisoryService(tmp_path) as running:
        yield running


def offer(checkout: Checkout, rules: str, *distributions: Distribution, **told: object) -> None:
    """Let the upstream have files, and a lock approve them under rules."""
    for one in distributions:
        checkout.upstream.add(one, **told)  # type: ignore[arg-type]
    checkout.write(packages_yaml=f"{TARGETS}allow_sdists: [alpha]\npolicy:\n{rules}")
    approve(*distributions)


def says(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Publish; returns all lines but the last, which says what was published."""
    capsys.readouterr()
    assert checkout.index() == 0
    return capsys.readouterr().err.splitlines()[:-1]


def about(rule: str, fact: str) -> str:
    """Return what is told of alpha's wheel."""
    return f"{rule}: alpha 1.0: {fact} ({ALPHA.filename}; {KEY})"


def errors(*lines: str) -> str:
    return "\n".join([*lines, f"{len(lines)} error{'s' if lines[1:] else ''}; {FOOT}"])


def waive(
    checkout: Checkout, rule: str, *, versions: str = "==1.*", expires: str = "2999-01-01", more: str = ""
) -> None:
    (checkout.path / "waivers.yaml").write_text(WAIVER.format(rule=rule, versions=versions, expires=expires) + more)


# Each rule


def test_a_yanked_pin_is_an_error_with_its_reason(checkout: Checkout) -> None:
    offer(checkout, "  yanked: error\n", ALPHA, yanked="breaks on Tuesdays")
    assert refusal(checkout) == errors(about("yanked", "yanked upstream: breaks on Tuesdays"))
    assert not (checkout.root / "web").exists()


def test_a_yank_without_a_reason_is_one_too(checkout: Checkout) -> None:
    offer(checkout, "  yanked: error\n", ALPHA, yanked=True)
    assert refusal(checkout) == errors(about("yanked", "yanked upstream, without a reason"))


def test_a_yank_that_nobody_was_asked_about_is_not_checked(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(checkout, "  yanked: error\n", ALPHA)
    checkout.index()
    page = checkout.root / "web" / "simple" / "alpha" / "index.json"
    told = json.loads(page.read_text())
    del told["files"][0]["yanked"]
    page.write_text(json.dumps(told))
    remake(page.resolve().parents[2])
    assert says(checkout, capsys) == ["not checked: " + about("yanked", "no upstream was asked about it")]


def test_an_sdist_is_listed_with_why(checkout: Checkout) -> None:
    offer(checkout, "  sdists: error\n", sdist("alpha", "1.0"))
    assert refusal(checkout) == errors(
        f"sdists: alpha 1.0: an sdist: to install it is to run its code (alpha-1.0.tar.gz; {KEY})"
    )


def test_a_file_above_the_limit_is_an_error(checkout: Checkout) -> None:
    big = wheel("alpha", "1.0", files={"alpha.bin": bytes(1_100_000)})
    offer(checkout, "  max_file_mb: 1\n", big, wheel("beta", "1.0"))
    assert refusal(checkout) == errors(about("max_file_mb", "has 1.1 MB, more than 1 MB"))


def test_a_release_above_the_limit_is_an_error_that_names_the_largest_files(checkout: Checkout) -> None:
    files = [wheel(name, "1.0", files={"x.bin": bytes(400_000 + 1000 * n)}) for n, name in enumerate("abcd")]
    offer(checkout, "  max_release_mb: 1\n", *files)
    assert refusal(checkout) == errors(
        "max_release_mb: the files have 1.6 MB, more than 1 MB; "
        "the largest are d-1.0-py3-none-any.whl, c-1.0-py3-none-any.whl, b-1.0-py3-none-any.whl"
    )


@pytest.mark.parametrize(
    ("headers", "rule", "expected"),
    [
        ("License-Expression: GPL-3.0-only", "allow: [MIT]", "licence 'GPL-3.0-only' is not allowed"),
        ("License-Expression: MIT OR GPL-3.0-only", "allow: [MIT]", None),
        ("License-Expression: MIT AND GPL-3.0-only", "deny: [GPL-3.0-only]",
         "licence 'MIT AND GPL-3.0-only': 'GPL-3.0-only' is denied"),
        ("Classifier: License :: OSI Approved :: MIT License", "allow: [MIT]", None),
        ("", "allow: [MIT]", "states no licence"),
    ],
)  # fmt: skip
def test_a_licence_is_judged_by_the_wheels_own_metadata(
    checkout: Checkout, headers: str, rule: str, expected: str | None
) -> None:
    offer(checkout, f"  licenses: {{{rule}}}\n", wheel("alpha", "1.0", metadata_headers=headers))
    if expected is None:
        assert checkout.index() == 0
    else:
        assert refusal(checkout) == errors(about("licenses", f"{expected}"))


def test_a_licence_that_nobody_can_tell_is_not_checked(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    offer(checkout, "  licenses: {deny: [GPL-3.0-only]}\n", ALPHA)
    assert says(checkout, capsys) == ["not checked: " + about("licenses", "states no licence")]


# Age


def dated(moment: str) -> None:
    """Write the locks as `make lock` would on a day."""
    for key, path in locks.existing().items():
        fields, body = locks.split(path.read_text())
        path.write_text(locks.compose(key, fields["inputs"], fields["tools"], body, moment))


def test_a_file_younger_than_its_lock_allows_is_an_error(checkout: Checkout) -> None:
    offer(checkout, "  min_age_days: 14\n", ALPHA, upload_time="2026-11-11T09:30:00Z")
    dated("2026-11-11T09:30:00+00:00")
    fact = "uploaded 2026-11-11, less than 14 days before its lock was made; run make upgrade PACKAGE=alpha"
    assert refusal(checkout) == errors(about("min_age_days", f"{fact}"))


def test_a_file_as_old_as_its_lock_asks_is_fine(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    offer(checkout, "  min_age_days: 14\n", ALPHA, upload_time="2026-11-11T09:29:59Z")
    dated("2026-11-11T09:30:00+00:00")
    assert says(checkout, capsys) == []


def test_an_age_that_nobody_tells_is_not_checked(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    offer(checkout, "  min_age_days: 14\n", ALPHA, upload_time=None)
    dated("2026-11-11T09:30:00+00:00")
    assert says(checkout, capsys) == ["not checked: " + about("min_age_days", "the upstream tells no upload time")]


@pytest.mark.parametrize("moment", ["", "2999-01-01T00:00:00+00:00", "nonsense", "2999-01-01T00:00:00"])
def test_a_date_that_no_lock_can_have_lets_nothing_younger_in(checkout: Checkout, moment: str) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    offer(checkout, "  min_age_days: 14\n", ALPHA, upload_time=yesterday)
    dated(moment)
    assert refusal(checkout).startswith(f"min_age_days: alpha 1.0: uploaded {yesterday[:10]}, less than 14 days before")


# Vulnerabilities


def test_an_advisory_is_an_error_with_its_names_and_its_fix(checkout: Checkout, service: AdvisoryService) -> None:
    service.advisories["alpha", "1.0"] = [osv("alpha", "GHSA-1", aliases=["CVE-2026-1"], fixed="1.1")]
    offer(checkout, f"  vulnerabilities: {{service: osv, url: '{service.url}'}}\n", ALPHA, wheel("beta", "1.0"))
    assert refusal(checkout) == errors(about("vulnerabilities", "CVE-2026-1 (GHSA-1); fixed in 1.1; It is bad."))


def test_a_service_that_does_not_answer_is_not_checked_and_never_passed(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], service: AdvisoryService
) -> None:
    offer(checkout, f"  vulnerabilities: {{service: osv, url: '{service.url}'}}\n", ALPHA)
    url = service.url
    service.__exit__()
    (line,) = says(checkout, capsys)
    assert line == f"not checked: vulnerabilities: 1 of 1 version: the service osv at {url}: no connection (alpha 1.0)"


# Levels


def test_a_warning_is_told_and_published(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    offer(checkout, "  yanked: warn\n", ALPHA, yanked="old")
    assert says(checkout, capsys) == ["warning: " + about("yanked", "yanked upstream: old")]


def test_a_rule_that_is_off_says_nothing(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    offer(checkout, "  yanked: off\n", ALPHA, yanked="old")
    assert says(checkout, capsys) == []


def test_every_breach_of_every_rule_is_told_at_once(checkout: Checkout) -> None:
    offer(checkout, "  yanked: error\n  licenses: {allow: [MIT]}\n", ALPHA, wheel("beta", "1.0"), yanked="old")
    assert [": ".join(line.split(": ")[:2]) for line in refusal(checkout).splitlines()] == [
        "licenses: alpha 1.0",
        "licenses: beta 1.0",
        "yanked: alpha 1.0",
        "yanked: beta 1.0",
        f"4 errors; {FOOT}",
    ]


def test_what_is_published_stays_when_a_rule_is_broken(checkout: Checkout) -> None:
    offer(checkout, "  yanked: error\n", ALPHA)
    checkout.index()
    before = tree(checkout.root)
    checkout.upstream.add(ALPHA, yanked="bad")
    checkout.upstream.add(beta := wheel("beta", "1.0"), yanked="bad")
    approve(ALPHA, beta)
    assert "yanked: beta 1.0" in refusal(checkout)
    after = tree(checkout.root)
    assert {path: data for path, data in after.items() if not path.startswith("incoming/")} == before


# Waivers


def test_a_waiver_lets_a_breach_pass_and_says_so(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    offer(checkout, "  yanked: error\n", ALPHA, yanked="old")
    waive(checkout, "yanked")
    assert says(checkout, capsys) == ["1 waived by waivers.yaml"]


@pytest.mark.parametrize(("rule", "versions"), [("licenses", "==1.*"), ("yanked", ">1")])
def test_a_waiver_of_another_rule_or_range_excuses_nothing(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], rule: str, versions: str
) -> None:
    offer(checkout, "  yanked: error\n", ALPHA, yanked="old")
    waive(checkout, rule, versions=versions)
    assert refusal(checkout) == errors(about("yanked", "yanked upstream: old"))
    said = capsys.readouterr().err.splitlines()
    assert said == [f"waivers.yaml: 1: {rule}, alpha {versions}: matches nothing; remove it"]


def test_a_waiver_that_expired_fails_the_run_whether_it_excuses_something_or_not(checkout: Checkout) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    offer(checkout, "  yanked: error\n", ALPHA, yanked="old")
    waive(checkout, "yanked", expires=str(yesterday))
    assert refusal(checkout) == errors(
        f"waivers.yaml: 1: yanked, alpha ==1.*: expired on {yesterday}; mend what it excuses, or have it approved anew"
    )


def test_a_waiver_counts_through_its_last_day(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    offer(checkout, "  yanked: error\n", ALPHA, yanked="old")
    waive(checkout, "yanked", expires=str(datetime.now(UTC).date()))
    assert says(checkout, capsys) == ["1 waived by waivers.yaml"]


def test_a_waiver_may_be_about_one_advisory(checkout: Checkout, service: AdvisoryService) -> None:
    service.advisories["alpha", "1.0"] = [
        osv("alpha", f"GHSA-{n}", aliases=[f"CVE-2026-{n}"], fixed="1.1") for n in (1, 2)
    ]
    offer(checkout, f"  vulnerabilities: {{service: osv, url: '{service.url}'}}\n", ALPHA)
    waive(checkout, "vulnerabilities", more="  advisory: GHSA-1\n")
    assert refusal(checkout) == errors(about("vulnerabilities", "CVE-2026-2 (GHSA-2); fixed in 1.1; It is bad."))


def test_waivers_stand_on_the_projects_page(checkout: Checkout) -> None:
    offer(checkout, "  yanked: error\n", ALPHA, wheel("beta", "1.0"))
    waive(checkout, "yanked")
    checkout.index()
    page = (checkout.root / "web" / "project" / "alpha" / "index.html").read_text()
    assert "What is waived" in page
    assert '<bdi>tried and tested</bdi></p>\n<p class="note">Approved by <bdi>A. Turing</bdi>' in page
    assert "What is waived" not in (checkout.root / "web" / "project" / "beta" / "index.html").read_text()


# Names of one's own


def test_a_private_name_from_the_upstream_stops_the_run_before_anything_is_asked(checkout: Checkout) -> None:
    offer(checkout, "  pinned_names: [al*]\n", ALPHA)
    assert refusal(checkout) == errors(
        f'pinned_names: alpha 1.0: its name is private by "al*", and the lock takes it from the upstream ({KEY})'
    )
    assert checkout.upstream.requests == []


def test_a_waiver_lets_a_public_project_have_such_a_name(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(checkout, "  pinned_names: [al*]\n", ALPHA)
    waive(checkout, "pinned_names")
    assert says(checkout, capsys) == ["1 waived by waivers.yaml"]


def test_a_finding_says_by_which_requirement_its_project_is_here(checkout: Checkout) -> None:
    for one in (wheel("app", "1.0", requires=["beta"]), wheel("beta", "2.0", requires=["alpha"]), ALPHA):
        checkout.upstream.add(one, yanked="old" if one is ALPHA else False)
    rules = f"{TARGETS}resolve_deps: true\nclosure: off\npolicy: {{yanked: error}}\n"
    checkout.write("# ours\napp\nalpha==1.0\n", packages_yaml=rules)
    assert checkout.lock() == 0
    via = "via requirements.in:3 → alpha and 1 more"
    assert refusal(checkout) == errors(f"yanked: alpha 1.0: yanked upstream: old ({ALPHA.filename}; {KEY}; {via})")


def test_one_target_alone_is_named(checkout: Checkout) -> None:
    checkout.upstream.add(ALPHA, yanked="old")
    checkout.write("alpha==1.0\n", packages_yaml=f"{TARGETS}policy: {{yanked: error}}\n")
    approve_only(only="3.12-manylinux_2_28_x86_64")
    approve_only(ALPHA, only="3.13-manylinux_2_28_x86_64")
    assert "; requirements: 3.13-manylinux_2_28_x86_64" in refusal(checkout)
