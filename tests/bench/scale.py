"""How long a start takes with many accounts, and a change in a large one, on SQLite and on PostgreSQL.

scale.py [--write]    needs the release build.
"""

import argparse
import pathlib
import sqlite3
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from alibabacloud_ram20150501 import models as m  # noqa: E402
from bench import page  # noqa: E402
from support import postgres, sdk  # noqa: E402
from support.server import ACCOUNT, Server, document, topic  # noqa: E402

ACCOUNTS = 10_000
USERS, POLICIES, ATTACHED = 5_000, 1_500, 20
CHANGES = 30
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) "
DOCUMENT = document(*(topic(f"place{n}/area") for n in range(4))).replace("'", "''")


def many_accounts():
    """Each with two users, a policy that one of them has, an instance, two topics and a group."""
    count = COUNT.format(most=ACCOUNTS)
    account, user = "2000000000000000 + i", "200000000000000000 + i * 2"
    yield f"{count}INSERT INTO accounts (account_id, alias, password_hash, failures, locked_until, created, revision) SELECT {account}, 'tenant' || i, '', 0, 0, 0, 0 FROM n"
    for more in (0, 1):
        yield f"{count}INSERT INTO users (account_id, user_id, name, display_name, mobile_phone, email, comments, created, updated, last_login) SELECT {account}, {user} + {more}, 'user{more}', '', '', '', '', 0, 0, 0 FROM n"
    yield from policies(count, account, "'p'")
    yield f"{count}INSERT INTO policy_attachments (account_id, holder_kind, holder_id, policy_type, policy_name, attached) SELECT {account}, 'User', CAST({user} AS TEXT), 'Custom', 'p', 0 FROM n"
    yield f"{count}INSERT INTO instances (instance_id, account_id, name, edition, compatibility, deny_action, durability, created) SELECT 'mqtt-cn-many' || i, {account}, 'default', 'Professional', 'Extended', 'Close', 'Sync', 0 FROM n"
    for name in ("home", "yard"):
        yield f"{count}INSERT INTO topics (account_id, instance_id, name, remark, created) SELECT {account}, 'mqtt-cn-many' || i, '{name}', '', 0 FROM n"
    yield f"{count}INSERT INTO client_groups (account_id, instance_id, name, created) SELECT {account}, 'mqtt-cn-many' || i, 'GID_many', 0 FROM n"


def policies(count, account, name):
    yield f"{count}INSERT INTO policies (account_id, name, description, default_version, last_version, created, updated) SELECT {account}, {name}, '', 1, 1, 0, 0 FROM n"
    yield f"{count}INSERT INTO policy_versions (account_id, policy_name, version, document, created) SELECT {account}, {name}, 1, '{DOCUMENT}', 0 FROM n"


def one_large_account():
    """5,000 users with 20 of 1,500 policies each, and one policy that all of them have."""
    count = COUNT.format(most=USERS)
    yield f"{count}INSERT INTO users (account_id, user_id, name, display_name, mobile_phone, email, comments, created, updated, last_login) SELECT {ACCOUNT}, 250000000000000000 + i, 'user' || i, '', '', '', '', 0, 0, 0 FROM n"
    yield from policies(COUNT.format(most=POLICIES), ACCOUNT, "'policy' || (i - 1)")
    attach = "INSERT INTO policy_attachments (account_id, holder_kind, holder_id, policy_type, policy_name, attached)"
    for place in range(ATTACHED):
        yield f"{count}{attach} SELECT {ACCOUNT}, 'User', CAST(250000000000000000 + i AS TEXT), 'Custom', 'policy' || ((i * {ATTACHED} + {place}) % {POLICIES}), 0 FROM n"
    yield from policies(COUNT.format(most=1), ACCOUNT, "'everyone'")
    yield f"{count}{attach} SELECT {ACCOUNT}, 'User', CAST(250000000000000000 + i AS TEXT), 'Custom', 'everyone', 0 FROM n"


def run_all(server, url, statements):
    if url:
        for statement in statements:
            postgres.shared().sql(url, statement)
        postgres.shared().sql(url, "ANALYZE")
        return
    with sqlite3.connect(server.folder / "sluice.db") as database:
        for statement in statements:
            database.execute(statement)


def start_s(server):
    began = time.monotonic()
    server.start()
    return time.monotonic() - began


def change_ms(call):
    took = []
    for n in range(CHANGES):
        began = time.monotonic()
        call(n)
        took.append((time.monotonic() - began) * 1000)
    return f"{statistics.median(took):.1f} ms (at most {max(took):.1f})"


def changes(server):
    """What the vendor's SDK waits for a change, the change being in force when it returns."""
    client = sdk.ram(server)

    def version(policy):
        return lambda n: client.create_policy_version(
            m.CreatePolicyVersionRequest(
                policy_name=policy, policy_document=document(topic(f"new{n}/area")), set_as_default=True,
                rotate_strategy="DeleteOldestNonDefaultVersionWhenLimitExceeded",
            )
        )  # fmt: skip

    yield "a user read (GetUser), to compare", change_ms(lambda n: client.get_user(m.GetUserRequest(user_name="user7")))
    yield "a policy of 67 holders", change_ms(version("policy7"))
    yield "a policy of 5,000 holders", change_ms(version("everyone"))
    yield "a user changed", change_ms(
        lambda n: client.update_user(m.UpdateUserRequest(user_name="user7", new_comments=f"comment {n}"))
    )


LARGE = f"one account with {USERS:,} users, {POLICIES:,} policies, {USERS * (ATTACHED + 1):,} attachments"


def figures(kind, folder):
    """What was measured on one database: what -> how long."""
    for what, statements, measured in (
        (f"start with {ACCOUNTS:,} accounts", many_accounts, None),
        (f"start with {LARGE}", one_large_account, changes),
    ):
        url = postgres.shared().database() if kind == "PostgreSQL" else None
        server = Server(folder / kind / statements.__name__ / "data", database=url)
        assert server.stop() == 0
        run_all(server, url, statements())
        yield what, f"{min(start_s(server) for _ in once_more(server)):.2f} s"
        yield from measured(server) if measured else ()
        assert server.stop() == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="sluice-scale-") as folder:
        for kind in ("SQLite", "PostgreSQL"):
            for what, figure in figures(kind, pathlib.Path(folder)):
                print(kind, what, figure, file=sys.stderr, flush=True)
                found.setdefault(what, {})[kind] = figure
    rows = [(what, by["SQLite"], by["PostgreSQL"]) for what, by in found.items()]
    page.publish("scale", f"""## Scale of RAM

`tests/bench/scale.py`, {page.machine()}. A start is from the exec to the ready line, the better of two, files in the page cache; a change is a call of the vendor's
Python SDK until its reply, when it is in force: median of {CHANGES} (and the longest), in the large account. PostgreSQL runs on the same cores, without `fsync`.

{page.table(("what", "SQLite", "PostgreSQL 15"), rows)}""", args.write)  # fmt: skip


def once_more(server):
    yield 1
    assert server.stop() == 0
    yield 2


if __name__ == "__main__":
    main()
