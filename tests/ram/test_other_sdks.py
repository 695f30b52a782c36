"""RAM through the vendor's other SDKs: the typed client for Node, and the old core SDK of Python, which signs in V1."""

import json
import subprocess

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkram.request.v20150501.AddUserToGroupRequest import AddUserToGroupRequest
from aliyunsdkram.request.v20150501.CreateGroupRequest import CreateGroupRequest
from aliyunsdkram.request.v20150501.CreateRoleRequest import CreateRoleRequest
from aliyunsdkram.request.v20150501.CreateUserRequest import CreateUserRequest
from aliyunsdkram.request.v20150501.GetPasswordPolicyRequest import GetPasswordPolicyRequest
from aliyunsdkram.request.v20150501.ListGroupsForUserRequest import ListGroupsForUserRequest
from aliyunsdkram.request.v20150501.SetPasswordPolicyRequest import SetPasswordPolicyRequest
from aliyunsdksts.request.v20150401.AssumeRoleRequest import AssumeRoleRequest
from alibabacloud_sts20150401.client import Client as Sts

from support import sdk
from support.roles import session
from support.server import ACCOUNT, REPOSITORY, ROOT_KEY, ROOT_SECRET

TRUST = json.dumps({"Version": "1", "Statement": [
    {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"RAM": [f"acs:ram::{ACCOUNT}:root"]}}]})  # fmt: skip
MAY_ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}


def old(server, kind, key=None, **parameters):
    """A call of the old SDK: its class of the operation and the setters of the parameters."""
    request = kind()
    for name, value in parameters.items():
        getattr(request, f"set_{name}")(value)
    return sdk.core_call(server, request, key)


def test_node_makes_groups_and_roles_by_its_typed_client(server):
    script = REPOSITORY / "tests" / "node" / "ram_sdk.js"
    arguments = [f"127.0.0.1:{server.http_port}", ROOT_KEY, ROOT_SECRET, ACCOUNT]
    done = subprocess.run(["node", str(script), *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    expected = {"members": ["node-user"], "policies": ["AliyunMQReadOnlyAccess"], "trust": True, "refused": "DeleteConflict.Group.User"}
    assert json.loads(done.stdout) == expected


def test_the_old_sdk_makes_groups_and_reads_their_members(server):
    old(server, CreateUserRequest, UserName="old-user")
    made = old(server, CreateGroupRequest, GroupName="old-group", Comments="of the old SDK")
    assert made["Group"]["GroupId"].startswith("g-")
    old(server, AddUserToGroupRequest, UserName="old-user", GroupName="old-group")
    groups = old(server, ListGroupsForUserRequest, UserName="old-user")["Groups"]["Group"]
    assert [group["GroupName"] for group in groups] == ["old-group"]
    with pytest.raises(ServerException) as refused:
        old(server, AddUserToGroupRequest, UserName="old-user", GroupName="old-group")
    assert (refused.value.error_code, refused.value.http_status) == ("EntityAlreadyExists.User.Group", 409)


def test_the_old_sdk_sets_the_password_policy(server):
    old(server, SetPasswordPolicyRequest, MinimumPasswordLength=12, RequireNumbers=True)
    policy = old(server, GetPasswordPolicyRequest)["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["RequireNumbers"]) == (12, True)


def test_the_old_sdk_assumes_a_role_and_signs_with_what_it_got(server):
    role = old(server, CreateRoleRequest, RoleName="old-role", AssumeRolePolicyDocument=TRUST)["Role"]
    key = server.new_user("assumer", MAY_ASSUME)
    got = old(server, AssumeRoleRequest, key, RoleArn=role["Arn"], RoleSessionName="from-old")
    assert got["Credentials"]["AccessKeyId"].startswith("STS.")
    given = got["Credentials"]
    key = given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"]
    who = session(server, key, Sts).get_caller_identity().body
    assert (who.identity_type, who.role_id) == ("AssumedRoleUser", role["RoleId"])
