"""The sluice binary, run as a user runs it."""

import json
import os
import pathlib
import signal
import subprocess
import time

from support import shape

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SLUICE = os.environ.get("SLUICE_BIN", str(REPOSITORY / "target" / "debug" / "sluice"))
ACCOUNT = "1234567890123456"
ALIAS = "acme"
ROOT_PASSWORD = "root-password-1"
ROOT_KEY = "LTAIrootkey0123456789abc"
ROOT_SECRET = "rootsecretrootsecretrootsecret"
INSTANCE = "mqtt-cn-first"
DEADLINE_S = 20
# `postgres` runs every server of the tests on PostgreSQL, on a database of its own in one cluster.
DATABASE = os.environ.get("SLUICE_TEST_DATABASE", "sqlite")


def until(condition, what, deadline_s=DEADLINE_S):
    """Waits for a condition, and gives what it gave."""
    end = time.monotonic() + deadline_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not happen within {deadline_s} s"
        time.sleep(0.01)


def environment():
    """The environment without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    return kept


class Server:
    """A server on a data folder; the first start makes the known account and instance.

    `flags` are further arguments of `serve`; `cores` pins it, as in "0,1". `database` is a URL of PostgreSQL; without one
    the folder has its own, or a new one is made where the whole run is on PostgreSQL ([`DATABASE`]).
    """

    def __init__(self, folder, *flags, cores=None, database=None):
        self.cores = cores
        if database is None and DATABASE == "postgres":
            from support import postgres

            database = postgres.shared().database()
        self.database = database
        # How `devices.lend` gives a right, and the policies that it gave by a group.
        self.held, self.lent = "itself", set()
        self.folder = pathlib.Path(folder)
        self.flags = flags
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.log_path = self.folder.parent / "log"
        self.log_path.touch()
        self.start()

    def start(self):
        """Starts the process and waits until it serves."""
        self.spawn()
        self.stdout = []
        for line in self.process.stdout:
            self.stdout.append(line.strip())
            if line.startswith("sluice ready "):
                break
        else:
            raise AssertionError(f"the server did not start: {self.log()}")
        # By the names of the ready line: mqtt, mqtts, open-mqtt, http, https.
        self.addresses = dict(pair.split("=") for pair in self.stdout[-1].split()[2:])
        self.ports = {name: int(address.rsplit(":", 1)[1]) for name, address in self.addresses.items()}
        self.mqtt_port, self.http_port = self.ports["mqtt"], self.ports["http"]
        self.http = f"http://127.0.0.1:{self.http_port}"

    def spawn(self):
        """Starts the process."""
        first = {
            "SLUICE_ACCOUNT_ID": ACCOUNT,
            "SLUICE_ACCOUNT_ALIAS": ALIAS,
            "SLUICE_ROOT_PASSWORD": ROOT_PASSWORD,
            "SLUICE_ROOT_ACCESS_KEY_ID": ROOT_KEY,
            "SLUICE_ROOT_ACCESS_KEY_SECRET": ROOT_SECRET,
            "SLUICE_INSTANCE_ID": INSTANCE,
        } | self.database_variable()
        command = [SLUICE, "serve", "--data-dir", str(self.folder), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", *self.flags]
        if self.cores:
            command = ["taskset", "--cpu-list", self.cores, *command]
        self.process = subprocess.Popen(
            command, env=environment() | first, stdout=subprocess.PIPE, stderr=self.log_path.open("ab"), text=True
        )

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def kill(self):
        """Ends it with SIGKILL; nothing is told to anybody."""
        self.process.kill()
        self.process.wait(DEADLINE_S)
        self.process.stdout.close()

    def end(self, how=signal.SIGKILL):
        """Ends it with SIGKILL or in order; [`start`] starts it again on its folder, at other ports."""
        if how == signal.SIGKILL:
            self.kill()
        else:
            assert self.stop() == 0, self.log()
            self.process.stdout.close()

    def log(self):
        return self.log_path.read_text()

    def run(self, *arguments, check=True, **variables):
        """Runs another command of the binary; gives the finished process."""
        done = subprocess.run(
            [SLUICE, *arguments], env=environment() | self.database_variable() | variables, capture_output=True, text=True, timeout=DEADLINE_S
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def api(self, product, operation, key=None, check=True, **parameters):
        """One call by `sluice api`; the reply, or (code, reply) of a refusal when not checked."""
        key_id, secret = key or (ROOT_KEY, ROOT_SECRET)
        pairs = [f"{name}={value}" for name, value in parameters.items()]
        done = self.run(
            "api", product, operation, *pairs, check=False, SLUICE_ENDPOINT=self.http,
            SLUICE_ACCESS_KEY_ID=key_id, SLUICE_ACCESS_KEY_SECRET=secret,
        )  # fmt: skip
        reply = json.loads(done.stdout)
        if done.returncode == 0:
            shape.record(shape.VERSIONS[product], operation, reply)
        if check:
            assert done.returncode == 0, reply
            return reply
        return done.stderr.strip(), reply

    def database_variable(self):
        return {"SLUICE_DATABASE": self.database} if getattr(self, "database", None) else {}

    def new_account(self, alias):
        """A second tenant, made beside the running server; its names and secrets."""
        command = ["account", "create", "--alias", alias, "--data-dir", str(self.folder)]
        lines = self.run(*command).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def new_user(self, name, *statements, instance=INSTANCE):
        """A user with a key and a policy of these statements; the key."""
        self.api("ram", "CreateUser", UserName=name)
        if statements:
            self.grant(name, name, *statements)
        key = self.api("ram", "CreateAccessKey", UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["AccessKeySecret"]

    def grant(self, user, policy, *statements):
        self.api("ram", "CreatePolicy", PolicyName=policy, PolicyDocument=document(*statements))
        self.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName=policy, UserName=user)


def document(*statements):
    return json.dumps({"Version": "1", "Statement": list(statements)})


def allow(actions, resources):
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def deny(actions, resources):
    return {"Effect": "Deny", "Action": actions, "Resource": resources}


def arn(rest):
    return f"acs:mq:*:*:{rest}"


def access(instance=INSTANCE):
    """What every client needs."""
    return allow("mq:MqttInstanceAccess", arn(f"instance/{instance}"))


def topic(path, *actions, instance=INSTANCE):
    return allow(list(actions) or ["mq:PUB", "mq:SUB"], arn(f"topic/{instance}/{path}"))


def group(name, instance=INSTANCE):
    return allow("mq:SUB", arn(f"groupId/{instance}/{name}"))
