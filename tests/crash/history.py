"""What a run writes down, in the order in which it happened: one event a line, as seen from the clients.

A position is an index into the list of events. What the server does lies between two of them: a message is routed after its [`Sending`] and
before its [`Taken`], a right is lost between [`Revoking`] and [`Revoked`]. The checker says only what follows from that.
"""

import dataclasses

# Between the fields of a payload; no topic and no name has it.
GAP = " "


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One message: the `number`-th of its publisher on a topic, counted from 0."""

    publisher: str
    topic: str
    number: int

    def payload(self, size_bytes=0):
        """Its payload: publisher, topic and number, filled up to a size."""
        head = GAP.join((self.publisher, self.topic, str(self.number))) + GAP
        return (head + "." * max(size_bytes - len(head), 0)).encode()

    @classmethod
    def read(cls, payload):
        """The message of a payload; `ValueError` when it is nobody's."""
        publisher, topic, number, filling = payload.decode().split(GAP)
        if filling.strip("."):
            raise ValueError(f"a damaged payload: {payload!r}")
        return cls(publisher, topic, int(number))

    def __str__(self):
        return f"{self.publisher}'s {self.topic}/{self.number}"


def event(cls):
    return dataclasses.dataclass(frozen=True, slots=True)(cls)


@event
class Sending:
    """A PUBLISH is about to be written for the first time. `is_empty` clears the retained message of the topic."""

    message: Message
    qos: int
    retain: bool = False
    is_empty: bool = False


@event
class Taken:
    """PUBACK or PUBREC came, without an error. `since` is where it was sent on this connection."""

    message: Message
    qos: int
    since: int = 0


@event
class Releasing:
    """PUBREC came, and PUBREL is about to be written."""

    message: Message


@event
class Delivered:
    """A client took a message for the first time under its identifier. The server wrote it after position `since`."""

    session: str
    message: Message
    qos: int
    since: int
    retain: bool = False


@event
class Connected:
    """CONNACK. `is_stored`: the client asked for its session of before, and has not discarded it."""

    client: str
    is_present: bool
    is_stored: bool


@event
class Closed:
    """The server ended a connection that began at position `since`; `code` of its DISCONNECT, if it sent one."""

    client: str
    since: int
    code: int | None = None


@event
class Subscribing:
    session: str
    filter: str
    qos: int


@event
class Subscribed:
    session: str
    filter: str


@event
class Unsubscribing:
    session: str
    filter: str


@event
class Unsubscribed:
    session: str
    filter: str


@event
class Ended:
    """A session that is not stored ended with its connection."""

    session: str


@event
class Revoking:
    """A user is about to lose the right to all its topics."""

    user: str


@event
class Revoked:
    """The loss was answered."""

    user: str


@event
class Granting:
    user: str


@event
class Granted:
    user: str


@event
class Writing:
    """A management write, or a retained message, is under way: `register` is to have `value`, and then reads as `shows`.

    A retained message goes with the right of its `owner`, which is its publisher.
    """

    register: str
    value: object
    shows: object
    owner: str | None = None


@event
class Written:
    """It was answered."""

    register: str
    value: object


@event
class Read:
    """A register was read, by a question that was asked after position `since`."""

    register: str
    value: object
    since: int


@event
class Armed:
    """CONNACK of a connection with a delayed will; connections of a client are counted from 0."""

    client: str
    number: int
    time_s: float


@event
class Cut:
    """The connection was cut by the client."""

    client: str
    number: int
    time_s: float


@event
class Connecting:
    """CONNECT is about to be written."""

    client: str
    time_s: float


@event
class WillSeen:
    """The will of a connection came to a session, at QoS 2."""

    session: str
    client: str
    number: int


@event
class Killed:
    time_s: float


@event
class Started:
    time_s: float


@event
class Finished:
    """The run is over, and the server still there."""

    time_s: float


@event
class Broken:
    """A client saw what the protocol forbids."""

    client: str
    what: str


@dataclasses.dataclass
class History:
    """The events, and whose right each client acts by."""

    users: dict = dataclasses.field(default_factory=dict)
    events: list = dataclasses.field(default_factory=list)

    @property
    def now(self):
        """The position of the latest event: what is asked from here on is asked after it."""
        return len(self.events) - 1

    def user(self, session):
        """The user of a client or session; sessions that are not stored are named `client#number`."""
        return self.users.get(session.split("#")[0])
