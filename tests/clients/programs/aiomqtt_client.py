"""aiomqtt as a program of the client matrix; what it reads and writes is in tests/clients/matrix.py."""

import asyncio
import ssl
import sys
import urllib.parse

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

VERSIONS = {"3": aiomqtt.ProtocolVersion.V31, "4": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}


def say(*words):
    print(*words, flush=True)


def make(given):
    url, stored = urllib.parse.urlsplit(given["url"]), given["stored"] == "1"
    options = {}
    if given["version"] == "5":
        options = {"clean_start": not stored, "properties": Properties(PacketTypes.CONNECT)}
        options["properties"].SessionExpiryInterval = 300 if stored else 0
    else:
        options["clean_session"] = not stored
    if url.scheme in ("ws", "wss"):
        options |= {"transport": "websockets", "websocket_path": url.path}
    if url.scheme in ("mqtts", "wss"):
        options["tls_context"] = ssl.create_default_context(cafile=given["ca"])
    if given.get("will_topic"):
        options["will"] = aiomqtt.Will(given["will_topic"], given["will_payload"], 1)
    return aiomqtt.Client(
        url.hostname, url.port, identifier=given["id"], username=given["username"], password=given["password"],
        protocol=VERSIONS[given["version"]], keepalive=30, **options,
    )  # fmt: skip


async def listen(client):
    async for message in client.messages:
        pairs = getattr(message.properties, "UserProperty", [])
        payload = message.payload.decode()
        say("message", message.topic, payload, message.qos, int(message.retain), *[f"{k}={v}" for k, v in pairs])


async def commands():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode():
        yield line.split()


async def main():
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    async with make(given) as client:
        # aiomqtt does not say whether a session was present.
        say("connected", "-")
        listener = asyncio.create_task(listen(client))
        async for command in commands():
            match command:
                case ["subscribe", topic, qos]:
                    granted = await client.subscribe(topic, int(qos))
                    say("subscribed", getattr(granted[0], "value", granted[0]))
                case ["publish", topic, payload, qos, retain, *pairs]:
                    properties = None
                    if pairs:
                        properties = Properties(PacketTypes.PUBLISH)
                        properties.UserProperty = [tuple(pair.split("=")) for pair in pairs]
                    await client.publish(topic, payload, int(qos), retain == "1", properties)
                    say("published", 0)
                case ["disconnect"]:
                    break
        listener.cancel()
    say("disconnected", 0)


asyncio.run(main())
