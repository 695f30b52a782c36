"""The checker is seen to fail: a good history, and what each rule says of the same one with a fault in it."""

import pytest

from crash import checker
from crash import history as h

TOPIC, PARENT = "t/a", "t/+"
SHARE = "$share/g/t/+"


def message(number, publisher="pub", topic=TOPIC):
    return h.Message(publisher, topic, number)


class Scene:
    """Writes a history: a publisher, and whoever is named."""

    def __init__(self):
        self.history = h.History(users={"pub": "pub", "sub": "sub", "other": "other", "mortal": "mortal"})

    def add(self, *events):
        self.history.events.extend(events)
        return self

    @property
    def now(self):
        return self.history.now

    def subscribed(self, session="sub", filter=PARENT, qos=2):
        return self.add(h.Subscribing(session, filter, qos), h.Subscribed(session, filter))

    def sent(self, *numbers, qos=2, topic=TOPIC):
        for number in numbers:
            self.add(h.Sending(message(number, topic=topic), qos), h.Taken(message(number, topic=topic), qos, self.now))
        return self

    def came(self, *numbers, session="sub", qos=2, since=0, topic=TOPIC):
        return self.add(*(h.Delivered(session, message(number, topic=topic), qos, since) for number in numbers))

    def revoked(self, user="pub"):
        return self.add(h.Revoking(user), h.Revoked(user))

    def granted(self, user="pub"):
        return self.add(h.Granting(user), h.Granted(user))

    def faults(self):
        return [rule for rule, _ in checker.check(self.history)]


def test_a_run_that_keeps_its_promises_has_no_faults():
    scene = Scene().add(h.Started(0), h.Connecting("sub", 0), h.Connected("sub", False, True)).subscribed()
    scene.sent(0, 1).came(0).add(h.Killed(1), h.Closed("sub", 0), h.Started(2))
    scene.add(h.Connecting("sub", 2), h.Connected("sub", True, True))
    assert scene.came(1, since=scene.now).sent(2).came(2, since=scene.now).faults() == []


def test_what_was_acknowledged_and_never_came_is_lost():
    assert Scene().subscribed().sent(0, 1).came(1).faults() == ["lost"]


def test_what_was_not_acknowledged_may_be_lost():
    assert Scene().subscribed().add(h.Sending(message(0), 1)).faults() == []


def test_what_was_sent_while_a_subscription_was_under_way_may_be_lost():
    scene = Scene().add(h.Subscribing("sub", PARENT, 1)).sent(0)
    assert scene.add(h.Subscribed("sub", PARENT)).faults() == []


def test_each_session_is_owed_its_own_copy():
    assert Scene().subscribed().subscribed("other").sent(0).came(0).faults() == ["lost"]


def test_what_came_to_no_member_of_a_shared_subscription_is_lost():
    scene = Scene().subscribed(filter=SHARE).subscribed("other", SHARE).sent(0, 1).came(0)
    assert scene.faults() == ["lost"]
    assert scene.came(1, session="other").faults() == []


@pytest.mark.parametrize("filters", [(PARENT, PARENT), (SHARE, SHARE)], ids=["plain", "shared"])
def test_qos_2_comes_once(filters):
    scene = Scene()
    for session, filter in zip(("sub", "other"), filters, strict=True):
        scene.subscribed(session, filter)
    scene.sent(0).came(0)
    if filters[0] == SHARE:
        assert scene.came(0, session="other").faults() == ["repeated"]
    else:
        assert scene.came(0, session="other").faults() == []
        assert scene.came(0).faults() == ["repeated"]


def test_qos_1_may_come_again():
    assert Scene().subscribed().sent(0, qos=1).came(0, 0, qos=1).faults() == []


def test_order_is_that_of_the_first_deliveries():
    assert Scene().subscribed().sent(0, 1, 2, qos=1).came(0, 1, 0, 1, 2, qos=1).faults() == []
    assert Scene().subscribed().sent(0, 1, 2, qos=1).came(0, 2, 1, qos=1).faults() == ["disordered"]
    assert Scene().subscribed().sent(0, 1).came(1, 0).faults() == ["disordered"]


def test_order_is_promised_where_the_subscription_stood():
    scene = Scene().add(h.Sending(message(0), 1)).subscribed().sent(1, qos=1)
    assert scene.came(1, 0, qos=1).faults() == []
    scene = Scene().subscribed().add(h.Sending(message(0), 1)).sent(1, qos=1).came(1, qos=1)
    assert scene.add(h.Delivered("sub", message(0), 1, 0)).faults() == ["disordered"]
    assert scene.revoked().granted().faults() == ["disordered"], "it came before"


def test_order_is_that_of_the_publisher_over_topics_and_qos():
    scene = Scene().subscribed().sent(0, 1, qos=1).sent(0, topic="t/b")
    assert scene.came(0, 1, qos=1).came(0, topic="t/b").faults() == []
    assert Scene().subscribed().sent(0, qos=2).sent(1, qos=1).came(1, qos=1).came(0).faults() == ["disordered"]
    assert Scene().subscribed().sent(5).sent(0, topic="t/b").came(0, topic="t/b").came(5).faults() == ["disordered"]


def test_members_of_a_shared_subscription_have_no_order():
    assert Scene().subscribed(filter=SHARE).sent(0, 1).came(1, 0).faults() == []


def test_what_nobody_sent_is_invented():
    assert "invented" in Scene().subscribed().came(0).faults()


def test_a_payload_that_was_damaged_is_nobodys():
    assert h.Message.read(message(3).payload(200)) == message(3)
    for payload in (b"", b"pub t/a 3", b"pub t/a 3 ..x.", b"pub t/a x "):
        with pytest.raises(ValueError):
            h.Message.read(payload)


def test_nothing_comes_by_a_subscription_that_was_taken_back():
    scene = Scene().subscribed().add(h.Unsubscribing("sub", PARENT)).sent(0)
    assert scene.add(h.Unsubscribed("sub", PARENT)).came(0).faults() == []
    assert scene.sent(1).came(1).faults() == ["unwanted"]
    assert scene.subscribed().sent(2).came(2).faults() == ["unwanted"]


def test_a_session_that_ended_has_no_subscriptions():
    assert Scene().subscribed().add(h.Ended("sub")).sent(0).faults() == []
    assert Scene().subscribed().add(h.Ended("sub")).sent(0).came(0).faults() == ["unwanted"]


def test_nothing_comes_of_a_publisher_who_lost_the_right():
    scene = Scene().subscribed().sent(0).revoked()
    assert scene.faults() == [], "it is not owed any more"
    before = scene.now - 2
    assert scene.came(0, since=before).faults() == [], "it may have been under way"
    assert scene.came(0, since=scene.now, qos=1).faults() == ["restored"]


def test_a_right_that_a_kill_restores_is_seen():
    scene = Scene().subscribed().sent(0).revoked().add(h.Killed(1), h.Started(2))
    assert scene.came(0, since=scene.now).faults() == ["restored"]


def test_after_the_right_is_back_messages_may_come():
    scene = Scene().subscribed().sent(0).revoked().granted()
    assert scene.came(0, since=scene.now).faults() == []


def test_nothing_comes_to_a_receiver_who_lost_the_right():
    scene = Scene().subscribed().sent(0).revoked("sub")
    assert scene.faults() == []
    assert scene.came(0, since=scene.now).faults() == ["restored"]


def test_nothing_is_taken_from_a_publisher_without_the_right():
    scene = Scene().revoked().add(h.Sending(message(0), 1))
    assert scene.add(h.Taken(message(0), 1, scene.now)).faults() == ["accepted"]


def test_a_register_has_what_was_written_last():
    scene = Scene().add(h.Writing("r", 0, "old"), h.Written("r", 0), h.Writing("r", 1, "new"))
    for value, faults in (("old", []), ("new", []), ("older", ["registers"]), (None, ["registers"])):
        read = scene.history.events[:]
        scene.add(h.Read("r", value, scene.now))
        assert scene.faults() == faults
        scene.history.events = read
    scene.add(h.Written("r", 1))
    assert scene.add(h.Read("r", "old", scene.now)).faults() == ["registers"]


def test_a_register_read_while_it_is_written_has_either():
    scene = Scene().add(h.Writing("r", 0, "old"), h.Written("r", 0), h.Writing("r", 1, "new"))
    since = scene.now
    assert scene.add(h.Written("r", 1), h.Read("r", "old", since)).faults() == []


def test_a_retained_message_goes_with_its_publishers_right():
    scene = Scene().add(h.Writing(TOPIC, 0, 0, "pub"), h.Written(TOPIC, 0))
    read = scene.history.events[:]
    assert scene.add(h.Read(TOPIC, None, scene.now)).faults() == ["registers"]
    scene.history.events = read
    assert scene.revoked().granted().add(h.Read(TOPIC, None, scene.now)).faults() == []


def test_a_stored_session_is_there_again():
    scene = Scene().add(h.Connecting("sub", 0), h.Connected("sub", False, True)).subscribed()
    assert scene.add(h.Connecting("sub", 1), h.Connected("sub", False, True)).faults() == ["sessions"]


def test_a_session_in_which_nothing_was_answered_may_be_gone():
    scene = Scene().add(h.Connecting("sub", 0), h.Connected("sub", False, True))
    assert scene.add(h.Connecting("sub", 1), h.Connected("sub", False, True)).faults() == []


def test_a_session_that_was_never_made_is_not_there():
    assert Scene().add(h.Connecting("sub", 0), h.Connected("sub", True, True)).faults() == ["sessions"]


def test_a_client_that_may_stay_is_not_thrown_out():
    assert Scene().add(h.Connected("sub", False, True), h.Closed("sub", 0, 0x82)).faults() == ["closed"]
    assert Scene().revoked("sub").add(h.Closed("sub", 0)).faults() == []


def test_what_a_client_saw_is_told():
    assert Scene().add(h.Broken("sub", "identifier 0")).faults() == ["broken"]


def mortal(*events):
    return Scene().add(h.Started(0), h.Connecting("mortal", 0), h.Armed("mortal", 0, 0), *events, h.Finished(30)).faults()


SEEN, BACK = h.WillSeen("sub", "mortal", 0), (h.Connecting("mortal", 5.5), h.Armed("mortal", 1, 5.6))


def test_a_delayed_will_comes_once():
    assert mortal(h.Cut("mortal", 0, 5), SEEN) == []
    assert mortal(h.Cut("mortal", 0, 5)) == ["wills"]
    assert mortal(h.Cut("mortal", 0, 5), SEEN, SEEN) == ["wills"]


def test_a_delayed_will_comes_after_a_kill_too():
    assert mortal(h.Cut("mortal", 0, 5), h.Killed(5.1), h.Started(6)) == ["wills"]
    assert mortal(h.Killed(5), h.Started(6)) == ["wills"]
    assert mortal(h.Killed(5), h.Started(6), SEEN) == []


def test_a_delayed_will_does_not_come_when_its_client_is_back_in_time():
    assert mortal(h.Cut("mortal", 0, 5), *BACK, SEEN, h.Cut("mortal", 1, 29)) == ["wills"]
    assert mortal(h.Cut("mortal", 0, 5), *BACK, h.Cut("mortal", 1, 29)) == []


def test_a_will_of_a_connection_that_a_kill_came_upon_at_once_may_be_gone():
    assert mortal(h.Killed(0.1), h.Started(1)) == []
