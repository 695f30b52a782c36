"""paho-mqtt clients in Signature mode."""

import base64
import hashlib
import hmac
import threading

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from support.server import INSTANCE, until


def password(secret, client_id):
    return base64.b64encode(hmac.new(secret.encode(), client_id.encode(), hashlib.sha1).digest()).decode()


class Client:
    """A client whose connection, messages and end can be waited for."""

    def __init__(self, server, key, client_id, version=5, transport="tcp", instance=INSTANCE, path="/mqtt", connect=True, ca=None):
        key_id, secret, *token = key
        protocol = paho.MQTTv5 if version == 5 else paho.MQTTv311
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol, transport=transport,
            reconnect_on_failure=False,
        )  # fmt: skip
        self.paho.username_pw_set("|".join(["Signature", key_id, instance, *token]), password(secret, client_id))
        if transport == "websockets":
            self.paho.ws_set_options(path)
        if ca:
            self.paho.tls_set(ca_certs=str(ca))
        self.version = version
        listener = "http" if transport == "websockets" else "mqtt"
        self.port = server.ports[listener + "s" if ca else listener]
        self.lock = threading.Lock()
        self.messages = []
        self.acks = {}
        self.connack = None
        self.ended = None
        self.paho.on_connect = self._on_connect
        self.paho.on_message = self._on_message
        self.paho.on_subscribe = lambda _c, _u, mid, codes, _p: self.acks.update({mid: [code.value for code in codes]})
        self.paho.on_publish = lambda _c, _u, mid, code, _p: self.acks.update({mid: code.value})
        self.paho.on_disconnect = self._on_disconnect
        if connect:
            self.connect()
            assert self.connack == 0, self.connack

    def _on_connect(self, _client, _userdata, _flags, reason, properties):
        self.properties = properties
        self.connack = reason.value

    def _on_message(self, _client, _userdata, message):
        with self.lock:
            self.messages.append((message.topic, message.payload.decode(), message.qos))

    def _on_disconnect(self, _client, _userdata, _flags, reason, properties):
        self.end_properties = properties
        self.ended = reason.value

    def connect(self):
        """Connects; the CONNACK's code."""
        self.paho.connect("127.0.0.1", self.port, keepalive=30)
        self.paho.loop_start()
        until(lambda: self.connack is not None, "a CONNACK")
        return self.connack

    def subscribe(self, filter, qos=1):
        """Subscribes; the SUBACK's codes, or `None` when the connection was closed instead."""
        _, mid = self.paho.subscribe(filter, qos)
        return until(lambda: self.acks.get(mid) or (self.ended is not None and "closed"), "a SUBACK")

    def publish(self, topic, payload, qos=1):
        """Publishes at QoS 1; the PUBACK's code, or "closed"."""
        mid = self.paho.publish(topic, payload, qos).mid
        answer = until(lambda: (mid in self.acks) or (self.ended is not None and "closed"), "a PUBACK")
        return self.acks[mid] if answer is True else answer

    def receives(self, payload):
        return until(lambda: next((m for m in self.messages if m[1] == payload), None), f"the message {payload}")

    def is_closed(self):
        return until(lambda: self.ended is not None and ("closed", self.ended), "the end of the connection")[1]

    def stop(self):
        self.paho.disconnect()
        self.paho.loop_stop()


def connack(server, key, client_id, **options):
    """The code that a CONNECT is answered with."""
    client = Client(server, key, client_id, connect=False, **options)
    code = client.connect()
    client.stop()
    return code
