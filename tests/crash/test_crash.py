"""The short form of `make crash`: a few kills at instants that a seed chooses."""

import asyncio
import os
import random

from crash import run

KILLS = 8


def test_what_was_acknowledged_survives_kills_at_any_instant(tmp_path):
    """SLUICE_CRASH_SEED chooses the seed, SLUICE_CRASH_KILLS how many kills."""
    seed = int(os.environ.get("SLUICE_CRASH_SEED", random.SystemRandom().randrange(2**32)))
    kills = int(os.environ.get("SLUICE_CRASH_KILLS", KILLS))
    print(f"SLUICE_CRASH_SEED={seed} SLUICE_CRASH_KILLS={kills}")
    server = run.Server(tmp_path / "data")
    try:
        played, faults = asyncio.run(run.play(server, seed, kills))
        print(run.summary(played))
        assert not faults, run.report(played, faults)
    finally:
        server.kill()
