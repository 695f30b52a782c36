"""Signed calls to the API over asyncio, so that a kill in the middle of one is an answer that does not come. Signature V1."""

import asyncio
import base64
import datetime
import hashlib
import hmac
import json
import secrets
import urllib.parse

from support.server import ROOT_KEY, ROOT_SECRET

VERSIONS = {"ram": "2015-05-01", "onsmqtt": "2020-04-20"}
ANSWER_S = 30


class NoAnswer(Exception):
    """The server ended before it answered: the change was made or not."""


class Failed(Exception):
    """The server refused the call."""

    def __init__(self, operation, status, reply):
        super().__init__(f"{operation}: {status} {reply}")
        self.code = reply.get("Code", "")


def encode(text):
    return urllib.parse.quote(text, safe="-_.~")


def signed(product, operation, parameters):
    """The query of a call, signed by the account."""
    query = {
        "Action": operation, "Version": VERSIONS[product], "Format": "json", "AccessKeyId": ROOT_KEY,
        "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": secrets.token_hex(16),
        "Timestamp": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), **parameters,
    }  # fmt: skip
    canonical = "&".join(f"{encode(name)}={encode(query[name])}" for name in sorted(query))
    digest = hmac.new(f"{ROOT_SECRET}&".encode(), f"GET&%2F&{encode(canonical)}".encode(), hashlib.sha1).digest()
    return f"{canonical}&Signature={encode(base64.b64encode(digest).decode())}"


async def call(address, product, operation, **parameters):
    """One call; its reply. `NoAnswer` when the connection ends, `Failed` with the code of a refusal."""
    try:
        answer = await asyncio.wait_for(exchange(address, signed(product, operation, parameters)), ANSWER_S)
    except (OSError, TimeoutError) as error:
        raise NoAnswer(operation) from error
    head, found, body = answer.partition(b"\r\n\r\n")
    try:
        reply = json.loads(body)
    except ValueError as error:
        raise NoAnswer(operation) from error
    assert found
    status = int(head.split()[1])
    if status != 200:
        raise Failed(operation, status, reply)
    return reply


async def exchange(address, query):
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(f"GET /?{query} HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n\r\n".encode())
        return await reader.read()
    finally:
        writer.close()
