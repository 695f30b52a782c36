"""Says what a history breaks. It knows nothing of the run, the server or the seed: events in, faults out.

Each rule is one function from a [`Story`] to sentences. Where an event lies between a request and its answer, the server may have done it or
not; then no rule speaks.
"""

import bisect
import collections

from crash import history as h

ON, OFF, MAYBE = "on", "off", "maybe"
# Seconds that a server may need for what is due, on a machine with other work.
SLACK_S = 3.0
# Seconds after which even what nobody waits for is on disk: the log's 100 ms, and what a busy machine adds.
SETTLED_S = 1.0
# The delay of all wills of a run.
WILL_DELAY_S = 1.0


class Timeline:
    """A state that changes at positions."""

    def __init__(self, first):
        self.at, self.states = [-1], [first]

    def set(self, at, state):
        self.at.append(at)
        self.states.append(state)

    def last(self):
        return self.states[-1]

    def throughout(self, begin, end):
        """The state from a position to another, both included; `MAYBE` when it is not one."""
        first = bisect.bisect_right(self.at, begin) - 1
        last = bisect.bisect_right(self.at, end) - 1
        found = set(self.states[first : last + 1])
        return found.pop() if len(found) == 1 else MAYBE


def plain(filter):
    """The filter of a shared subscription."""
    return filter.split("/", 2)[2] if filter.startswith("$share/") else filter


def matches(filter, topic):
    wanted, levels = plain(filter).split("/"), topic.split("/")
    if wanted[-1] == "#":
        return levels[: len(wanted) - 1] == wanted[:-1]
    return len(wanted) == len(levels) and all(one in ("+", level) for one, level in zip(wanted, levels, strict=True))


class Story:
    """A history, sorted by what the rules ask."""

    def __init__(self, history):
        self.history, self.end = history, history.now
        self.sending, self.taken = {}, {}
        self.deliveries = collections.defaultdict(list)
        self.subscriptions, self.granted = {}, {}
        self.rights = collections.defaultdict(lambda: Timeline(ON))
        self.by_filter = collections.defaultdict(list)
        self.deaths = []
        for at, event in enumerate(history.events):
            handle = getattr(self, f"on_{type(event).__name__.lower()}", None)
            if handle:
                handle(at, event)
        self.matching = {}

    def on_sending(self, at, event):
        self.sending.setdefault(event.message, (at, event))

    def on_taken(self, at, event):
        self.taken.setdefault(event.message, at)

    def on_delivered(self, at, event):
        self.deliveries[event.session].append((at, event))

    def on_killed(self, at, _event):
        self.deaths.append(at)

    def hold(self, session, filter):
        key = session, filter
        if key not in self.subscriptions:
            self.subscriptions[key] = Timeline(OFF)
            self.by_filter[filter].append(session)
        return self.subscriptions[key]

    def on_subscribing(self, at, event):
        self.granted[event.session, event.filter] = event.qos
        timeline = self.hold(event.session, event.filter)
        if timeline.last() != ON:
            timeline.set(at, MAYBE)

    def on_subscribed(self, at, event):
        # A right that was lost meanwhile has taken the subscription with it, or will.
        is_lost = self.right(event.session).last() != ON
        self.hold(event.session, event.filter).set(at, MAYBE if is_lost else ON)

    def on_unsubscribing(self, at, event):
        self.hold(event.session, event.filter).set(at, MAYBE)

    def on_unsubscribed(self, at, event):
        self.hold(event.session, event.filter).set(at, OFF)

    def on_ended(self, at, event):
        for (session, _), timeline in self.subscriptions.items():
            if session == event.session:
                timeline.set(at, OFF)

    def on_revoking(self, at, event):
        self.rights[event.user].set(at, MAYBE)
        for (session, _), timeline in self.subscriptions.items():
            if self.history.user(session) == event.user and timeline.last() == ON:
                timeline.set(at, MAYBE)

    def on_revoked(self, at, event):
        self.rights[event.user].set(at, OFF)

    def on_granting(self, at, event):
        self.rights[event.user].set(at, MAYBE)

    def on_granted(self, at, event):
        self.rights[event.user].set(at, ON)

    def right(self, session):
        return self.rights[self.history.user(session)]

    def holders(self, topic):
        """(session, filter) of every subscription that ever was and matches a topic."""
        if topic not in self.matching:
            self.matching[topic] = [key for key in self.subscriptions if matches(key[1], topic)]
        return self.matching[topic]

    def stands(self, begin, end, session, filter, message):
        """Whether a session had a subscription, and it and the publisher their rights, from a position to another."""
        timelines = self.subscriptions[session, filter], self.right(session), self.right(message.publisher)
        return all(timeline.throughout(begin, end) == ON for timeline in timelines)

    def was_killed_within(self, begin, end):
        place = bisect.bisect_right(self.deaths, begin)
        return place < len(self.deaths) and self.deaths[place] <= end


def check(history):
    """Every fault of a history, as (rule, sentence); none when all promises were kept."""
    story = Story(history)
    rules = (broken, closed, invented, lost, repeated, disordered, unwanted, restored, accepted, registers, sessions, wills)
    return [(rule.__name__, fault) for rule in rules for fault in rule(story)]


def broken(story):
    """What clients saw themselves."""
    for event in story.history.events:
        if isinstance(event, h.Broken):
            yield f"{event.client}: {event.what}"


def closed(story):
    """Nobody who has its rights is thrown out by a living server."""
    for at, event in enumerate(story.history.events):
        if isinstance(event, h.Closed) and not story.was_killed_within(event.since, at):
            if story.right(event.client).throughout(event.since, at) == ON:
                yield f"{event.client}: the server closed the connection with {event.code}"


def invented(story):
    """Only what was sent is delivered, and not before."""
    for session, deliveries in story.deliveries.items():
        for at, event in deliveries:
            sent = story.sending.get(event.message)
            if sent is None or sent[0] > at:
                yield f"{session}: {event.message} was never sent"


def lost(story):
    """What was acknowledged is delivered to each session that held a subscription, and to one member of each shared subscription."""
    got = {session: {event.message for _, event in deliveries} for session, deliveries in story.deliveries.items()}
    for message, taken in story.taken.items():
        begin, sending = story.sending[message]
        if sending.is_empty:
            continue
        shares = collections.defaultdict(list)
        for session, filter in story.holders(message.topic):
            if filter.startswith("$share/"):
                shares[filter].append(session)
            elif message not in got.get(session, ()) and story.stands(begin, story.end, session, filter, message):
                yield f"{session}: {message} was acknowledged (position {taken}) and never came"
        for filter, members in shares.items():
            is_wanted = any(story.stands(begin, story.end, session, filter, message) for session in members)
            if is_wanted and not any(message in got.get(session, ()) for session in members):
                yield f"{filter}: {message} was acknowledged (position {taken}) and came to no member"


def repeated(story):
    """QoS 2 comes once: to a session, and to the members of a shared subscription together."""
    counts = collections.Counter()
    for session, deliveries in story.deliveries.items():
        for _, event in deliveries:
            if event.qos != 2 or event.retain:
                continue
            filters = [filter for one, filter in story.holders(event.message.topic) if one == session]
            for place in {filter if filter.startswith("$share/") else session for filter in filters}:
                counts[place, event.message] += 1
    for (place, message), count in counts.items():
        if count > 1:
            yield f"{place}: {message} came {count} times at QoS 2"


def disordered(story):
    """First deliveries of a publisher come in its order, whatever their topic and QoS. Members of a shared subscription are promised none.

    Where a subscription or a right came back between two messages, the first may be new when its publisher sends it again.
    """
    for session, deliveries in story.deliveries.items():
        latest, seen = {}, set()
        for at, event in deliveries:
            message = event.message
            filters = [filter for one, filter in story.holders(message.topic) if one == session]
            is_shared = any(filter.startswith("$share/") for filter in filters)
            if event.retain or is_shared or message in seen or message not in story.sending:
                continue
            seen.add(message)
            begin = story.sending[message][0]
            before, earlier = latest.setdefault(message.publisher, (begin, message))
            if before > begin and any(story.stands(begin, at, session, filter, message) for filter in filters):
                yield f"{session}: {message} came after {earlier} (position {at})"
            latest[message.publisher] = max((before, earlier), (begin, message), key=lambda pair: pair[0])


def unwanted(story):
    """Nothing comes by a subscription that was not there: not yet made, or taken back."""
    for session, deliveries in story.deliveries.items():
        for at, event in deliveries:
            if event.retain or event.message not in story.sending:
                continue
            begin = story.sending[event.message][0]
            end = min(story.taken.get(event.message, at), at)
            held = [
                story.subscriptions[one, filter].throughout(begin, end)
                for one, filter in story.holders(event.message.topic)
                if one == session
            ]
            if all(state == OFF for state in held):
                yield f"{session}: {event.message} came without a subscription"


def restored(story):
    """After a revocation was answered nothing of the publisher's is delivered, and nothing to a receiver who lost its right."""
    for session, deliveries in story.deliveries.items():
        for at, event in deliveries:
            if story.right(event.message.publisher).throughout(event.since, at) == OFF:
                yield f"{session}: {event.message} came after its publisher had lost the right (positions {event.since} to {at})"
            if story.right(session).throughout(event.since, at) == OFF:
                yield f"{session}: {event.message} came after the receiver had lost the right (positions {event.since} to {at})"


def accepted(story):
    """Nothing is taken from a publisher without the right. A QoS 2 packet that was taken before may be acknowledged again."""
    for at, event in enumerate(story.history.events):
        if isinstance(event, h.Taken) and event.qos == 1:
            if story.right(event.message.publisher).throughout(event.since, at) == OFF:
                yield f"{event.message} was acknowledged after its publisher had lost the right"


def registers(story):
    """What is read is the last write that was answered before the question, or a later one."""
    writes = collections.defaultdict(dict)
    for at, event in enumerate(story.history.events):
        if isinstance(event, h.Writing):
            writes[event.register].setdefault(event.value, [at, None, event])
        elif isinstance(event, h.Written):
            writes[event.register][event.value][1] = at
        elif isinstance(event, h.Read):
            allowed = values(story, writes[event.register].values(), event, at)
            if event.value not in allowed:
                yield f"{event.register} is {event.value} at position {at}, and may be {sorted(map(str, allowed))}"


def values(story, writes, read, at):
    """What a read at a position may give."""
    done = [begin for begin, end, _ in writes if end is not None and end <= read.since]
    last = max(done, default=-1)
    late = [write for begin, _, write in writes if begin >= last]
    has_lost = any(write.owner and story.right(write.owner).throughout(last, at) != ON for write in late)
    return {write.shows for write in late} | ({None} if has_lost or not done else set())


def sessions(story):
    """A stored session is there again once anything was answered in it; one that was never made is not."""
    known, durable = collections.Counter(), set()
    for at, event in enumerate(story.history.events):
        if isinstance(event, h.Subscribed | h.Unsubscribed):
            durable.add(event.session)
        elif isinstance(event, h.Taken) and event.qos == 2:
            durable.add(event.message.publisher)
        elif isinstance(event, h.Connected):
            if event.is_present and not (event.is_stored and known[event.client] > 1):
                yield f"{event.client}: a session is present that was never made (position {at})"
            if event.is_stored and event.client in durable and not event.is_present:
                yield f"{event.client}: its session is gone (position {at})"
        elif isinstance(event, h.Connecting):
            known[event.client] += 1


def wills(story):
    """A delayed will comes once, when its client stayed away for the delay, and not when it was back in time."""
    seen = collections.Counter()
    connections, runs, watchers = collections.defaultdict(dict), [], set()
    for event in story.history.events:
        match event:
            case h.WillSeen():
                seen[event.session, event.client, event.number] += 1
                watchers.add(event.session)
            case h.Armed():
                connections[event.client][event.number] = {"armed": event.time_s}
            case h.Cut():
                connections[event.client][event.number]["cut"] = event.time_s
            case h.Connecting() if connections[event.client]:
                last = max(connections[event.client])
                connections[event.client][last].setdefault("back", event.time_s)
            case h.Started():
                runs.append([event.time_s, float("inf")])
            case (h.Killed() | h.Finished()) if runs:
                runs[-1][1] = event.time_s
    yield from (
        f"{session}: the will of {client}'s connection {number} came {count} times"
        for (session, client, number), count in seen.items() if count > 1
    )  # fmt: skip
    came = {(client, number) for _, client, number in seen}
    for client, ones in connections.items():
        for number, one in ones.items():
            after = ones.get(number + 1)
            yield from will_of(client, number, one, after, runs, (client, number) in came)


def kill_after(time_s, runs):
    """When the server was killed that answered at a time; its answer may have been read after that."""
    return next((end for begin, end in reversed(runs) if begin <= time_s), float("inf"))


def will_of(client, number, one, after, runs, came):
    killed = kill_after(one["armed"], runs)
    end = min(one.get("cut", float("inf")), killed)
    back = one.get("back", float("inf"))
    stretch = max((min(stop, back) - max(begin, end) for begin, stop in runs), default=0)
    is_settled = killed - one["armed"] >= SETTLED_S
    if is_settled and not came and stretch >= WILL_DELAY_S + SLACK_S:
        yield f"{client}: the will of connection {number} did not come in {stretch:.1f} s"
    if after is None or not came:
        return
    if after["armed"] < end + WILL_DELAY_S and kill_after(after["armed"], runs) - after["armed"] >= SETTLED_S:
        yield f"{client}: the will of connection {number} came, and the client was back after {after['armed'] - end:.2f} s"
