"""Runs a seeded workload against the real binary, kills it with SIGKILL at random instants, and has the checker read what the clients saw.

`target/python/bin/python tests/crash/run.py --kills 200` is what `make crash` does: rounds of kills on one folder, each with its own seed and
its own clients; what earlier rounds left there stays. `--seed` repeats a round, as far as two processes repeat each other.
"""

import argparse
import asyncio
import collections
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from crash import api, checker  # noqa: E402
from crash import history as h  # noqa: E402
from crash.killer import Killer  # noqa: E402
from crash.workload import (  # noqa: E402
    CHURN, KEPT, PLAIN, SHARED_1, SHARED_2, WILLS, Administrator, KeptReader, Mortal, Publisher, Sender, Subscriber,
)  # fmt: skip
from support.devices import login  # noqa: E402
from support.server import Server, access, arn, allow, document, group, topic  # noqa: E402

KILLS_PER_ROUND = 25
# Nothing new for so long, and something still missing: it will not come.
PATIENCE_S = 15
# How often the start after a kill is killed too, and up to how long after it began.
SECOND_KILL, SECOND_KILL_S = 0.15, 0.3
# A round without kills.
CALM_S = 10
# Of each rule.
FAULTS_SHOWN = 6
LOG_LINES_SHOWN = 40


class Run:
    """One round: a seed, its clients and its history, on a server that others may have used before."""

    def __init__(self, server, seed):
        self.server, self.seed = server, seed
        self.random = random.Random(seed)
        self.history = h.History()
        self.killer = Killer(seed, self.kill)
        self.is_up = asyncio.Event()
        self.mark = f"{random.SystemRandom().randrange(16**6):06x}"
        self.instance = f"mqtt-cn-{self.mark}"
        # One round in four is acknowledged once it is written: the end of a process loses nothing of that either.
        self.durability = "Relaxed" if seed % 4 == 3 else "Sync"
        self.parent, self.group = self.name("crash"), f"GID_{self.name('crash')}"
        self.keys, self.rights = {}, collections.defaultdict(lambda: (-1, True))
        self.aims = []

    # What the actors ask.

    def name(self, what):
        return f"{what}{self.mark}"

    def policy(self, user):
        return f"{self.name('right')}-{user}"

    def client_id(self, name):
        return f"{self.group}@@@{name}"

    def login(self, name, client_id):
        return login(self.keys[self.history.users[name]], client_id, self.instance)

    @property
    def address(self):
        return "127.0.0.1", self.server.mqtt_port

    def now(self):
        return time.monotonic()

    def note(self, event):
        self.history.events.append(event)
        match event:
            case h.Revoking():
                self.rights[event.user] = self.history.now, False
            case h.Granted():
                self.rights[event.user] = self.rights[event.user][0], True
        self.killer.see(event)

    def lacks_right(self, user):
        return not self.rights[user][1]

    def last_revocation(self, user):
        """The position after which the last one began; -1 where there was none."""
        return self.rights[user][0]

    async def call(self, product, operation, **parameters):
        await self.is_up.wait()
        return await api.call(("127.0.0.1", self.server.http_port), product, operation, **parameters)

    # The server.

    def kill(self):
        self.is_up.clear()
        self.note(h.Killed(self.now()))
        self.server.kill()

    async def start(self):
        while self.random.random() < SECOND_KILL:
            self.server.spawn()
            await asyncio.sleep(self.random.uniform(0, SECOND_KILL_S))
            await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)
        self.note(h.Started(self.now()))
        self.is_up.set()

    # The round.

    async def set_up(self):
        self.is_up.set()
        self.note(h.Started(self.now()))
        named = {"InstanceName": self.mark, "InstanceId": self.instance, "Durability": self.durability}
        await self.call("onsmqtt", "CreateMqttInstance", **named)
        await self.call("onsmqtt", "CreateMqttTopic", InstanceId=self.instance, Topic=self.parent)
        await self.call("onsmqtt", "CreateGroupId", InstanceId=self.instance, GroupId=self.group)
        base = [access(self.instance), group(self.group, self.instance)]
        for user in dict.fromkeys(self.history.users.values()) - {self.sender.name: None}.keys():
            await self.call("ram", "CreateUser", UserName=user)
            await self.grant(user, f"{self.name('base')}-{user}", *base)
            whole = allow(["mq:PUB", "mq:SUB"], arn(f"topic/{self.instance}/{self.parent}"))
            await self.grant(user, self.policy(user), whole, topic(f"{self.parent}/*", instance=self.instance))
            key = (await self.call("ram", "CreateAccessKey", UserName=user))["AccessKey"]
            self.keys[user] = key["AccessKeyId"], key["AccessKeySecret"]

    async def grant(self, user, policy, *statements):
        await self.call("ram", "CreatePolicy", PolicyName=policy, PolicyDocument=document(*statements))
        await self.call("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName=policy, UserName=user)

    def cast(self):
        """Everybody who takes part."""
        name = self.name
        topics = [f"{PLAIN}/{n}" for n in range(3)] + [f"{CHURN}/0", f"{CHURN}/1", f"{SHARED_2}/0", f"{SHARED_2}/1", f"{SHARED_1}/0"]
        self.publishers = [Publisher(self, name(f"pub{n}"), topics, version=4 + n % 2) for n in range(4)]
        readers, other = name("readers"), name("others")
        all_plain, share_2, share_1 = f"{PLAIN}/+", f"$share/two/{SHARED_2}/+", f"$share/one/{SHARED_1}/+"
        self.subscribers = [
            Subscriber(self, name("home"), readers, [all_plain, f"{WILLS}/+", f"{KEPT}/+"], 2, away=0.02, receive_maximum=10),
            Subscriber(self, name("seldom"), readers, [f"{PLAIN}/0", f"{PLAIN}/1"], 2, away=0.6, version=4),
            Subscriber(self, name("once"), readers, [all_plain], 1, away=0.2, version=4),
            Subscriber(self, name("guest"), other, [all_plain], 1, receive_maximum=3),
            Subscriber(self, name("lodger"), other, [all_plain], 2, version=4),
            Subscriber(self, name("fickle"), readers, [], 2, churn=[f"{CHURN}/0", f"{CHURN}/1"]),
            Subscriber(self, name("passing"), readers, [all_plain], 2, stored=False),
            *(Subscriber(self, name(f"two{n}"), readers, [share_2], 2, away=0.15, version=4 + n % 2) for n in range(3)),
            *(Subscriber(self, name(f"one{n}"), readers, [share_1], 1, away=0.15, receive_maximum=5) for n in range(3)),
        ]
        self.mortals = [Mortal(self, name(f"mortal{n}"), readers) for n in range(2)]
        self.sender = Sender(self, name("sender"), topics)
        revocable = [self.publishers[2].user, self.publishers[3].user, other]
        self.administrator = Administrator(self, revocable)
        self.reader = KeptReader(self, name("kept"), readers, self.publishers)

    async def play(self, kills):
        """The whole round; its faults."""
        self.cast()
        await self.set_up()
        lives = [*self.publishers, *self.subscribers, *self.mortals, self.sender, self.administrator, self.reader]
        tasks = [asyncio.create_task(actor.live()) for actor in lives]
        director = asyncio.create_task(self.direct(kills, tasks[-3:]))
        try:
            pending = {director, *tasks}
            while not director.done():
                # An actor that ended by an error must not be waited for.
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for actor in [*self.publishers, *self.subscribers, *self.mortals]:
                actor.client.cut()
        return checker.check(self.history)

    async def direct(self, kills, closing):
        """Kills and starts; then everybody rests, and once more after a last kill, so that what came twice is seen.

        Without kills the same people live for a while beside a server that nobody disturbs: what is at fault then is no crash's.
        """
        if not kills:
            await asyncio.sleep(CALM_S)
        for _ in range(kills - 1):
            self.aims.append(await self.killer.strike())
            await self.start()
        for actor in (self.administrator, self.reader, self.sender, *self.publishers, *self.subscribers, *self.mortals):
            actor.is_resting = True
        await asyncio.gather(*closing)
        await self.drain()
        if kills:
            self.kill()
            await self.start()
        for publisher in self.publishers:
            publisher.last_words()
        await self.drain()
        await self.reader.read()
        await self.administrator.look()
        self.note(h.Finished(self.now()))

    async def drain(self):
        """Waits until nothing is missing any more, or nothing happens any more."""
        last, quiet_since = -1, self.now()
        while True:
            await asyncio.sleep(0.3)
            deliveries = sum(isinstance(event, h.Delivered | h.Taken) for event in self.history.events)
            if deliveries != last:
                last, quiet_since = deliveries, self.now()
                continue
            story = checker.Story(self.history)
            is_done = all(publisher.is_done for publisher in self.publishers)
            if is_done and next(checker.lost(story), None) is None:
                break
            if self.now() - quiet_since > PATIENCE_S:
                self.note(h.Broken("everybody", f"something is missing after {PATIENCE_S} s of silence"))
                break


def report(run, faults):
    """What is shown of a round that failed."""
    by_rule = collections.defaultdict(list)
    for rule, fault in faults:
        by_rule[rule].append(fault)
    shown = "\n".join(f"{rule}: {len(ones)}\n  " + "\n  ".join(ones[:FAULTS_SHOWN]) for rule, ones in by_rule.items())
    # Refusals are the workload's own doing, and many.
    lines = [line for line in run.server.log().splitlines() if "sluice::denied" not in line]
    log = "\n".join(lines[-LOG_LINES_SHOWN:])
    kept = pathlib.Path(tempfile.gettempdir()) / f"sluice-crash-{run.seed}.history"
    kept.write_text("".join(f"{at} {event}\n" for at, event in enumerate(run.history.events)))
    return f"SLUICE_CRASH_SEED={run.seed}: {len(faults)} faults\n{shown}\nkills: {run.aims}\nhistory: {kept}\nthe server's log ends:\n{log}"


async def play(server, seed, kills):
    """One round; the run and its faults."""
    run = Run(server, seed)
    return run, await run.play(kills)


def summary(run):
    counts = collections.Counter(type(event).__name__ for event in run.history.events)
    kinds = ("Sending", "Taken", "Delivered", "Revoked", "WillSeen", "Killed")
    return f"{run.durability}, " + ", ".join(f"{counts[name]} {name.lower()}" for name in kinds)


def rounds(first, kills):
    """(seed, kills) of each round; one without kills when none were asked for."""
    whole, rest = divmod(kills, KILLS_PER_ROUND)
    sizes = [KILLS_PER_ROUND] * whole + [rest] * bool(rest or not whole)
    return [(first + number, size) for number, size in enumerate(sizes)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="of the first round; each further one has the next number")
    arguments = parser.parse_args()
    first = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    failed = []
    with tempfile.TemporaryDirectory(prefix="sluice-crash-") as folder:
        server = Server(pathlib.Path(folder) / "data")
        try:
            for seed, kills in rounds(first, arguments.kills):
                began = time.monotonic()
                run, faults = asyncio.run(play(server, seed, kills))
                print(f"seed {seed}: {kills} kills, {len(faults)} faults, {time.monotonic() - began:.0f} s; {summary(run)}", flush=True)
                if faults:
                    print(report(run, faults), flush=True)
                    failed.append(seed)
        finally:
            server.kill()
    print(f"{arguments.kills} kills, seeds {first} to {seed}: {f'failed with {failed}' if failed else 'no faults'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
