"""Raw clients in Signature mode, and what the tests of permissions do with them."""

import datetime

from alibabacloud_onsmqtt20200420 import models as mq
from alibabacloud_ram20150501 import models as m

from support import packets, sdk
from support.mqtt import password
from support.packets import Kind
from support.raw import Raw, fresh
from support.server import INSTANCE, document, until

# How a CONNECT is refused, by version: unknown or wrong credentials, and a missing right.
BAD_CREDENTIALS = {4: 4, 5: 0x86}
NOT_AUTHORIZED = {4: 5, 5: 0x87}
# The code of the DISCONNECT after a denied packet; MQTT 3.1.1 has none.
DENIED = {4: None, 5: 0x87}


def login(key, client_id, instance=INSTANCE):
    """Username and password of Signature mode; a key of a role's session has its token as a third part."""
    key_id, secret, *token = key
    return {"username": "|".join(["Signature", key_id, instance, *token]), "password": password(secret, client_id)}


def attempt(server, key, client_id, version=5, stored=False, will=None, props=None, instance=INSTANCE):
    """A client after its CONNACK, accepted or not. A stored session has no end while the test runs."""
    client = Raw(("127.0.0.1", server.mqtt_port), version)
    props = dict(props or {}) | ({"session_expiry": 3600} if stored and version == 5 else {})
    client.connect(client_id, clean=not stored, will=will, props=props, **login(key, client_id, instance))
    return client


def connected(server, key, client_id, **options):
    """A connected client."""
    client = attempt(server, key, client_id, **options)
    assert client.connack.code == 0, client.connack
    return client


def refusal(server, key, client_id, **options):
    """The code of a CONNACK; the connection is closed after a refusal."""
    client = attempt(server, key, client_id, **options)
    if client.connack.code:
        assert client.ended() is None
    return client.connack.code


def subscribed(server, key, client_id, *filters, qos=1, **options):
    """A connected client whose subscriptions were granted at this QoS."""
    client = connected(server, key, client_id, **options)
    assert client.subscribe(*filters, qos=qos).codes == [qos] * len(filters)
    return client


def say(server, topic, payload, instance=INSTANCE):
    """SendMessage by the account itself."""
    request = mq.SendMessageRequest(instance_id=instance, mqtt_topic=topic, payload=payload)
    sdk.onsmqtt(server).send_message(request)


def heard(server, client, topic, instance=INSTANCE):
    """The payloads that a client gets until one that is sent now, to a topic that it subscribes to.

    What was routed before this call is ahead of it: a client's messages leave in the order in which they were routed.
    """
    end = fresh("end")
    say(server, topic, end, instance)
    got = []
    while (payload := client.message().payload.decode()) != end:
        got.append(payload)
    return got


def is_offline(server, client_id):
    """Waits until the server has seen the end of a client's connection."""
    request = mq.QuerySessionByClientIdRequest(instance_id=INSTANCE, client_id=client_id)
    query = lambda: sdk.onsmqtt(server).query_session_by_client_id(request).body.online_status
    until(lambda: not query(), f"the end of {client_id}")


def is_refused_in_the_log(server, action, path):
    """Waits for the log's line about a refusal: proof that the question was asked, and not that nothing happened."""
    resource = f"topic/{INSTANCE}/{path}"
    until(lambda: any(action in line and resource in line for line in server.log().splitlines()), f"{action} on {path} in the log")


# How a user has a right that it is about to lose: itself; by a group from which the policy goes; by a group that it leaves.
WAYS_TO_HOLD = ("itself", "group-policy", "group-member")


def lend(server, user, policy, *statements):
    """Gives a user a right by a policy of its own that [`revoke`] takes back, in the way that `server.held` says."""
    if server.held == "itself":
        server.grant(user, policy, *statements)
        return
    server.api("ram", "CreatePolicy", PolicyName=policy, PolicyDocument=document(*statements))
    server.api("ram", "CreateGroup", GroupName=policy)
    server.api("ram", "AttachPolicyToGroup", PolicyType="Custom", PolicyName=policy, GroupName=policy)
    server.api("ram", "AddUserToGroup", UserName=user, GroupName=policy)
    server.lent.add(policy)


def revoke(server, user, policy):
    """Takes a policy from a user. It has taken effect when this returns."""
    _change(server, user, policy, "detach_policy_from_user", "detach_policy_from_group", "remove_user_from_group")


def give_back(server, user, policy):
    """Undoes [`revoke`]."""
    _change(server, user, policy, "attach_policy_to_user", "attach_policy_to_group", "add_user_to_group")


def _change(server, user, policy, of_user, of_group, of_member):
    call = of_user
    if policy in server.lent:
        call = {"group-policy": of_group, "group-member": of_member}[server.held]
    request = getattr(m, "".join(word.capitalize() for word in call.split("_")) + "Request")
    fields = {"policy_type": "Custom", "policy_name": policy, "user_name": user, "group_name": policy}
    known = request().__dict__
    getattr(sdk.ram(server), call)(request(**{name: value for name, value in fields.items() if name in known}))


def switch_off(server, user, key):
    """Makes a key inactive."""
    request = m.UpdateAccessKeyRequest(user_name=user, user_access_key_id=key[0], status="Inactive")
    sdk.ram(server).update_access_key(request)


def another_key(server, user):
    made = sdk.ram(server).create_access_key(m.CreateAccessKeyRequest(user_name=user)).body.access_key
    return made.access_key_id, made.access_key_secret


def until_in(seconds):
    """A condition that holds for so many seconds more, and its end."""
    end = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=seconds)
    return {"DateLessThan": {"acs:CurrentTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}}, end


def has_passed(instant):
    until(lambda: datetime.datetime.now(datetime.timezone.utc) > instant, f"the instant {instant}")


def publish_and_be_closed(client, topic, payload, qos=1, **options):
    """A PUBLISH that the server answers by closing, with the code of a missing right."""
    packet_id = options.pop("packet_id", next(client.identifiers)) if qos else None
    client.send(packets.publish(client.version, topic, payload, qos, packet_id, **options))
    assert client.ended() == DENIED[client.version]


def subscribe_and_be_closed(client, filter, qos=1):
    client.send(packets.subscribe(client.version, next(client.identifiers), [(filter, qos)]))
    assert client.ended() == DENIED[client.version]


def publish_unreleased(client, topic, payload, packet_id, dup=False):
    """A PUBLISH at QoS 2 up to its PUBREC; its PUBREL is for later."""
    client.send(packets.publish(client.version, topic, payload, 2, packet_id, dup=dup))
    answer = client.expect(Kind.PUBREC)
    assert answer.packet_id == packet_id
    return answer
