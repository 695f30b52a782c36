"""A short soak: `make soak` is the long one."""

import os

from bench.soak import soak

SECONDS = int(os.environ.get("SOAK_SECONDS", "20"))


def test_a_short_soak_ends_without_a_breach(server):
    # Memory is for the long run to judge: here caches still fill.
    seen = soak(server, SECONDS, "--connections", "1000", "--churn", "50", "--rate", "500", "--growth", "50")
    assert seen["breaches"] == []
    assert seen["replaced"] > 0 and seen["changes"] > 0
    assert all(seen[name]["received"] > 0 for name in ("at_most_once", "at_least_once", "exactly_once"))
