"""The listeners besides plain MQTT and HTTP: TLS, a new certificate, PROXY protocol, limits, the open listener's address."""

import http.client
import json
import os
import signal
import socket
import ssl
import struct
import subprocess

import pytest

from support import sdk
from support.certificates import Authority
from support.mqtt import Client, connack, password
from support.server import INSTANCE, SLUICE, Server, access, allow, arn, environment, group, topic, until

# The tests' proxy: the one address that the server trusts. Clients come from 127.0.0.1.
PROXY = "127.0.0.2"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "localhost", f"{INSTANCE}.localhost")


@pytest.fixture(scope="module")
def server(authority, tmp_path_factory):
    """A server with every listener; the open listener's user does not exist."""
    running = Server(
        tmp_path_factory.mktemp("data") / "data", "--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0", "--open-mqtt", "127.0.0.1:0",
        "--open-instance", INSTANCE, "--open-user", "nobody", "--tls-cert", str(authority.cert), "--tls-key", str(authority.key),
        "--trusted-proxy", PROXY,
    )  # fmt: skip
    running.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="home")
    running.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_one")
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture(scope="module")
def key(server):
    return server.new_user("member", access(), topic("home"), group("GID_one"))


def https(server, authority):
    context = ssl.create_default_context(cafile=authority.ca)
    return http.client.HTTPSConnection("127.0.0.1", server.ports["https"], timeout=20, context=context)


def serial(server, listener):
    """The serial number of the certificate that a handshake gets now."""
    from cryptography import x509

    text = ssl.get_server_certificate(("127.0.0.1", server.ports[listener]))
    return x509.load_pem_x509_certificate(text.encode()).serial_number


def serves(server, wanted):
    """Whether both listeners with TLS show this certificate."""
    return all(serial(server, listener) == wanted for listener in ("mqtts", "https"))


def test_the_ready_line_names_every_listener_in_its_order(server):
    names = [pair.split("=")[0] for pair in server.stdout[-1].split()[2:]]
    assert names == ["mqtt", "mqtts", "open-mqtt", "http", "https"]
    assert 0 not in server.ports.values()


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_paho_publishes_and_receives_over_tls(server, authority, key, transport, version):
    client = Client(server, key, f"GID_one@@@{transport}{version}", transport=transport, version=version, ca=authority.ca)
    client.subscribe(f"home/{transport}{version}")
    payload = "x" * 100_000
    assert client.publish(f"home/{transport}{version}", payload) == 0
    client.receives(payload)
    client.stop()


def test_a_policy_may_demand_tls(server, authority):
    demands = access() | {"Condition": {"Bool": {"acs:SecureTransport": "true"}}}
    careful = server.new_user("careful", demands, topic("home"), group("GID_one"))
    assert connack(server, careful, "GID_one@@@careful") == 0x87
    assert connack(server, careful, "GID_one@@@careful", transport="websockets") == 0x87
    assert connack(server, careful, "GID_one@@@careful", ca=authority.ca) == 0
    assert connack(server, careful, "GID_one@@@careful", transport="websockets", ca=authority.ca) == 0


def test_the_sdk_calls_over_https(server, authority):
    config = sdk.config(server)
    config.protocol, config.endpoint, config.ca = "https", f"127.0.0.1:{server.ports['https']}", str(authority.ca)
    assert sdk.Sts(config).get_caller_identity().body.identity_type == "Account"


@pytest.mark.parametrize("length", [100_000, 2_000_000])
def test_an_address_that_is_too_long_is_refused_in_words_over_https(server, authority, length):
    connection = https(server, authority)
    connection.request("POST", "/?A=" + "a" * length)
    reply = connection.getresponse()
    assert reply.status in (414, 431) and json.loads(reply.read())["Code"] == "RequestHeadTooLarge"


def test_a_console_cookie_is_secure_on_https_alone(server, authority):
    plain = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    for connection, is_secure in ((https(server, authority), True), (plain, False)):
        connection.request("GET", "/console/")
        cookie = connection.getresponse().getheader("set-cookie")
        assert "HttpOnly" in cookie and ("; Secure" in cookie) == is_secure


def test_a_new_certificate_is_taken_on_sighup_and_on_change_and_a_damaged_one_is_not(server, authority, key):
    client = Client(server, key, "GID_one@@@lives-on", ca=authority.ca)
    renewed = authority.renew()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: serves(server, renewed), "the new certificate after SIGHUP")
    renewed = authority.renew()
    until(lambda: serves(server, renewed), "the new certificate after a change of the files")
    good = authority.key.read_bytes()
    authority.key.write_text("no key")
    until(lambda: "key.pem" in server.log(), "the log of the damaged key")
    assert serves(server, renewed)
    authority.key.write_bytes(good)
    assert client.publish("home/lives-on", "x") == 0
    client.stop()


def proxied(server, listener, header, source=PROXY):
    connection = socket.create_connection(("127.0.0.1", server.ports[listener]), timeout=20, source_address=(source, 0))
    connection.sendall(header)
    return connection


def v2(source):
    """A PROXY header for TCP over IPv4, with a TLV behind the addresses."""
    addresses = socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 12345, 1883) + b"\x04\x00\x01x"
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(addresses)) + addresses


def connect_packet(key, client_id):
    """A CONNECT of MQTT 3.1.1 in Signature mode."""
    def text(value):
        return struct.pack(">H", len(value)) + value.encode()

    body = text("MQTT") + b"\x04\xc2\x00\x1e" + text(client_id) + text(f"Signature|{key[0]}|{INSTANCE}")
    body += text(password(key[1], client_id))
    assert len(body) < 128, "one byte tells the length"
    return b"\x10" + bytes([len(body)]) + body


def test_28_the_source_address_of_a_condition_is_what_a_trusted_proxy_says_and_nobody_else(server, authority):
    near = access() | {"Condition": {"IpAddress": {"acs:SourceIp": ["203.0.113.0/24"]}}}
    key = server.new_user("near", near, topic("home"), group("GID_one"))
    connect = connect_packet(key, "GID_one@@@near")
    context = ssl.create_default_context(cafile=authority.ca)
    for source, code in (("203.0.113.7", 0), ("198.51.100.7", 5)):
        plain = proxied(server, "mqtt", v2(source))
        encrypted = context.wrap_socket(proxied(server, "mqtts", v2(source)), server_hostname=f"{INSTANCE}.localhost")
        for connection in (plain, encrypted):
            connection.sendall(connect)
            assert connection.recv(4) == bytes([0x20, 2, 0, code])
            connection.close()
    # Without a header the proxy is closed; with one, anybody else is.
    for header, source in ((connect, PROXY), (v2("203.0.113.7") + connect, "127.0.0.1")):
        assert ended(proxied(server, "mqtt", header, source))
    # The same for the API: the address is the proxy's word.
    far = {"Condition": {"IpAddress": {"acs:SourceIp": ["203.0.113.0/24"]}}}
    user = server.new_user("caller")
    server.grant("caller", "caller", allow("mq:*", arn("*")) | far, {"Effect": "Allow", "Action": "ram:*", "Resource": "*"} | far)
    assert "NoPermission" in server.api("ram", "ListUsers", key=user, check=False)[0]


def ended(connection):
    """Whether a connection ends without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_http_takes_the_proxys_word_too(server):
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert proxied(server, "http", v2("203.0.113.7") + request).recv(12) == b"HTTP/1.1 200"
    assert ended(proxied(server, "http", request))
    # From anybody else a header is no HTTP.
    assert not proxied(server, "http", v2("203.0.113.7") + request, "127.0.0.1").recv(12).endswith(b"200")


def test_refused_connections_are_counted_by_reason(server):
    assert ended(proxied(server, "mqtt", b"x"))
    plain = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    plain.request("GET", "/metrics")
    assert 'sluice_connections_refused_total{reason="proxy_header"}' in plain.getresponse().read().decode()


def refused(*flags, **variables):
    """A start that fails: exit code and text."""
    done = subprocess.run([SLUICE, "serve", *flags], env=environment() | variables, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stderr


def test_half_a_configuration_is_refused_by_the_missing_key(tmp_path):
    data = ("--data-dir", str(tmp_path / "data"))
    for flags, missing in (
        (("--mqtts", "127.0.0.1:0"), "tls-cert"),
        (("--https", "127.0.0.1:0", "--tls-cert", "x"), "tls-key"),
        (("--open-mqtt", "127.0.0.1:0", "--open-user", "u"), "open-instance"),
        (("--open-mqtt", "127.0.0.1:0", "--open-instance", INSTANCE), "open-user"),
        (("--open-instance", INSTANCE, "--open-user", "u"), "open-mqtt"),
        (("--trusted-proxy", "nowhere"), "trusted-proxy"),
    ):
        code, text = refused(*data, *flags)
        assert code == 2 and missing in text, text
    code, text = refused(*data, SLUICE_HTTPS="127.0.0.1:0")
    assert code == 2 and "tls-cert" in text
    assert not os.path.exists(tmp_path / "data")


def test_a_damaged_certificate_is_a_sentence_at_start(authority, tmp_path):
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("nothing")
    for cert, key in ((damaged, authority.key), (authority.cert, damaged), (authority.cert, tmp_path / "absent")):
        code, text = refused(
            "--data-dir", str(tmp_path / "data"), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--mqtts", "127.0.0.1:0",
            "--tls-cert", str(cert), "--tls-key", str(key),
        )  # fmt: skip
        last = text.strip().splitlines()[-1]
        assert code == 1 and last.startswith("sluice: ") and ("damaged.pem" in last or "absent" in last), text
