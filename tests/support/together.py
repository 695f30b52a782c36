"""Runs the cases that wait for time to pass side by side, so that the suite takes as long as the longest of them."""

import concurrent.futures
import functools

import pytest

from support.raw import close_all

CASES = []
RUNNING = {}


def waits(*versions):
    """Marks a test that spends its time waiting.

    Its body runs in a thread, together with those of all other such tests; the test gives its outcome.
    """

    def mark(body):
        for version in versions or (None,):
            CASES.append((body, version))

        @functools.wraps(body)
        def test(broker, version=None):
            if not RUNNING:
                start(broker)
            RUNNING[body, version].result()

        if not versions:
            return without_version(body, test)
        return pytest.mark.parametrize("version", versions)(test)

    return mark


def without_version(body, test):
    @functools.wraps(body)
    def alone(broker):
        test(broker)

    return alone


def start(broker):
    pool = concurrent.futures.ThreadPoolExecutor(len(CASES), "waits")
    for body, version in CASES:
        RUNNING[body, version] = pool.submit(run, body, broker, version)


def run(body, broker, version):
    try:
        body(broker) if version is None else body(broker, version)
    finally:
        close_all()
