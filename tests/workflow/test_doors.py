"""The HTTP doors besides the API: health, metrics, the way to the console, and forms without their token."""

import http.client
import re
import urllib.parse

from support.mqtt import Client
from support.server import ACCOUNT, ALIAS, INSTANCE, ROOT_KEY, ROOT_PASSWORD, access, group, topic


def get(server, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    connection.request(method, path, body=body, headers=headers)
    reply = connection.getresponse()
    return reply, reply.read().decode()


def test_health_and_readiness_are_told(server):
    assert get(server, "/healthz")[0].status == 200
    assert get(server, "/readyz")[0].status == 200


def test_metrics_count_and_name_no_tenant(server):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="counted")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_counted")
    key = server.new_user("counted", access(), topic("counted"), group("GID_counted"))
    client = Client(server, key, "GID_counted@@@1")
    assert client.publish("counted/a", "x") == 0
    _, text = get(server, "/metrics")
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert float(values["sluice_messages_accepted_total"]) == 1 and float(values["sluice_connections"]) == 1
    for name in (ACCOUNT, ALIAS, INSTANCE, ROOT_KEY, "counted/a", "GID_counted"):
        assert name not in text
    client.stop()


def test_a_browser_is_sent_to_the_console(server):
    reply, _ = get(server, "/", accept="text/html,application/xhtml+xml")
    assert reply.status == 303 and reply.getheader("location") == "/console/"


def test_every_page_has_a_strict_policy_and_is_not_kept(server):
    for path in ("/console/", "/console/nowhere", "/console/mqtt"):
        reply, text = get(server, path)
        policy = reply.getheader("content-security-policy")
        assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
        assert reply.getheader("cache-control") == "no-store" and text
        # No script of the page's own: each is a file.
        assert all(re.match(r'( defer)? src="/console/assets/', script) for script in text.split("<script")[1:])


def test_a_form_without_its_token_or_too_large_is_refused(server):
    form = {"logon_name": ALIAS, "password": ROOT_PASSWORD, "csrf": ""}
    kind = {"content-type": "application/x-www-form-urlencoded"}
    reply, text = get(server, "/console/", "POST", urllib.parse.urlencode(form), **kind)
    assert reply.status == 403 and "Not accepted" in text
    other = urllib.parse.urlencode(form | {"csrf": "1" * 64})
    reply, _ = get(server, "/console/", "POST", other, cookie="sluice-form=" + "2" * 64, **kind)
    assert reply.status == 403
    reply, text = get(server, "/console/", "POST", "logon_name=" + "x" * 20_000, **kind)
    assert reply.status == 400 and "could not be read" in text
    reply, _ = get(server, "/console/", "POST", b"logon_name=%ff&password=x&csrf=y", **kind)
    assert reply.status in (400, 403)


def test_a_cross_site_sign_out_does_nothing(server):
    reply, _ = get(server, "/console/")
    cookie = reply.getheader("set-cookie").split(";")[0]
    form = {"logon_name": ALIAS, "password": ROOT_PASSWORD, "csrf": cookie.split("=")[1]}
    kind = {"content-type": "application/x-www-form-urlencoded"}
    reply, _ = get(server, "/console/", "POST", urllib.parse.urlencode(form), cookie=cookie, **kind)
    assert reply.status == 303
    cookies = [value for name, value in reply.getheaders() if name.lower() == "set-cookie"]
    session = next(value.split(";")[0] for value in cookies if value.startswith("sluice-session="))
    assert all("HttpOnly" in value and "SameSite=Strict" in value for value in cookies)
    reply, _ = get(server, "/console/sign-out", "POST", "csrf=wrong", cookie=session, **kind)
    assert reply.status == 403
    assert "User center" in get(server, "/console/", cookie=session)[1]
