"""scripts/why.py: each project has the way that brought it, up to a person's requirement and its comment."""

from __future__ import annotations

from pathlib import Path

from conftest import Checkout
from distributions import wheel
from upstream import Upstream

from scripts import config, locks
from scripts.why import Chain, chains

YAML = 'resolve_deps: true\npython_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64, win_amd64]\n'


def found() -> dict[str, list[Chain]]:
    return chains(config.load(Path()).sets, locks.existing())


def test_a_need_of_a_need_is_led_back_to_the_line_and_its_comment(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("App.Web", "1.0", requires=["lib_two", 'only-win; sys_platform == "win32"']))
    upstream.add(wheel("lib-two", "1.0", requires=["base"]))
    upstream.add(wheel("base", "1.0"))
    upstream.add(wheel("only-win", "1.0"))
    checkout.write("# head\nApp.Web>=1  # our services\nbase\n", packages_yaml=YAML)
    assert checkout.lock() == 0
    up = ("requirements.in:2", "App.Web>=1", "our services")
    assert found() == {
        "app-web": [Chain("requirements", ("app-web",), *up)],
        "base": [
            Chain("requirements", ("base",), "requirements.in:3", "base", ""),
            Chain("requirements", ("base", "lib-two", "app-web"), *up),
        ],
        "lib-two": [Chain("requirements", ("lib-two", "app-web"), *up)],
        "only-win": [Chain("requirements", ("only-win", "app-web"), *up)],
    }


def test_each_set_has_its_own_reasons(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("alpha", "1.0", requires=["beta"]))
    upstream.add(wheel("beta", "1.0"))
    files = {"dev_in": "-r more.in\n", "more_in": "beta # for tests\n"}
    checkout.write("alpha\n", packages_yaml=YAML + "requirements: [requirements.in, dev.in]\n", **files)
    assert checkout.lock() == 0
    assert found()["beta"] == [
        Chain("requirements", ("beta", "alpha"), "requirements.in:1", "alpha", ""),
        Chain("dev", ("beta",), "more.in:1", "beta", "for tests"),
    ]


def test_several_versions_have_a_reason_each(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("alpha", "1.0"))
    upstream.add(wheel("alpha", "2.0"))
    yaml = YAML.replace("resolve_deps: true", "packages: [alpha==1.0, alpha==2.0]")
    checkout.write(packages_yaml=yaml)
    assert checkout.lock() == 0
    place = "packages.yaml: packages"
    assert found() == {
        "alpha": [
            Chain("packages", ("alpha",), place, "alpha==1.0", ""),
            Chain("packages", ("alpha",), place, "alpha==2.0", ""),
        ]
    }


def test_needs_in_a_circle_come_to_an_end(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(wheel("alpha", "1.0", requires=["beta"]))
    upstream.add(wheel("beta", "1.0", requires=["alpha"]))
    checkout.write("alpha\n", packages_yaml=YAML)
    assert checkout.lock() == 0
    assert [chain.projects for chain in found()["beta"]] == [("beta", "alpha")]
