"""Who takes part: publishers, subscribers that come and go, shared subscriptions, clients with wills, and an administrator.

Each actor has a generator of its own, seeded by the run's seed and its name, and lives until it is told to rest.
"""

import asyncio
import collections
import contextlib
import random

from crash import api
from crash import history as h
from crash.checker import WILL_DELAY_S
from crash.client import Client, Lost
from support.packets import Will

# Topics below a run's parent topic: plain, coming and going, shared at QoS 2 and at QoS 1, retained, and of wills.
PLAIN, CHURN, SHARED_2, SHARED_1, KEPT, WILLS = "a", "c", "s", "q", "r", "w"
WINDOW = 16
BURST_MAX = 12
PAYLOAD_BYTES = (0, 0, 64, 256, 1024, 8192)


class Actor:
    """A client with a life of its own."""

    def __init__(self, run, name, user, **options):
        self.run, self.name, self.user = run, name, user
        run.history.users[name] = user
        self.random = random.Random(f"{run.seed}-{name}")
        self.client = Client(run, name, **options)
        self.is_resting = False

    def chance(self, probability):
        return self.random.random() < probability

    async def pause(self, most_s):
        """Time passes: this is the pace of the actor, not a wait for something."""
        await asyncio.sleep(self.random.uniform(0, most_s))

    async def live(self):
        """Its life until the run rests, then what it takes until nothing is left to do."""
        while not self.is_resting:
            try:
                await self.client.come()
                await self.act()
            except Lost:
                continue
        await self.finish()

    async def finish(self):
        """Stays connected, and comes back when the server does, until the run is over."""
        while True:
            await self.client.come()
            with contextlib.suppress(Lost):
                await self.settle()
            self.client.ping()
            await asyncio.sleep(0.05)

    async def settle(self):
        """What a client does that wants everything."""


class Publisher(Actor):
    """Has a stored session, so that what was not acknowledged goes again with its identifier."""

    def __init__(self, run, name, topics, **options):
        super().__init__(run, name, name, **options)
        self.topics = [f"{run.parent}/{topic}" for topic in topics]
        self.kept = [f"{run.parent}/{KEPT}/{name}{number}" for number in range(2)]
        self.numbers = collections.Counter()

    async def act(self):
        for _ in range(self.random.randint(1, BURST_MAX)):
            if self.client.is_connected and len(self.client.outbound) < WINDOW:
                self.publish()
        if self.chance(0.02):
            self.client.cut()
        elif self.chance(0.02):
            self.client.leave()
        await self.pause(0.3 if self.run.lacks_right(self.user) else 0.08)

    def publish(self):
        retain = self.chance(0.1)
        topic = self.random.choice(self.kept if retain else self.topics)
        is_empty = retain and self.chance(0.2)
        # A retained topic has one QoS: sent again, one of QoS 1 takes the place of a later one of QoS 2, which is known and not taken again.
        qos = 1 + self.kept.index(topic) if retain else self.random.choice((1, 2))
        self.send(topic, qos, retain, is_empty)

    def send(self, topic, qos, retain=False, is_empty=False):
        number = self.numbers[topic]
        self.numbers[topic] += 1
        size_bytes = self.random.choice(PAYLOAD_BYTES)
        self.client.publish(h.Message(self.name, topic, number), qos, retain, size_bytes, is_empty)

    def last_words(self):
        """One more message of each QoS on each topic."""
        for topic in self.topics:
            for qos in (1, 2):
                self.send(topic, qos)

    @property
    def is_done(self):
        return not self.client.outbound


class Subscriber(Actor):
    """Holds subscriptions, and is away or slow to answer as its moods go.

    `away` is how likely it leaves in a turn. `churn` are filters that it takes and gives back.
    """

    def __init__(self, run, name, user, filters, qos, away=0.05, churn=(), **options):
        super().__init__(run, name, user, take=self.take, **options)
        self.filters = {self.whole(filter): qos for filter in filters}
        self.churn = [self.whole(filter) for filter in churn]
        self.qos, self.away, self.held, self.held_since = qos, away, set(), -1

    def whole(self, filter):
        """A filter below the run's parent topic."""
        if filter.startswith("$share/"):
            share, name, rest = filter.split("/", 2)
            return f"{share}/{name}/{self.run.parent}/{rest}"
        return f"{self.run.parent}/{filter}"

    def take(self, packet):
        if packet.topic.startswith(f"{self.run.parent}/{WILLS}/"):
            client, number = packet.payload.decode().split()
            self.run.note(h.WillSeen(self.client.session, client, int(number)))
        else:
            self.client.take_message(packet)

    async def subscribe(self):
        """Makes the subscriptions that it has not: after a right came back, all of them again."""
        since = self.run.last_revocation(self.user)
        if not self.client.stored and self.held_since < self.client.began or self.held_since < since:
            self.held.clear()
        if self.run.lacks_right(self.user):
            return
        for filter, qos in self.filters.items():
            if filter not in self.held and await self.client.subscribe(filter, qos):
                self.held.add(filter)
                self.held_since = max(self.client.began, since)

    async def act(self):
        await self.subscribe()
        self.client.is_eager = not self.chance(0.3)
        self.client.ping()
        if self.churn and not self.run.lacks_right(self.user) and self.chance(0.3):
            await self.change_mind(self.random.choice(self.churn))
        await self.pause(0.1)
        self.client.pay(self.random.choice((1, 5, None)))
        if self.chance(self.away):
            (self.client.cut if self.chance(0.5) else self.client.leave)()
            await self.pause(1.0)

    async def change_mind(self, filter):
        if filter in self.held:
            self.held.discard(filter)
            await self.client.unsubscribe(filter)
        elif await self.client.subscribe(filter, self.qos):
            self.held.add(filter)

    async def settle(self):
        await self.subscribe()
        self.client.is_eager = True
        self.client.pay()


class Mortal(Actor):
    """Has a delayed will, and dies often."""

    def __init__(self, run, name, user):
        super().__init__(run, name, user, will=self.will)

    def will(self, number):
        topic = f"{self.run.parent}/{WILLS}/{self.name}"
        return Will(topic, f"{self.name} {number}", 2, properties={"will_delay": int(WILL_DELAY_S)})

    async def live(self):
        while not self.is_resting:
            await self.client.come()
            number = self.client.connections - 1
            await self.pause(2.0)
            if self.client.is_connected:
                self.client.cut()
                self.run.note(h.Cut(self.name, number, self.run.now()))
            await self.pause(3.0 * WILL_DELAY_S)

    # At rest it stays away: its last will is due.


class Sender:
    """Publishes by the API, as the account: an answer is an acknowledgement. What was not answered is not sent again."""

    def __init__(self, run, name, topics):
        self.run, self.name = run, name
        run.history.users[name] = name
        self.topics = [f"{run.parent}/{topic}" for topic in topics]
        self.random = random.Random(f"{run.seed}-{name}")
        self.numbers = collections.Counter()
        self.is_resting = False

    async def live(self):
        while not self.is_resting:
            topic = self.random.choice(self.topics)
            message = h.Message(self.name, topic, self.numbers[topic])
            self.numbers[topic] += 1
            parameters = {"InstanceId": self.run.instance, "MqttTopic": topic, "Payload": message.payload().decode()}
            await self.run.is_up.wait()
            self.run.note(h.Sending(message, 1))
            with contextlib.suppress(api.NoAnswer):
                await self.run.call("onsmqtt", "SendMessage", **parameters)
                self.run.note(h.Taken(message, 1, self.run.history.now))
            await asyncio.sleep(self.random.uniform(0, 0.2))


class KeptReader:
    """Reads the retained messages by a session of its own each time, and writes down what each topic has."""

    def __init__(self, run, name, user, publishers):
        self.run, self.name, self.user, self.publishers = run, name, user, publishers
        run.history.users[name] = user
        self.random = random.Random(f"{run.seed}-{name}")
        self.is_resting = False

    async def live(self):
        while not self.is_resting:
            with contextlib.suppress(Lost):
                await self.read()
            await asyncio.sleep(self.random.uniform(0, 1.0))

    async def read(self):
        """One look. What a topic has is known once a message that was sent after SUBACK has come: retained ones are ahead of it."""
        found, end = {}, asyncio.Event()
        mark = f"{self.run.parent}/end/{self.name}"

        def take(packet):
            if packet.topic == mark:
                end.set()
                return
            if packet.retain:
                message = h.Message.read(packet.payload)
                self.run.note(h.Delivered(client.session, message, packet.qos, client.since, retain=True))
                found[packet.topic] = message.number

        client = Client(self.run, self.name, stored=False, take=take)
        await client.come()
        since = self.run.history.now
        try:
            await client.subscribe(f"{self.run.parent}/{KEPT}/+", 1)
            await client.subscribe(mark, 1)
            while not end.is_set():
                # Sent by the account, and again where the server was killed meanwhile.
                with contextlib.suppress(api.NoAnswer):
                    await self.run.call("onsmqtt", "SendMessage", InstanceId=self.run.instance, MqttTopic=mark, Payload="end")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(end.wait(), 1.0)
                if not client.is_connected:
                    raise Lost(self.name)
        finally:
            client.leave()
        for publisher in self.publishers:
            for topic in publisher.kept:
                self.run.note(h.Read(topic, found.get(topic), since))


class Administrator:
    """Takes rights and gives them back, and makes and deletes users and groups: each write is a register of the history."""

    def __init__(self, run, users):
        self.run, self.users = run, users
        self.random = random.Random(f"{run.seed}-administrator")
        self.state, self.numbers = {}, collections.Counter()
        self.is_resting = False

    async def live(self):
        while not self.is_resting:
            action = self.random.choice((self.change_right, self.change_right, self.change_user, self.change_group, self.look))
            await action()
            await asyncio.sleep(self.random.uniform(0, 0.5))
        for user in self.users:
            if self.run.lacks_right(user):
                await self.give(user)
        await self.look()

    async def change_right(self):
        user = self.random.choice(self.users)
        await (self.give if self.run.lacks_right(user) else self.take)(user)

    async def take(self, user):
        self.run.note(h.Revoking(user))
        await self.attach(user, False)
        self.run.note(h.Revoked(user))

    async def give(self, user):
        self.run.note(h.Granting(user))
        await self.attach(user, True)
        self.run.note(h.Granted(user))

    async def attach(self, user, is_attached):
        operation = "AttachPolicyToUser" if is_attached else "DetachPolicyFromUser"
        parameters = {"PolicyType": "Custom", "PolicyName": self.run.policy(user), "UserName": user}
        await self.write(f"right of {user}", is_attached, "ram", operation, **parameters)

    async def change_user(self):
        name = self.run.name(f"extra{self.random.randrange(3)}")
        operation = "DeleteUser" if self.state.get(f"user {name}") else "CreateUser"
        await self.write(f"user {name}", operation == "CreateUser", "ram", operation, UserName=name)

    async def change_group(self):
        name = f"GID_{self.run.name('extra')}{self.random.randrange(3)}"
        operation = "DeleteGroupId" if self.state.get(f"group {name}") else "CreateGroupId"
        parameters = {"InstanceId": self.run.instance, "GroupId": name}
        await self.write(f"group {name}", operation == "CreateGroupId", "onsmqtt", operation, **parameters)

    async def write(self, register, value, product, operation, **parameters):
        """One write, until it is answered: after a kill it is asked again, and may have been made."""
        number = self.numbers[register]
        self.numbers[register] += 1
        self.run.note(h.Writing(register, number, value))
        is_repeated = False
        while True:
            try:
                await self.run.call(product, operation, **parameters)
                break
            except api.NoAnswer:
                is_repeated = True
            except api.Failed as failed:
                # Asked again, it is there or gone already.
                if not (is_repeated and "exist" in str(failed).lower()):
                    self.run.note(h.Broken("administrator", f"{register}: {failed}"))
                break
        self.state[register] = value
        self.run.note(h.Written(register, number))

    async def look(self):
        """Reads everything that was ever written."""
        since = self.run.history.now
        try:
            users = {user["UserName"] for user in await self.listed("ram", "ListUsers", "Users", "User", MaxItems="1000")}
            reply = await self.run.call("onsmqtt", "ListGroupId", InstanceId=self.run.instance)
            groups = {group["GroupId"] for group in reply["Data"]}
            attached = {}
            for user in self.users:
                policies = await self.listed("ram", "ListPoliciesForUser", "Policies", "Policy", UserName=user)
                attached[user] = self.run.policy(user) in {policy["PolicyName"] for policy in policies}
        except api.NoAnswer:
            return
        for register in self.state:
            kind, name = register.split(" ")[0], register.split(" ")[-1]
            value = {"user": name in users, "group": name in groups, "right": attached.get(name)}[kind]
            # What was never written is not there, or is as it was set up.
            self.run.note(h.Read(register, value, since))

    async def listed(self, product, operation, *path, **parameters):
        reply = await self.run.call(product, operation, **parameters)
        for name in path:
            reply = reply[name]
        return reply
