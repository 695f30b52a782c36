"""Calls of the API signed by hand (V3), sent many at once on connections that nobody reads yet."""

import hashlib
import hmac
import select
import socket
import time
import uuid
from urllib.parse import quote

NOTHING = hashlib.sha256(b"").hexdigest()


def request(host, key, action, version="2015-05-01", **parameters):
    """The bytes of one call."""
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": NOTHING,
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-version": version,
    }
    query = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in sorted(parameters.items()))
    lines = "".join(f"{name}:{text}\n" for name, text in headers.items())
    names = ";".join(headers)
    canonical = f"POST\n/\n{query}\n{lines}\n{names}\n{NOTHING}"
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac.new(key[1].encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"ACS3-HMAC-SHA256 Credential={key[0]},SignedHeaders={names},Signature={signature}"
    headers |= {"content-length": "0", "connection": "close"}
    head = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    return f"POST /?{query} HTTP/1.1\r\n{head}\r\n".encode()


class Flood:
    """Calls that are all under way."""

    def __init__(self, server, count, key, action, **parameters):
        host = f"127.0.0.1:{server.http_port}"
        self.sockets = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", server.http_port))
            connection.sendall(request(host, key, action, **parameters))
            self.sockets.append(connection)
        self.replies = {}

    def take(self, wait_s=0):
        """Reads what is answered by now; all replies so far."""
        waiting = [one for one in self.sockets if one not in self.replies]
        ready, _, _ = select.select(waiting, [], [], wait_s)
        for connection in ready:
            text = b""
            while part := connection.recv(65536):
                text += part
            self.replies[connection] = text.decode()
            connection.close()
        return list(self.replies.values())

    def finish(self):
        """All replies, when they are there."""
        while len(self.replies) < len(self.sockets):
            self.take(wait_s=60)
        return list(self.replies.values())
