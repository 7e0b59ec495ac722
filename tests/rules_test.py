"""scripts/rules.py, waivers.py, yaml_reader.py: what people may write about rules, and what each mistake is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from conftest import Checkout

from scripts import config, lock_check, waivers
from scripts.rules import Policy, Rule
from scripts.waivers import Waiver

GOOD = """\
- rule: licenses
  project: alpha
  versions: ">=1,<2"
  reason: as legal agreed
  approved_by: A. Turing
  expires: 2999-12-31
"""


def policy(checkout: Checkout, text: str) -> Policy:
    """Read what stands below `policy:`."""
    checkout.write("alpha==1.0\n", packages_yaml="policy:\n" + "".join(f"  {line}\n" for line in text.splitlines()))
    return config.load(Path()).policy


def problems(checkout: Checkout, text: str) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        policy(checkout, text)
    return str(caught.value).splitlines()


def test_without_a_word_no_rule_is_on_and_closure_is_an_error(checkout: Checkout) -> None:
    checkout.write("alpha==1.0\n", packages_yaml="")
    settings = config.load(Path())
    assert settings.policy == Policy(*[Rule()] * 9)
    assert not any(rule.is_on for rule in settings.policy)
    assert settings.closure == "error"


def test_a_rule_is_a_level_or_what_it_is_told_or_both(checkout: Checkout) -> None:
    found = policy(
        checkout,
        "min_age_days: 14\n"
        "licenses: {allow: [MIT, BSD License], deny: [GPL-3.0-only], level: warn}\n"
        "yanked: error\n"
        "vulnerabilities: {service: osv, url: 'https://osv.example.com/v1/query'}\n"
        "sdists: warn\n"
        "max_file_mb: {mb: 500, level: warn}\n"
        "max_release_mb: 20000\n"
        "attestations: {require: [alpha, beta-x]}\n"
        "pinned_names: [acme-*, secret]\n",
    )
    assert found == Policy(
        min_age_days=Rule("error", limit=14),
        licenses=Rule("warn", allow=("MIT", "BSD License"), deny=("GPL-3.0-only",)),
        yanked=Rule("error"),
        vulnerabilities=Rule("error", service="osv", url="https://osv.example.com/v1/query"),
        sdists=Rule("warn"),
        max_file_mb=Rule("warn", limit=500),
        max_release_mb=Rule("error", limit=20000),
        attestations=Rule("error", names=("alpha", "beta-x")),
        pinned_names=Rule("error", names=("acme-*", "secret")),
    )


@pytest.mark.parametrize("text", ["yanked: off", "yanked: 'off'", "yanked: {level: off}", "min_age_days: off"])
def test_off_needs_no_quotes_though_yaml_reads_it_as_false(checkout: Checkout, text: str) -> None:
    assert policy(checkout, text) == Policy()
    checkout.write("alpha==1.0\n", packages_yaml="closure: off\n")
    assert config.load(Path()).closure == "off"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("min_age: 14", "min_age: no such key; the nearest is min_age_days"),
        ("yanked: fatal", "yanked: 'fatal' is none of error, warn, off; write one of them"),
        ("yanked: true", "yanked: True is none of error, warn, off; write one of them"),
        ("yanked: {days: 3}", "yanked: days: no such key; the nearest is level"),
        ("yanked: [error]", "yanked: ['error'] is not a mapping; write lines such as key: value below it"),
        ("min_age_days: error", "min_age_days: says no days; write such as min_age_days: 14"),
        ("min_age_days: '14'", "min_age_days: days: '14' is not a whole number above 0; write one"),
        (
            "pinned_names: acme-*",
            "pinned_names: names: 'acme-*' is not a list with at least one item; write one item a line after '- '",
        ),
        ("yanked:", "yanked: has no value; write one of error, warn, off"),
        ("min_age_days: -1", "min_age_days: days: -1 is not a whole number above 0; write one"),
        ("min_age_days: 1.5", "min_age_days: days: 1.5 is not a whole number above 0; write one"),
        ("max_file_mb: {mb: true}", "max_file_mb: mb: True is not a whole number above 0; write one"),
        ("licenses: error", "licenses: says neither allow nor deny; write one of the two, with a list of licences"),
        (
            "licenses: {allow: []}",
            "licenses: allow: [] is not a list with at least one item; write one item a line after '- '",
        ),
        (
            "licenses: {allow: [MIT OR Apache-2.0]}",
            "licenses: allow: 'MIT OR Apache-2.0' is an expression; list each of its licences by itself",
        ),
        ("licenses: {deny: [MIT, MIT]}", 'licenses: deny: "MIT" stands 2 times; keep one'),
        (
            "vulnerabilities: {service: nvd}",
            "vulnerabilities: service: 'nvd' is none of pypi, osv, esms; write one of them",
        ),
        (
            "vulnerabilities: {url: 'https://osv.example.com'}",
            "vulnerabilities: url: only the service osv can be had at another URL; write service: osv beside it",
        ),
        (
            "vulnerabilities: {service: osv, url: 'ftp://x'}",
            "vulnerabilities: url: 'ftp://x' is no http or https URL; write such as https://osv.example.com/v1/query",
        ),
        (
            "attestations: {require: [Alpha]}",
            'attestations: require: "Alpha" is not a normalised project name; write "alpha"',
        ),
        (
            "pinned_names: [Acme_*]",
            'pinned_names: names: "Acme_*" is no pattern of normalised names; '
            'write such as "acme-*", in lower case, with - and no _ or .',
        ),
        ("pinned_names: error", "pinned_names: says no names; write such as pinned_names: [acme-*]"),
        ("licenses: {allow: [MIT], allow: [ISC]}", "licenses: allow: stands 2 times; keep one"),
    ],
)
def test_each_mistake_in_the_policy_has_its_sentence(checkout: Checkout, text: str, expected: str) -> None:
    assert problems(checkout, text) == [f"packages.yaml: policy: {expected}"]


def test_all_mistakes_are_told_at_once(checkout: Checkout) -> None:
    assert problems(checkout, "yanked: x\nsdists: y\n") == [
        "packages.yaml: policy: yanked: 'x' is none of error, warn, off; write one of them",
        "packages.yaml: policy: sdists: 'y' is none of error, warn, off; write one of them",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("closure: maybe", "closure: 'maybe' is none of error, warn, off; write one of them"),
        ("policy: strict", "policy: 'strict' is not a mapping; write lines such as key: value below it"),
        ("first_party: wheels", "first_party: wheels is no folder; create it, or correct the path"),
        ("first_party: 3", "first_party: 3 is no line of text; write the path of a folder of wheels"),
    ],
)
def test_the_keys_beside_the_policy_are_checked_too(checkout: Checkout, text: str, expected: str) -> None:
    checkout.write("alpha==1.0\n", packages_yaml=text)
    with pytest.raises(SystemExit) as caught:
        config.load(Path())
    assert str(caught.value) == f"packages.yaml: {expected}"


def test_a_policy_whose_rules_are_all_comments_has_none(checkout: Checkout) -> None:
    assert policy(checkout, "# yanked: error\n") == Policy()


def test_a_waiver_is_read(checkout: Checkout) -> None:
    checkout.write("alpha==1.0\n", waivers_yaml=GOOD)
    expected = Waiver(1, "licenses", "alpha", ">=1,<2", "as legal agreed", "A. Turing", date(2999, 12, 31))
    assert waivers.load(Path()) == [expected]
    checkout.write("alpha==1.0\n", waivers_yaml=GOOD.replace("2999-12-31", '"2999-12-31"'))
    assert waivers.load(Path()) == [expected]


@pytest.mark.parametrize("text", ["", "[]", "# nothing yet\n"])
def test_there_need_be_no_waivers(checkout: Checkout, text: str) -> None:
    assert waivers.load(Path()) == []
    checkout.write("alpha==1.0\n", waivers_yaml=text)
    assert waivers.load(Path()) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rule: licenses", "rule: denied", "rule: 'denied' is none of closure, min_age_days, licenses, yanked, "
         "vulnerabilities, sdists, max_file_mb, attestations, pinned_names; write one of them"),
        ('">=1,<2"', '"1.5"', 'versions: "1.5" is no range of versions; write such as "==1.5", in quotes'),
        ("project: alpha", "project: Al_pha", 'project: "Al_pha" is not a normalised project name; write "al-pha"'),
        ('">=1,<2"', '"about 1"', 'versions: "about 1" is no range of versions; write such as ">=1.2,<2", in quotes'),
        ('versions: ">=1,<2"', "version: '1'", "version: no such key; the nearest is versions"),
        ("  reason: as legal agreed\n", "", "reason: is missing; write one line of text"),
        ("approved_by: A. Turing", "approved_by: 3", "approved_by: 3 is no line of text; write who answers for it"),
        ("2999-12-31", "'next year'", "expires: 'next year' is no date; write such as 2027-01-31"),
        ("  expires: 2999-12-31\n", "", "expires: is missing; write such as 2027-01-31"),
        ("expires", "advisory: PYSEC-1\n  expires", "advisory: licenses knows no advisories; remove the key"),
    ],
)  # fmt: skip
def test_each_mistake_in_a_waiver_has_its_sentence(checkout: Checkout, old: str, new: str, expected: str) -> None:
    checkout.write("alpha==1.0\n", waivers_yaml=GOOD + GOOD.replace(old, new))
    with pytest.raises(SystemExit) as caught:
        waivers.load(Path())
    assert f"waivers.yaml: 2: {expected}" in str(caught.value).splitlines()


def test_lock_check_tells_of_a_mistake_in_a_waiver(checkout: Checkout) -> None:
    checkout.write("alpha==1.0\n", waivers_yaml=GOOD.replace("alpha", "Alpha"))
    with pytest.raises(SystemExit):
        lock_check.main([])


@pytest.mark.parametrize("text", ["alpha: 1", "- alpha", "3"])
def test_waivers_are_a_list_of_mappings(checkout: Checkout, text: str) -> None:
    checkout.write("alpha==1.0\n", waivers_yaml=text)
    with pytest.raises(SystemExit) as caught:
        waivers.load(Path())
    assert str(caught.value) == "waivers.yaml: holds no list of mappings; begin each with '- '"
