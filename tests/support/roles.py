"""Roles and their sessions."""

import json

from alibabacloud_sts20150401 import models as s
from alibabacloud_tea_openapi.models import Config

from support import sdk
from support.server import ACCOUNT, document


def trusting(principal, kind="RAM", **more):
    """A trust policy that names somebody."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {kind: principal}} | more
    return json.dumps({"Version": "1", "Statement": [statement]})


def attach(server, role, policy, *statements, key=None):
    """Gives a role a policy of these statements."""
    server.api("ram", "CreatePolicy", key, PolicyName=policy, PolicyDocument=document(*statements))
    server.api("ram", "AttachPolicyToRole", key, PolicyType="Custom", PolicyName=policy, RoleName=role)


def make_role(server, name, principal, *statements, key=None):
    """A role that trusts somebody, and may do what a policy of its own name says."""
    server.api("ram", "CreateRole", key, RoleName=name, AssumeRolePolicyDocument=trusting(principal))
    if statements:
        attach(server, name, f"role-{name}", *statements, key=key)


def take_role_policy(server, role, policy):
    server.api("ram", "DetachPolicyFromRole", PolicyType="Custom", PolicyName=policy, RoleName=role)


def delete_role(server, name):
    """Takes a role's own policy and deletes it."""
    take_role_policy(server, name, f"role-{name}")
    server.api("ram", "DeleteRole", RoleName=name)


def assume(server, key, role, account=ACCOUNT, name="s1", **wish):
    """A session of a role: key ID, secret and token."""
    request = s.AssumeRoleRequest(role_arn=f"acs:ram::{account}:role/{role}", role_session_name=name, **wish)
    given = sdk.sts(server, key).assume_role(request).body.credentials
    return given.access_key_id, given.access_key_secret, given.security_token


def session(server, key, client):
    """A client of the new SDKs that signs in a session."""
    return client(
        Config(
            access_key_id=key[0], access_key_secret=key[1], security_token=key[2], protocol="http",
            endpoint=f"127.0.0.1:{server.http_port}", region_id="cn-hangzhou",
        )
    )  # fmt: skip
