"""What METADATA states of a licence, and what a policy's lists say of that."""

from __future__ import annotations

import random

import pytest
from packaging.metadata import parse_email

from scripts import license_names
from scripts.licenses import License, entry_problem, problem, stated
from scripts.unchecked import NotChecked

OSI = "Classifier: License :: OSI Approved ::"


def read(headers: str) -> License:
    return stated(parse_email(f"Metadata-Version: 2.4\nName: a\nVersion: 1\n{headers}\n")[0])


def expression(text: str) -> License:
    return License((text,), "expression")


def classifiers(*names: str) -> License:
    return License(names, "classifiers")


def text(line: str) -> License:
    return License((line,), "text")


def said(licence: License, allow: str = "", deny: str = "") -> str | None:
    """What the rule says, with lists whose entries are separated by commas."""
    lists = ([entry for entry in entries.split(", ") if entry] for entries in (allow, deny))
    try:
        return problem(licence, *lists)
    except NotChecked as error:
        return f"not checked: {error}"


# What is stated


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (f"License-Expression: MIT OR X\nLicense: free\n{OSI} ISC License (ISCL)", expression("MIT OR X")),
        ("License-Expression: MIT AND\n    GPL-3.0-only", expression("MIT AND GPL-3.0-only")),
        (f"{OSI} MIT License\nClassifier: Topic :: X\nLicense: y", classifiers("MIT License")),
        (f"{OSI} A\nClassifier: License :: B\n{OSI} A", classifiers("A", "B")),
        (f"{OSI[:-3]}\nClassifier: License :: DFSG approved\nLicense: \n  BSD\n  and so on", text("BSD")),
        ("License: UNKNOWN", License()),
        (OSI[:-3], License()),
        ("", License()),
    ],
)
def test_the_expression_counts_before_classifiers_and_these_before_text(headers: str, expected: License) -> None:
    assert read(headers) == expected


def test_an_expression_is_never_judged_by_a_part_of_it() -> None:
    licence = read("License-Expression: " + "MIT AND " * 70 + "GPL-3.0-only")
    shown = "MIT AND " * 10
    assert said(licence, deny="GPL-3.0-only") == f"licence '{shown}…': 'GPL-3.0-only' is denied"
    assert len(licence.text) == 500


def test_an_expression_longer_than_any_real_one_is_a_name() -> None:
    shown = "MIT AND " * 10
    assert said(expression("MIT AND " * 300 + "MIT"), allow="MIT") == f"licence '{shown}…' is not allowed"


# Expressions


@pytest.mark.parametrize(
    ("licence", "allow", "deny", "expected"),
    [
        ("mit", "MIT", "", None),
        ("MIT", "mit, isc", "", None),
        ("MIT", "ISC", "", "licence 'MIT' is not allowed"),
        ("MIT", "MIT", "MIT", "licence 'MIT' is denied"),
        ("MIT", "", "ISC", None),
        ("MIT AND ISC", "MIT, ISC", "", None),
        ("MIT AND ISC", "MIT", "", "licence 'MIT AND ISC': 'ISC' is not allowed"),
        ("MIT AND ISC", "", "ISC", "licence 'MIT AND ISC': 'ISC' is denied"),
        ("MIT OR ISC", "MIT", "", None),
        ("MIT OR ISC", "", "ISC", None),
        ("MIT OR ISC", "0BSD", "ISC", "licence 'MIT OR ISC': 'MIT' is not allowed and 'ISC' is denied"),
        ("(MIT OR ISC) AND 0BSD", "ISC, 0BSD", "", None),
        ("MIT OR ISC AND 0BSD", "MIT", "", None),  # AND binds closer
        (
            "MIT OR ISC AND 0BSD",
            "ISC",
            "",
            "licence 'MIT OR ISC AND 0BSD': 'MIT' is not allowed and '0BSD' is not allowed",
        ),
        ("GPL-2.0-or-later", "GPL-2.0-only", "", "licence 'GPL-2.0-or-later' is not allowed"),
        ("GPL-2.0+", "GPL-2.0-or-later", "", None),
        ("GPL-2.0", "", "GPL-2.0-only", "licence 'GPL-2.0': 'GPL-2.0-only' is denied"),
        ("Apache-2.0+", "Apache-2.0", "", "licence 'Apache-2.0+' is not allowed"),
        ("Apache-2.0+", "", "MIT", None),
        ("LicenseRef-Ours", "licenseref-ours", "", None),
        ("LicenseRef-Ours", "", "MIT", None),
    ],
)
def test_each_licence_of_an_expression_is_looked_up(licence: str, allow: str, deny: str, expected: str | None) -> None:
    assert said(expression(licence), allow, deny) == expected


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ("GPL-2.0-only", "", None),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "", None),
        ("gpl-2.0 with classpath-exception-2.0", "GPL-2.0-only", None),
        ("GPL-2.0-only", "GPL-2.0-only WITH Classpath-exception-2.0", " is denied"),
        ("", "GPL-2.0-only", " is denied"),
        ("GPL-2.0-only WITH GCC-exception-2.0", "", " is not allowed"),
        ("", "GPL-2.0-only WITH GCC-exception-2.0", None),
    ],
)
def test_a_licence_with_an_exception_is_listed_whole_or_without_it(allow: str, deny: str, expected: str | None) -> None:
    name = "GPL-2.0-only WITH Classpath-exception-2.0"
    assert said(expression(name), allow, deny) == (expected and f"licence '{name}'{expected}")


@pytest.mark.parametrize(
    ("licence", "allow", "deny", "expected"),
    [
        ("Ours", "Ours", "", None),
        ("Ours", "", "ours", "licence 'Ours' is denied"),
        ("Ours", "", "MIT", "not checked: licence 'Ours' is no licence that SPDX knows"),
        ("Ours OR MIT", "", "ISC", None),
        ("Ours OR MIT", "MIT", "", None),
        ("Ours AND MIT", "", "ISC", "not checked: licence 'Ours AND MIT': 'Ours' is no licence that SPDX knows"),
        ("Ours AND MIT", "", "MIT", "licence 'Ours AND MIT': 'MIT' is denied"),
        ("MIT WITH Ours", "", "ISC", "not checked: licence 'MIT WITH Ours' is no licence that SPDX knows"),
        ("MIT/X11", "MIT", "", "licence 'MIT/X11' is not allowed"),
        ("MIT OR", "", "ISC", "not checked: licence 'MIT OR' is no licence that SPDX knows"),
        ("MIT/X11", "mit/x11", "", None),
    ],
)
def test_what_spdx_does_not_know_counts_by_its_name(licence: str, allow: str, deny: str, expected: str | None) -> None:
    assert said(expression(licence), allow, deny) == expected


# Classifiers and texts


@pytest.mark.parametrize(
    ("names", "allow", "deny", "expected"),
    [
        (["MIT License"], "MIT", "", None),
        (["MIT License"], "MIT License", "", None),
        (["MIT License"], "", "MIT", "licence 'MIT License': 'MIT' is denied"),
        (
            ["MIT License", "ISC License (ISCL)"],
            "MIT",
            "",
            "licence 'MIT License, ISC License (ISCL)': 'ISC' is not allowed",
        ),
        (["BSD License"], "bsd license", "", None),
        (
            ["BSD License"],
            "MIT, BSD-3-Clause",
            "",
            "licence 'BSD License' is not allowed; it may mean 'BSD-3-Clause': to accept it, allow it by its own name",
        ),
        (["BSD License"], "MIT", "", "licence 'BSD License' is not allowed"),
        (["BSD License"], "BSD-3-Clause", "BSD License", "licence 'BSD License' is denied"),
        (["BSD License"], "", "GPL-3.0-only", None),
        (["BSD License"], "", "BSD-4-Clause", "not checked: licence 'BSD License' may mean 'BSD-4-Clause'"),
        (["BSD License"], "BSD License", "BSD-4-Clause", None),
        (
            ["BSD License", "Freeware"],
            "",
            "BSD-4-Clause, Freeware",
            "licence 'BSD License, Freeware': 'Freeware' is denied",
        ),
        (["GNU General Public License (GPL)"], "", "AGPL-3.0-only, LGPL-3.0-only", None),
        (["Other/Proprietary License"], "", "MIT", None),
    ],
)
def test_a_classifier_is_an_id_where_it_can_mean_but_one(
    names: list[str], allow: str, deny: str, expected: str | None
) -> None:
    assert said(classifiers(*names), allow, deny) == expected


@pytest.mark.parametrize(
    ("line", "allow", "deny", "expected"),
    [
        ("MIT or ISC", "ISC", "", None),
        ("Apache License, Version 2.0", "Apache-2.0", "", None),
        ("MIT  license", "MIT", "", None),
        ("BSD", "BSD", "", None),
        ("BSD", "BSD-3-Clause", "", "licence 'BSD' is not allowed"),
        ("BSD", "", "BSD-4-Clause", "not checked: licence 'BSD' is no licence that SPDX knows"),
        ("BSD", "", "bsd", "licence 'BSD' is denied"),
        ("BSD or MIT", "MIT", "", "licence 'BSD or MIT' is not allowed"),
        ("x" * 500, "MIT", "", f"licence '{'x' * 80}…' is not allowed"),
        ("a\x1b[2J", "MIT", "", r"licence 'a\x1b[2J' is not allowed"),
    ],
)
def test_a_text_is_an_expression_or_else_a_name(line: str, allow: str, deny: str, expected: str | None) -> None:
    assert said(text(line), allow, deny) == expected


def test_no_licence_is_a_violation_of_a_list_of_what_is_allowed() -> None:
    assert said(License(), allow="MIT") == "states no licence"
    assert said(License(), allow="MIT", deny="ISC") == "states no licence"
    assert said(License(), deny="MIT") == "not checked: states no licence"
    assert said(License()) is None


def test_without_lists_nothing_is_asked() -> None:
    assert said(text("anything")) is None


def test_hostile_texts_are_names_like_others() -> None:
    parts = [
        "MIT",
        "AND",
        "OR",
        "WITH",
        "(",
        ")",
        "é",
        "Foo",
        "LLVM-exception",
        "+",
        ":",
        ",",
        "\t",
        "\x00",
        "BSD License",
    ]
    generator = random.Random(1)  # noqa: S311
    texts = [" ".join(generator.choices(parts, k=generator.randint(1, 8))) for _ in range(3000)]
    texts += ["(" * 900 + "MIT" + ")" * 900, "(" * 10**6, "MIT AND " * 10**5 + "MIT"]
    for each in texts:
        for licence in (expression(each), text(each), classifiers(each)):
            assert said(licence, allow="0BSD") is not None
        assert entry_problem(each) is None or entry_problem(each)


# Entries of the lists, and the tables


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("MIT", None),
        ("GPL-2.0-only WITH Classpath-exception-2.0", None),
        ("LicenseRef-Ours", None),
        ("GNU General Public License v2 or later (GPLv2+)", None),
        ("GNU Library or Lesser General Public License (LGPL)", None),
        ("Ours or another", None),
        (" ", "an entry is empty; name a licence, such as MIT"),
        ("MIT\nISC", r"'MIT\nISC' is not one line of text; name a licence, such as MIT"),
        ("MIT OR Ours", "'MIT OR Ours' is an expression; list each of its licences by itself"),
        ("mit and isc", "'mit and isc' is an expression; list each of its licences by itself"),
    ],
)
def test_an_entry_is_one_licence(entry: str, expected: str | None) -> None:
    assert entry_problem(entry) == expected


@pytest.mark.parametrize("name", [*license_names.CLASSIFIERS, *license_names.TEXTS])
def test_each_id_of_the_tables_is_one_of_spdx_and_in_its_own_case(name: str) -> None:
    assert str(license_names.known_tree(name)) == {**license_names.CLASSIFIERS, **license_names.TEXTS}[name]


@pytest.mark.parametrize("start", license_names.FAMILIES.values())
def test_each_family_has_a_licence_in_spdx(start: str) -> None:
    assert any(spdx.startswith(start) for spdx in license_names._spdx().known_symbols)
