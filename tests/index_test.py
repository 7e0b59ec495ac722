"""scripts/index.py: what a whole run of the pipeline publishes, and what it refuses."""

from __future__ import annotations

from conftest import Checkout
from distributions import wheel
from upstream import Upstream


def test_what_is_locked_is_published(checkout: Checkout, upstream: Upstream) -> None:
    alpha = upstream.add(wheel("alpha", "1.0"))
    checkout.write("alpha==1.0\n")
    assert checkout.lock() == 0
    assert checkout.index() == 0
    assert (checkout.root / "web" / "packages" / alpha.filename).read_bytes() == alpha.data
