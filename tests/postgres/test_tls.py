"""TLS to PostgreSQL, as the URL says: every connection of the server's has it, and a start is refused where it cannot be as asked."""

import signal
import subprocess
import urllib.parse

import pytest

from support import postgres
from support.certificates import Authority
from support.devices import connected, refusal, subscribed
from support.server import DEADLINE_S, INSTANCE, SLUICE, Server, access, environment, group, topic, until

# Everything that a server holds open, but for the one that looks.
CONNECTIONS = (
    "SELECT ssl, left(query, 6) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def asking(url, **parameters):
    return f"{url}?{urllib.parse.urlencode({key: str(value) for key, value in parameters.items()})}"


def serves(url, folder, *flags):
    return Server(folder / "data", *flags, database=url)


def listed(url, folder, **variables):
    """An operator's command without a server, which opens the database as a server does."""
    return NO_SERVER.run("account", "list", "--data-dir", str(folder / "data"), check=False, SLUICE_DATABASE=url, **variables)


# Whose commands are run, where there is none.
NO_SERVER = Server.__new__(Server)


def refused(url, folder, **variables):
    """What `serve` says as it ends; the exit code, and the text without the password."""
    arguments = ("--data-dir", str(folder / "data"), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
    done = NO_SERVER.run("serve", *arguments, check=False, SLUICE_DATABASE=url, **variables)
    assert "not-shown" not in done.stdout + done.stderr, "the password is told"
    return done.returncode, done.stderr


def all_encrypted(cluster, server):
    """Waits until the server has a connection for each purpose, and none without TLS."""
    bare = server.database.split("?")[0]

    def purposes():
        lines = cluster.sql(bare, CONNECTIONS).split()
        assert all(line.startswith("t|") for line in lines), lines
        return len(lines) >= 3 and "t|LISTEN" in lines

    until(purposes, "the pool, the reader of changes and the listener")


def furnish(server):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="home")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_home")
    return server.new_user("home", access(), topic("home"), group("GID_home"))


def test_two_servers_do_everything_over_connections_that_are_checked(encrypted, authority, tmp_path):
    url = asking(encrypted.database(), sslmode="verify-full", sslrootcert=authority.ca)
    one = serves(url, tmp_path / "one")
    other = serves(url, tmp_path / "other", "--master-key-file", str(one.folder / "master.key"))
    key = furnish(one)
    until(lambda: refusal(other, key, "GID_home@@@look") == 0, "the new user on the other server")
    receiver = subscribed(other, key, "GID_home@@@1", "home/#")
    assert connected(other, key, "GID_home@@@2").publish("home/a", b"x", 1).code == 0
    assert receiver.message().payload == b"x"
    one.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="home", UserName="home")
    assert receiver.ended() == 0x87
    for server in (one, other):
        all_encrypted(encrypted, server)
        assert "sslmode" not in server.log()
    assert "AccountId" in one.new_account("beside") and one.stop() == other.stop() == 0
    assert "AccountId" in one.new_account("without")
    rotated = one.run("master-key", "rotate", "--data-dir", str(one.folder), check=False)
    assert "every other server's file" in rotated.stderr, rotated.stderr


def test_a_server_finds_an_encrypted_database_again(authority, tmp_path):
    cluster = postgres.Cluster(durable=True, authority=authority)
    try:
        server = serves(asking(cluster.database(), sslmode="verify-full", sslrootcert=authority.ca), tmp_path)
        server.api("ram", "CreateUser", UserName="before")
        cluster.stop()
        until(lambda: server.api("ram", "GetUser", check=False, UserName="before")[0] == "ServiceUnavailable", "a refusal")
        cluster.start()
        until(lambda: server.api("ram", "GetUser", check=False, UserName="before")[0] == "", "an answer")
        server.api("ram", "CreateUser", UserName="after")
        all_encrypted(cluster, server)
        assert server.stop() == 0, server.log()
        assert "not-shown" not in server.log()
    finally:
        cluster.remove()


def test_a_database_that_is_another_or_not_encrypted_is_refused_at_start(encrypted, authority, tmp_path):
    url, plain = encrypted.database(), postgres.shared().database()
    stranger = Authority(tmp_path, "db.test").ca
    elsewhere = url.replace("127.0.0.1", "localhost")
    for asked, told in [
        (asking(url, sslmode="verify-full", sslrootcert=stranger), "invalid peer certificate"),
        (asking(url, sslmode="verify-ca", sslrootcert=stranger), "invalid peer certificate"),
        (asking(url, sslmode="require", sslrootcert=stranger), "invalid peer certificate"),
        (asking(url, sslmode="verify-full"), "UnknownIssuer"),
        (asking(elsewhere, sslmode="verify-full", sslrootcert=authority.ca), "not valid for name"),
        (asking(url, sslmode="disable"), "no encryption"),
        (asking(plain, sslmode="require"), "does not support TLS"),
        (asking(url.replace("//postgres", "//certified"), sslmode="require"), "certificate"),
    ]:
        code, text = refused(asked, tmp_path)
        assert code == 1 and told in text, (asked, text)
        operators = listed(asked, tmp_path)
        assert operators.returncode == 1 and told in operators.stderr, (asked, operators.stderr)
    # Whom the system trusts counts for nothing where the URL names somebody.
    asked = asking(url, sslmode="verify-full", sslrootcert=stranger)
    told = refused(asked, tmp_path, SSL_CERT_FILE=str(authority.ca), SSL_CERT_DIR=str(authority.ca.parent))
    assert told[0] == 1 and "invalid peer certificate" in told[1], told


def test_a_url_that_cannot_be_followed_is_a_wrong_configuration(tmp_path):
    url = "postgres://sluice:not-shown@db.test/x"
    for asked, told in [
        (asking(url, sslmode="verify-fll"), "`sslmode`"),
        (asking(url, sslmod="verify-full"), "`sslmod`"),
        (f"{url}?statement-cache-capacity=0", "a parameter"),
        (asking(url, sslmode="verify-full", sslrootcert=tmp_path / "absent.pem"), "absent.pem"),
        (asking(url, sslmode="verify-full", sslcert=tmp_path / "absent.pem"), "`sslkey`"),
        (asking(url, sslmode="verify-ca"), "`sslrootcert`"),
    ]:
        code, text = refused(asked, tmp_path)
        assert code == 2 and told in text, (asked, text)
        operators = listed(asked, tmp_path)
        assert operators.returncode == 2 and told in operators.stderr, operators.stderr


def test_the_other_modes_do_as_they_say(encrypted, authority, tmp_path):
    url = encrypted.database()
    elsewhere = url.replace("127.0.0.1", "localhost")
    for asked, variables in [
        (asking(elsewhere, sslmode="verify-ca", sslrootcert=authority.ca), {}),
        (asking(elsewhere, sslmode="require", sslrootcert=authority.ca), {}),
        (asking(elsewhere, sslmode="require"), {}),
        (asking(elsewhere, sslmode="allow"), {}),
        (elsewhere, {}),
        (url, {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(authority.ca)}),
        (asking(url, sslmode="verify-full"), {"SSL_CERT_FILE": str(authority.ca)}),
        (asking(url, sslrootcert="system"), {"SSL_CERT_FILE": str(authority.ca)}),
    ]:
        done = listed(asked, tmp_path, **variables)
        assert done.returncode == 0, (asked, done.stderr)


def test_a_server_is_known_by_its_certificate(encrypted, authority, tmp_path):
    encrypted.run("createuser", "-h", encrypted.folder, "-p", encrypted.port, "-U", postgres.USER, "--superuser", "certified")
    url = encrypted.database().replace("postgres:not-shown", "certified")
    cert, key = authority.client("certified")
    proven = {"sslmode": "verify-full", "sslrootcert": authority.ca, "sslcert": cert, "sslkey": key}
    server = serves(asking(url, **proven), tmp_path)
    key_of_user = furnish(server)
    assert refusal(server, key_of_user, "GID_home@@@1") == 0
    all_encrypted(encrypted, server)
    assert server.stop() == 0, server.log()
    other_cert, other_key = authority.client("somebody")
    told = refused(asking(url, **proven | {"sslcert": other_cert, "sslkey": other_key}), tmp_path)
    assert told[0] == 1 and "certificate authentication failed" in told[1], told
    assert refused(asking(url, **proven | {"sslkey": other_key}), tmp_path)[0] == 1
    key.chmod(0o644)
    told = refused(asking(url, **proven), tmp_path)
    assert told[0] == 2 and "others may read it" in told[1], told


def serves_once(folder, *arguments, config="", **variables):
    """A `serve` that is to end by itself, `config` written into its stdin; the exit code and the text."""
    command = (*arguments, "serve", "--data-dir", str(folder / "data"), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
    command = (*command, "--config", "/dev/stdin")
    done = subprocess.run(command, env=environment() | variables, input=config, capture_output=True, text=True, timeout=DEADLINE_S)
    assert "not-shown" not in done.stdout + done.stderr, "the password is told"
    assert not (folder / "data" / "sluice.db").exists(), "another database is made"
    return done.returncode, done.stderr


def test_a_configuration_that_can_be_read_only_once_is_refused_where_it_is_read_twice(encrypted, authority, tmp_path):
    config = f'database = "{asking(encrypted.database(), sslmode="verify-full", sslrootcert=authority.ca)}"\n'
    code, text = serves_once(tmp_path, SLUICE, config=config)
    assert code == 2 and "must be a regular file" in text, text
    # The environment is so already: it is read once, and the database is asked.
    gone = f'database = "{asking("postgres://x:not-shown@127.0.0.1:1/x", sslmode="verify-full", sslrootcert=authority.ca)}"\n'
    code, text = serves_once(tmp_path, "env", "-u", "SSL_CERT_DIR", SLUICE, config=gone, SSL_CERT_FILE=str(authority.ca))
    assert code == 1 and "cannot open the database" in text, text
    path = tmp_path / "sluice.toml"
    path.write_text(config)
    server = serves("", tmp_path, "--config", str(path))
    assert not (tmp_path / "data" / "sluice.db").exists() and server.stop() == 0, server.log()


def test_a_process_starts_itself_again_once_and_never_without_its_database(encrypted, authority, tmp_path):
    # With what the first of the two processes leaves to the second.
    again = ("sh", "-c", 'SLUICE_STARTED_AGAIN=$$ exec "$0" "$@"', SLUICE)
    code, text = serves_once(tmp_path, *again)
    assert code == 2 and "names no `database` any more" in text, text
    url = asking(encrypted.database(), sslmode="verify-full", sslrootcert=authority.ca)
    code, text = serves_once(tmp_path, *again, config=f'database = "{url}"\n')
    assert code == 2 and "while the process started itself again" in text, text
    # A child's environment has its parent's, which says nothing of the child.
    assert listed(url, tmp_path, SLUICE_STARTED_AGAIN="1").returncode == 0


@pytest.mark.parametrize(
    ("mode", "is_encrypted", "told"),
    [
        ("disable", False, "is not encrypted"),
        ("prefer", False, "need not be encrypted"),
        ("prefer", True, "need not be encrypted"),
        ("require", True, "certificate is not checked"),
    ],
)
def test_what_is_not_safe_on_the_way_to_another_host_is_told_once(encrypted, tmp_path, mode, is_encrypted, told):
    url = asking((encrypted if is_encrypted else postgres.shared()).database(), sslmode=mode)
    server = serves(url, tmp_path)
    assert "sslmode" not in server.log()
    server.end(signal.SIGTERM)
    # Not an address of the loopback, though it leads there.
    server.database = url.replace("127.0.0.1", "0.0.0.0")
    server.start()
    assert server.log().count(told) == server.log().count("sslmode") == 1, server.log()
    assert server.stop() == 0
