"""Every client library over every transport that it has; the scenario and the table are in matrix.py."""

import pytest

from clients import matrix


@pytest.mark.parametrize(("library", "version", "transport"), matrix.cells())
def test_client_goes_through_the_whole_scenario(running, library, version, transport):
    cell, future = running[library, version, transport]
    future.result()
    assert set(cell.passed) == {step for step in matrix.STEPS if step != "properties" or version == 5}
