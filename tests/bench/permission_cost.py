"""What asking for permission costs: the message path with the policies of a RAM user against an authority that always says yes.

permission_cost.py MEASURED_BROKER MQLOAD [ROUNDS]    alternates the two; prints medians and their ratio
"""

import json
import statistics
import subprocess
import sys

SCENARIOS = (
    ("p2p QoS 0", ["p2p", "--pairs", "10", "--qos", "0"]),
    ("p2p QoS 1", ["p2p", "--pairs", "10", "--qos", "1"]),
    ("fan-in QoS 1", ["fanin", "--pubs", "50", "--subs", "1", "--qos", "1"]),
)


def run(broker, mqload, mode, scenario):
    """Messages per second and broker CPU seconds per million messages."""
    process = subprocess.Popen([broker, mode], stdout=subprocess.PIPE, text=True)
    try:
        port, key, secret, instance = process.stdout.readline().split()
        done = subprocess.run(
            [mqload, *scenario, "--port", port, "--pid", str(process.pid), "--access-key", key, "--auth-secret", secret,
             "--instance", instance, "--client-id", "GID_bench@@@{r}{i}", "--topic-prefix", "bench/x/",
             "--seconds", "3", "--quiet"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["lost"] == 0, result
        return result["recv_per_s"], result["cpu_s_per_m_recv"]
    finally:
        process.kill()
        process.wait()


def main():
    broker, mqload = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    for name, scenario in SCENARIOS:
        results = {"asked": [], "allow-all": []}
        for _ in range(rounds):
            for mode, of_mode in results.items():
                of_mode.append(run(broker, mqload, mode, scenario))
        rate = {mode: statistics.median(r[0] for r in of) for mode, of in results.items()}
        cpu = {mode: statistics.median(r[1] for r in of) for mode, of in results.items()}
        print(
            f"{name:13} asked {rate['asked']:9.0f} msg/s {cpu['asked']:.3f} CPU s/M   allow-all {rate['allow-all']:9.0f} msg/s "
            f"{cpu['allow-all']:.3f} CPU s/M   rate x{rate['asked'] / rate['allow-all']:.3f} CPU x{cpu['asked'] / cpu['allow-all']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
