"""Every operation that is served had a reply held to its table in this run. The last tests of a whole run; see tests/conftest.py."""

import json

from support import shape

# Served, and no test gets a reply of it: why.
UNCHECKED = {}


def served():
    """`VERSION Operation` of the tables, without what not-yet.json leaves to later."""
    listed = json.loads((shape.CONTRACT / "not-yet.json").read_text())["steps"].values()
    later = [line.split() for step in listed for line in step["operations"]]
    return set(shape.tables()) - {f"{shape.VERSIONS[product.lower()]} {operation}" for product, operation in later}


def test_every_served_operation_had_a_reply_checked():
    never = sorted(served() - shape.checked() - set(UNCHECKED))
    assert not never, f"no test got a reply of these: {never}"
    assert set(UNCHECKED) <= served() - shape.checked(), "these were checked; take them from UNCHECKED"


def test_no_field_is_listed_as_not_yet_that_a_reply_had():
    assert not shape.seen_early(), "take these from not-yet.json"
