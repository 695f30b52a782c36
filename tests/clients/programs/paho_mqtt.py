"""paho-mqtt as a program of the client matrix; what it reads and writes is in tests/clients/matrix.py."""

import ssl
import sys
import urllib.parse

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PROTOCOLS = {"3": paho.MQTTv31, "4": paho.MQTTv311, "5": paho.MQTTv5}


def say(*words):
    print(*words, flush=True)


def make(given, url):
    is_web, is_v5 = url.scheme in ("ws", "wss"), given["version"] == "5"
    session = {} if is_v5 else {"clean_session": given["stored"] == "0"}
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=given["id"], protocol=PROTOCOLS[given["version"]],
        transport="websockets" if is_web else "tcp", reconnect_on_failure=False, **session,
    )  # fmt: skip
    client.username_pw_set(given["username"], given["password"])
    if is_web:
        client.ws_set_options(url.path)
    if url.scheme in ("mqtts", "wss"):
        client.tls_set_context(ssl.create_default_context(cafile=given["ca"]))
    if given.get("will_topic"):
        client.will_set(given["will_topic"], given["will_payload"], 1)
    client.on_connect = on_connect
    client.on_message = on_message
    client.on_subscribe = lambda _c, _u, _mid, codes, _p: say("subscribed", codes[0].value)
    client.on_publish = lambda _c, _u, _mid, code, _p: say("published", code.value)
    client.on_disconnect = lambda _c, _u, _flags, code, _p: say("disconnected", code.value)
    return client


def on_connect(_client, _userdata, flags, code, _properties):
    say(*(("refused", code.value) if code.is_failure else ("connected", int(flags.session_present))))


def on_message(_client, _userdata, message):
    pairs = getattr(message.properties, "UserProperty", [])
    say("message", message.topic, message.payload.decode(), message.qos, int(message.retain), *[f"{k}={v}" for k, v in pairs])


def main():
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    url = urllib.parse.urlsplit(given["url"])
    client, options = make(given, url), {}
    if given["version"] == "5":
        options = {"clean_start": given["stored"] == "0", "properties": Properties(PacketTypes.CONNECT)}
        options["properties"].SessionExpiryInterval = 300 if given["stored"] == "1" else 0
    client.connect(url.hostname, url.port, 30, **options)
    client.loop_start()
    for line in sys.stdin:
        match line.split():
            case ["subscribe", topic, qos]:
                client.subscribe(topic, int(qos))
            case ["publish", topic, payload, qos, retain, *pairs]:
                properties = None
                if pairs:
                    properties = Properties(PacketTypes.PUBLISH)
                    properties.UserProperty = [tuple(pair.split("=")) for pair in pairs]
                client.publish(topic, payload, int(qos), retain == "1", properties)
            case ["disconnect"]:
                client.disconnect()
                client.loop_stop()
                return


main()
