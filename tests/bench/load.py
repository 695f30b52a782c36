"""Runs of mqload and of `sluice bench` against a broker, and what they measured in one form."""

import json
import subprocess

from bench.brokers import MQLOAD
from support.server import SLUICE, environment

# Name, mqload's arguments, `sluice bench`'s arguments.
CELLS = tuple(
    (f"{name} QoS {qos}", (*ours, "--qos", str(qos)), (*own, "--qos", str(qos)))
    for name, ours, own in (
        ("p2p", ("p2p", "--pairs", "20", "--window", "64", "--payload", "64"),
         ("p2p", "--pairs", "20", "--window", "64", "--payload", "64")),
        ("fan-in", ("fanin", "--pubs", "50", "--subs", "1", "--window", "16", "--payload", "16"),
         ("fan-in", "--publishers", "50", "--subscribers", "1", "--window", "16", "--payload", "16")),
        ("fan-out", ("fanout", "--pubs", "1", "--subs", "100", "--window", "16", "--payload", "256"),
         ("fan-out", "--publishers", "1", "--subscribers", "100", "--window", "16", "--payload", "256")),
    )
    for qos in (0, 1)
)  # fmt: skip
RUN_S = 180


class Failed(Exception):
    """A run that measured nothing, with the generator's own words."""


def mqload(broker, *arguments, cores=None):
    """One run, pinned to these cores if any; mqload's JSON object."""
    pinned = ["taskset", "--cpu-list", cores] if cores else []
    command = [*pinned, str(MQLOAD), *arguments, "--port", str(broker.port), "--pid", str(broker.pid), *broker.login, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S)
    lines = done.stdout.splitlines()
    found = json.loads(lines[-1]) if lines else {"error": done.stderr.strip()}
    if "error" in found:
        raise Failed(f"{broker.name}: {found['error']}")
    return found


def own(broker, *arguments):
    """One run of `sluice bench`; its JSON object."""
    command = [SLUICE, "bench", *arguments, "--json", "--mqtt", f"127.0.0.1:{broker.port}", "--pid", str(broker.pid)]
    done = subprocess.run(
        [*command, *broker.own_login], capture_output=True, text=True, timeout=RUN_S, env=environment()
    )
    if not done.stdout:
        raise Failed(f"{broker.name}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def traffic(broker, cell, seconds, by_sluice=False, cores=None):
    """(CPU seconds per million deliveries, deliveries a second, lost) of one cell."""
    _, with_mqload, with_own = cell
    if by_sluice:
        found = own(broker, *with_own, "--seconds", str(seconds))
        cpu, rate = found["server"].get("cpu_s_per_million_deliveries"), found["received_per_s"]
    else:
        found = mqload(broker, *with_mqload, "--seconds", str(seconds), cores=cores)
        cpu, rate = found["cpu_s_per_m_recv"], found["recv_per_s"]
    if not cpu or not rate:
        raise Failed(f"{broker.name}: nothing was delivered")
    return cpu, rate, found["lost"]
