"""`sluice account disable|enable|delete|reset-root` beside a running server and without one."""

import contextlib
import http.client
import sqlite3
import time
import types
import urllib.parse

import pytest
from alibabacloud_ram20150501 import models as m

from support import postgres, sdk
from support.devices import attempt, connected, refusal, subscribed
from support.packets import Will
from support.raw import close_all, fresh
from support.server import access, document, group, topic

# How fast connections end. The machine may be busy; the benchmark of revocation has the figures.
CLOSED_WITHIN_S = 1.0


@pytest.fixture(autouse=True)
def connections_end():
    yield
    close_all()


def account_command(server, *arguments, check=True):
    done = server.run("account", *arguments, "--data-dir", str(server.folder), check=check)
    return dict(line.split("=", 1) for line in done.stdout.splitlines()) if check else done


def furnish(server, alias, account=None):
    """A tenant with an instance, a topic, a group and a user who may use them."""
    chosen = ("--id", account) if account else ()
    made = account_command(server, "create", "--alias", alias, *chosen)
    root = (made["AccessKeyId"], made["AccessKeySecret"])
    instance = f"mqtt-cn-{alias}"
    call = lambda product, operation, **parameters: server.api(product, operation, key=root, **parameters)
    call("onsmqtt", "CreateMqttInstance", InstanceName="first", InstanceId=instance)
    call("onsmqtt", "CreateMqttTopic", InstanceId=instance, Topic="home")
    call("onsmqtt", "CreateGroupId", InstanceId=instance, GroupId="GID_mine")
    call("ram", "CreateUser", UserName="device")
    right = document(access(instance), topic("home", instance=instance), group("GID_mine", instance=instance))
    call("ram", "CreatePolicy", PolicyName="device", PolicyDocument=right)
    call("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName="device", UserName="device")
    key = call("ram", "CreateAccessKey", UserName="device")["AccessKey"]
    return types.SimpleNamespace(
        http=server.http, account=made["AccountId"], alias=alias, password=made["Password"], root=root, instance=instance,
        user=(key["AccessKeyId"], key["AccessKeySecret"]), call=call,
    )  # fmt: skip


@pytest.fixture
def tenant(server):
    return furnish(server, fresh("tenant"))


@pytest.fixture(scope="module")
def next_door(server):
    return furnish(server, "neighbour")


@pytest.fixture
def neighbour(server, next_door):
    """Another tenant, to whom nothing may happen while the server runs."""
    other = next_door
    client = subscribed(server, other.user, "GID_mine@@@n", "home/#", instance=other.instance)
    yield other
    if server.http == other.http:
        client.ping()
    assert sdk.sts(server, other.root).get_caller_identity().body.account_id == other.account


def page(server, path="/console/", method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    connection.request(method, path, body=body, headers=headers)
    reply = connection.getresponse()
    return reply, reply.read().decode()


def sign_in(server, name, password):
    """The console session's cookie, or `None` when the sign-in was refused."""
    reply, _ = page(server)
    form = reply.getheader("set-cookie").split(";")[0]
    body = urllib.parse.urlencode({"logon_name": name, "password": password, "csrf": form.split("=")[1]})
    reply, _ = page(server, "/console/", "POST", body, cookie=form, **{"content-type": "application/x-www-form-urlencoded"})
    cookies = [value.split(";")[0] for name, value in reply.getheaders() if name.lower() == "set-cookie"]
    return next((value for value in cookies if value.startswith("sluice-session=") and reply.status == 303), None)


def is_signed_in(server, session):
    return "User center" in page(server, cookie=session)[1]


def test_nothing_of_a_disabled_account_is_in_force_and_all_of_it_comes_back(server, tenant, neighbour):
    place = {"instance": tenant.instance}
    session = sign_in(server, tenant.alias, tenant.password)
    away = subscribed(server, tenant.user, "GID_mine@@@away", "home/#", stored=True, **place)
    away.disconnect()
    speaker = connected(server, tenant.user, "GID_mine@@@speaker", **place)
    assert speaker.publish("home/kept", b"retained", 1, retain=True).code == 0
    will = Will("home/will", b"said", 1, True)
    clients = [connected(server, tenant.user, f"GID_mine@@@{n}", will=will, **place) for n in range(20)]

    before = time.monotonic()
    assert account_command(server, "disable", "--alias", tenant.alias)["Status"] == "Disabled"
    for client in [speaker, *clients]:
        assert client.ended(CLOSED_WITHIN_S) == 0x87
    assert time.monotonic() - before < CLOSED_WITHIN_S + 1
    listed = server.run("account", "list", "--data-dir", str(server.folder)).stdout
    assert f"AccountId={tenant.account}\nAlias={tenant.alias}\nStatus=Disabled\n" in listed
    assert f"AccountId={neighbour.account}\nAlias=neighbour\nStatus=Active\n" in listed
    for key in (tenant.root, tenant.user):
        assert sdk.code_of(sdk.sts(server, key).get_caller_identity) == ("Inactive", 403)
        assert refusal(server, key, "GID_mine@@@1", **place) == 0x87
        assert refusal(server, key, "GID_mine@@@1", version=4, **place) == 5
    # A wrong secret is not told that the account is disabled.
    wrong = (tenant.root[0], "x" * 30)
    assert sdk.code_of(sdk.sts(server, wrong).get_caller_identity)[0] == "SignatureDoesNotMatch"
    assert not is_signed_in(server, session) and sign_in(server, tenant.alias, tenant.password) is None

    assert account_command(server, "enable", "--id", tenant.account)["Status"] == "Active"
    assert is_signed_in(server, session)
    back = attempt(server, tenant.user, "GID_mine@@@away", stored=True, **place)
    assert back.connack.session_present
    assert back.message().payload == b"retained"
    back.quiet(0.2)
    late = subscribed(server, tenant.user, "GID_mine@@@late", "home/#", **place)
    assert late.message().payload == b"retained", "and no will was said"
    late.quiet(0.2)


def test_a_disabled_account_stays_disabled_across_a_restart_and_keeps_what_waits(server, tenant):
    place = {"instance": tenant.instance}
    away = subscribed(server, tenant.user, "GID_mine@@@away", "home/#", stored=True, **place)
    away.disconnect()
    speaker = connected(server, tenant.user, "GID_mine@@@speaker", **place)
    assert speaker.publish("home/waits", b"waits", 1).code == 0
    account_command(server, "disable", "--id", tenant.account)
    server.end()
    server.start()
    assert sdk.code_of(sdk.sts(server, tenant.root).get_caller_identity) == ("Inactive", 403)
    account_command(server, "enable", "--id", tenant.account)
    back = attempt(server, tenant.user, "GID_mine@@@away", stored=True, **place)
    assert back.connack.session_present and back.message().payload == b"waits"


def rows(server, account):
    """(table, rows of the account) of every table that has any."""
    if server.database:
        return rows_on_postgres(server.database, account)
    with contextlib.closing(sqlite3.connect(f"file:{server.folder}/sluice.db?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = lambda table: [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        tables = [table for table in tables if "account_id" in columns(table)]
        count = lambda table: database.execute(f"SELECT COUNT(*) FROM {table} WHERE account_id = ?", (int(account),)).fetchone()[0]
        return [(table, count(table)) for table in tables if count(table)]


def rows_on_postgres(url, account):
    """The same there. What was changed is told to other servers for an hour."""
    sql = lambda statement: postgres.shared().sql(url, statement).split()
    tables = sql("SELECT table_name FROM information_schema.columns WHERE column_name = 'account_id' AND table_schema = 'public'")
    count = lambda table: int(sql(f"SELECT count(*) FROM {table} WHERE account_id = {account}")[0])
    return [(table, count(table)) for table in tables if table != "changes" and count(table)]


def leave_something(server, tenant):
    """A stored session with a message, a retained message, a delayed will, a shared backlog and usage."""
    place = {"instance": tenant.instance}
    away = subscribed(server, tenant.root, "GID_mine@@@away", "home/#", "$share/g/home/#", stored=True, **place)
    away.disconnect()
    will = Will("home/will", b"said", 1, True, {"will_delay": 3600})
    doomed = connected(server, tenant.root, "GID_mine@@@doomed", stored=True, will=will, **place)
    doomed.cut()
    speaker = connected(server, tenant.root, "GID_mine@@@speaker", **place)
    assert speaker.publish("home/kept", b"retained", 1, retain=True).code == 0
    tenant.call("onsmqtt", "QueryMqttUsage", BeginTime=0, EndTime=time.time_ns() // 1_000_000)
    assert len(rows(server, tenant.account)) > 5
    return speaker


def nothing_is_left(server, tenant):
    """Whoever gets the same names finds nothing."""
    again = furnish(server, tenant.alias, tenant.account)
    assert (again.account, again.instance) == (tenant.account, tenant.instance)
    place = {"instance": again.instance}
    back = attempt(server, again.root, "GID_mine@@@away", stored=True, **place)
    assert back.connack.code == 0 and not back.connack.session_present
    assert back.subscribe("home/#", "$share/g/home/#", qos=1).codes == [1, 1]
    back.ping()
    back.quiet(0.2)
    stored = again.call("onsmqtt", "GetMqttInstance", InstanceId=again.instance)["Instance"]["Stored"]
    assert (stored["Messages"], stored["Bytes"]) == (0, 0)
    return again


def test_a_deleted_account_leaves_nothing_and_its_names_are_free(server, tenant, neighbour):
    session = sign_in(server, tenant.alias, tenant.password)
    speaker = leave_something(server, tenant)
    for yes in ((), ("--yes", neighbour.account), ("--yes", tenant.alias)):
        refused = account_command(server, "delete", "--alias", tenant.alias, *yes, check=False)
        assert refused.returncode == 1 and f"--yes {tenant.account}" in refused.stderr
    speaker.ping()
    gone = account_command(server, "delete", "--alias", tenant.alias, "--yes", tenant.account)
    assert gone == {"AccountId": tenant.account, "Alias": tenant.alias, "Status": "Deleted"}
    assert speaker.ended(CLOSED_WITHIN_S) == 0x87
    assert sdk.code_of(sdk.sts(server, tenant.root).get_caller_identity)[0] == "InvalidAccessKeyId.NotFound"
    assert not is_signed_in(server, session) and rows(server, tenant.account) == []
    absent = account_command(server, "enable", "--id", tenant.account, check=False)
    assert absent.returncode == 1 and "no account" in absent.stderr
    nothing_is_left(server, tenant)
    server.end()
    server.start()
    # What the log kept of the first one does not come back into the second.
    account_command(server, "delete", "--alias", tenant.alias, "--yes", tenant.account)
    nothing_is_left(server, tenant)


def test_an_account_deleted_without_a_server_leaves_nothing_for_the_next_of_its_name(server, tenant):
    leave_something(server, tenant)
    server.end()
    account_command(server, "delete", "--id", tenant.account, "--yes", tenant.account)
    made = account_command(server, "create", "--alias", tenant.alias, "--id", tenant.account)
    server.start()
    root = (made["AccessKeyId"], made["AccessKeySecret"])
    server.api("onsmqtt", "CreateMqttInstance", key=root, InstanceName="first", InstanceId=tenant.instance)
    server.api("onsmqtt", "CreateMqttTopic", key=root, InstanceId=tenant.instance, Topic="home")
    server.api("onsmqtt", "CreateGroupId", key=root, InstanceId=tenant.instance, GroupId="GID_mine")
    back = attempt(server, root, "GID_mine@@@away", stored=True, instance=tenant.instance)
    assert back.connack.code == 0 and not back.connack.session_present
    assert back.subscribe("home/#").codes == [0]
    back.ping()
    back.quiet(0.2)
    usage = server.api("onsmqtt", "QueryMqttUsage", key=root, BeginTime=0, EndTime=time.time_ns() // 1_000_000)
    assert all(item["MessagesIn"] == 0 for item in usage["Items"])


def test_reset_root_ends_what_the_account_itself_had_and_nothing_of_its_users(server, tenant):
    place = {"instance": tenant.instance}
    session = sign_in(server, tenant.alias, tenant.password)
    second = tenant.call("ram", "CreateAccessKey")["AccessKey"]
    of_root = connected(server, tenant.root, "GID_mine@@@root", **place)
    of_user = connected(server, tenant.user, "GID_mine@@@user", **place)
    fresh_one = account_command(server, "reset-root", "--alias", tenant.alias)
    assert (fresh_one["AccountId"], fresh_one["LogonName"]) == (tenant.account, tenant.alias)
    assert of_root.ended(CLOSED_WITHIN_S) == 0x87
    of_user.ping()
    for key in (tenant.root, (second["AccessKeyId"], second["AccessKeySecret"])):
        assert sdk.code_of(sdk.sts(server, key).get_caller_identity)[0] == "InvalidAccessKeyId.NotFound"
    root = (fresh_one["AccessKeyId"], fresh_one["AccessKeySecret"])
    assert sdk.sts(server, root).get_caller_identity().body.identity_type == "Account"
    assert sdk.sts(server, tenant.user).get_caller_identity().body.identity_type == "RAMUser"
    assert not is_signed_in(server, session) and sign_in(server, tenant.alias, tenant.password) is None
    assert is_signed_in(server, sign_in(server, tenant.alias, fresh_one["Password"]))
    for secret in (fresh_one["Password"], fresh_one["AccessKeySecret"]):
        assert secret not in server.log()


def test_the_root_key_is_rotated_by_the_api_without_a_gap(server, tenant):
    """docs/operations.md: make the second, use it, switch the first off, delete it."""
    ram = sdk.ram(server, tenant.root)
    made = ram.create_access_key(m.CreateAccessKeyRequest()).body.access_key
    third = lambda: ram.create_access_key(m.CreateAccessKeyRequest())
    assert sdk.code_of(third)[0] == "LimitExceeded.User.AccessKey"
    new = sdk.ram(server, (made.access_key_id, made.access_key_secret))
    old = tenant.root[0]
    new.update_access_key(m.UpdateAccessKeyRequest(user_access_key_id=old, status="Inactive"))
    assert sdk.code_of(sdk.sts(server, tenant.root).get_caller_identity)[0] == "InvalidAccessKeyId.Inactive"
    new.delete_access_key(m.DeleteAccessKeyRequest(user_access_key_id=old))
    left = new.list_access_keys(m.ListAccessKeysRequest()).body.access_keys.access_key
    assert [key.access_key_id for key in left] == [made.access_key_id]


def test_an_account_is_named_by_one_of_two_names(server):
    for arguments in ((), ("--id", "1234567890123456", "--alias", "a")):
        done = account_command(server, "disable", *arguments, check=False)
        assert done.returncode == 2
    done = account_command(server, "disable", "--id", "12", check=False)
    assert done.returncode == 1
