"""Random interleavings of sessions, subscriptions, messages and lost connections against the model of delivery."""

import os
import random
import time

from clients import delivery_model
from support.devices import login
from support.raw import close_all
from support.server import INSTANCE, access, group, topic

# Worlds of a fixed seed, then as many of a new one as the time allows.
FIXED_SEEDS = range(10)
SECONDS = 12


def test_delivery_keeps_its_promises_whatever_is_lost(server):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="model")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_model")
    key = server.new_user("model", access(), topic("model"), group("GID_model"))
    # SLUICE_SEED repeats a run that failed.
    chosen = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"SLUICE_SEED={chosen}")
    seeds, end, done = [*FIXED_SEEDS, chosen], time.monotonic() + SECONDS, 0
    while seeds or time.monotonic() < end:
        seed = seeds.pop(0) if seeds else chosen + done
        delivery_model.run(
            ("127.0.0.1", server.mqtt_port), lambda client_id: login(key, client_id), lambda name: f"GID_model@@@{name}",
            f"model/w{done}", seed,
        )  # fmt: skip
        close_all()
        done += 1
    print(f"{done} worlds of {delivery_model.ACTIONS_PER_WORLD} actions")
