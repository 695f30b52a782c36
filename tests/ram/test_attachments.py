"""Policies attached to users, groups and roles through the vendor's SDK: the three kinds behave alike."""

import json
import types

import pytest
from alibabacloud_ram20150501 import models as m

from support import sdk
from support.ram import calls_of, deny_all_but, refused, request
from support.server import ACCOUNT, allow, document

READ = document(allow("ram:Get*", "*"))
TRUST = json.dumps({
    "Version": "1",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"RAM": [f"acs:ram::{ACCOUNT}:root"]}}],
})  # fmt: skip
KINDS = {
    "user": types.SimpleNamespace(name="user_name", parameter="UserName", code="User"),
    "group": types.SimpleNamespace(name="group_name", parameter="GroupName", code="Group"),
    "role": types.SimpleNamespace(name="role_name", parameter="RoleName", code="Role"),
}


@pytest.fixture(scope="module")
def ram(server):
    """The account itself; a user, a group and a role called `holder`; eleven policies."""
    client = sdk.ram(server)
    client.create_user(m.CreateUserRequest(user_name="holder", display_name="Holder"))
    client.create_group(m.CreateGroupRequest(group_name="holder", comments="of holders"))
    client.create_role(
        m.CreateRoleRequest(role_name="holder", assume_role_policy_document=TRUST, description="held by holders")
    )
    for number in range(11):
        client.create_policy(m.CreatePolicyRequest(policy_name=f"own{number}", policy_document=READ))
    return client


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def fields(kind, policy, policy_type="Custom", holder="holder", **more):
    return {"policy_type": policy_type, "policy_name": policy, KINDS[kind].name: holder, **more}


def attach(ram, kind, *args, **more):
    call = f"attach_policy_to_{kind}"
    return getattr(ram, call)(request(call, **fields(kind, *args, **more)))


def detach(ram, kind, *args, **more):
    call = f"detach_policy_from_{kind}"
    return getattr(ram, call)(request(call, **fields(kind, *args, **more)))


def listed(ram, kind, holder="holder"):
    call = f"list_policies_for_{kind}"
    return getattr(ram, call)(request(call, **{KINDS[kind].name: holder})).body.policies.policy


def entities(ram, policy, policy_type="Custom"):
    return ram.list_entities_for_policy(m.ListEntitiesForPolicyRequest(policy_type=policy_type, policy_name=policy)).body


def test_a_policy_is_attached_listed_and_detached(ram, kind):
    attach(ram, kind, "own0")
    attach(ram, kind, "ReadOnlyAccess", "System")
    policies = listed(ram, kind)
    assert [(p.policy_type, p.policy_name, p.default_version) for p in policies][0] == ("Custom", "own0", "v1")
    assert [p.policy_name for p in policies] == ["own0", "ReadOnlyAccess"]
    assert all(p.attach_date.endswith("Z") and p.description is not None for p in policies)
    assert refused(lambda: attach(ram, kind, "own0")) == (f"EntityAlreadyExists.{KINDS[kind].code}.Policy", 409)
    for policy, policy_type in (("own0", "Custom"), ("ReadOnlyAccess", "System")):
        detach(ram, kind, policy, policy_type)
        again = refused(lambda: detach(ram, kind, policy, policy_type))
        assert again == (f"EntityNotExist.{KINDS[kind].code}.Policy", 404)
    assert listed(ram, kind) == []


def test_the_entities_of_a_policy_are_those_to_which_it_is_attached(ram):
    for kind in KINDS:
        attach(ram, kind, "own1")
        attach(ram, kind, "PowerUserAccess", "System")
    for policy, policy_type in (("own1", "Custom"), ("PowerUserAccess", "System")):
        found = entities(ram, policy, policy_type)
        assert [(u.user_name, u.display_name, len(u.user_id)) for u in found.users.user] == [("holder", "Holder", 18)]
        assert [(g.group_name, g.comments) for g in found.groups.group] == [("holder", "of holders")]
        roles = [(r.role_name, r.arn, r.description, len(r.role_id)) for r in found.roles.role]
        assert roles == [("holder", f"acs:ram::{ACCOUNT}:role/holder", "held by holders", 18)]
        shown = ram.get_policy(m.GetPolicyRequest(policy_type=policy_type, policy_name=policy)).body.policy
        assert shown.attachment_count == len(KINDS)
    ram.add_user_to_group(m.AddUserToGroupRequest(user_name="holder", group_name="holder"))
    detach(ram, "user", "own1")
    # Who inherits is no entity of the policy, and has it not on its own list.
    assert entities(ram, "own1").users.user == [] and [p.policy_name for p in listed(ram, "user")] == ["PowerUserAccess"]
    ram.remove_user_from_group(m.RemoveUserFromGroupRequest(user_name="holder", group_name="holder"))
    for kind in ("group", "role"):
        detach(ram, kind, "own1")
    assert [entities(ram, "own1").groups.group, entities(ram, "own1").roles.role] == [[], []]
    for kind in KINDS:
        detach(ram, kind, "PowerUserAccess", "System")


def test_what_is_attached_is_not_deleted(ram, kind):
    attach(ram, kind, "own2")
    for cascading in (False, True):
        delete = lambda: ram.delete_policy(m.DeletePolicyRequest(policy_name="own2", cascading_delete=cascading))
        assert refused(delete) == (f"DeleteConflict.Policy.{KINDS[kind].code}", 409)
    call = f"delete_{kind}"
    delete = lambda: getattr(ram, call)(request(call, **{KINDS[kind].name: "holder"}))
    assert refused(delete) == (f"DeleteConflict.{KINDS[kind].code}.Policy", 409)
    detach(ram, kind, "own2")


def test_twenty_of_the_systems_and_ten_of_ones_own_are_the_most(ram, kind):
    for number in range(10):
        attach(ram, kind, f"own{number}")
    assert refused(lambda: attach(ram, kind, "own10")) == (f"LimitExceeded.{KINDS[kind].code}.Policy", 409)
    # The system's are counted apart.
    attach(ram, kind, "ReadOnlyAccess", "System")
    detach(ram, kind, "ReadOnlyAccess", "System")
    for number in range(10):
        detach(ram, kind, f"own{number}")


def test_the_account_is_the_only_resource_group(ram, kind):
    attach(ram, kind, "own3", resource_group_id=ACCOUNT)
    for change in (attach, detach):
        absent = refused(lambda: change(ram, kind, "own3", resource_group_id="rg-acfmxazb4ph6aiy"))
        assert absent == ("EntityNotExist.ResourceGroup", 404)
    detach(ram, kind, "own3", resource_group_id=ACCOUNT)


@pytest.mark.parametrize("operation", ["attach_policy_to", "detach_policy_from"])
def test_each_operation_needs_its_right_and_its_parameters(server, ram, kind, operation):
    calls_of(server, f"{operation}_{kind}", fields(kind, "own4"))


@pytest.mark.parametrize("call, needs", [
    ("list_policies_for_user", {"user_name": "holder"}), ("list_policies_for_group", {"group_name": "holder"}),
    ("list_policies_for_role", {"role_name": "holder"}),
    ("list_entities_for_policy", {"policy_type": "Custom", "policy_name": "own4"}),
])  # fmt: skip
def test_each_list_needs_its_right_and_its_parameters(server, ram, call, needs):
    calls_of(server, call, needs)


def test_what_is_absent_or_misspelt_is_refused(ram, kind):
    code = KINDS[kind].code
    for change in (attach, detach):
        assert refused(lambda: change(ram, kind, "absent")) == ("EntityNotExist.Policy", 404)
        assert refused(lambda: change(ram, kind, "AbsentAccess", "System")) == ("EntityNotExist.Policy", 404)
        assert refused(lambda: change(ram, kind, "own4", holder="absent")) == (f"EntityNotExist.{code}", 404)
        assert refused(lambda: change(ram, kind, "own4", "custom")) == ("InvalidParameter.PolicyType", 400)
        assert refused(lambda: change(ram, kind, "a b")) == ("InvalidParameter.PolicyName.InvalidChars", 400)
        wrong = refused(lambda: change(ram, kind, "own4", holder="a/b"))
        assert wrong == (f"InvalidParameter.{KINDS[kind].parameter}.InvalidChars", 400)
    assert refused(lambda: listed(ram, kind, "absent")) == (f"EntityNotExist.{code}", 404)
    assert refused(lambda: entities(ram, "absent")) == ("EntityNotExist.Policy", 404)


def test_an_attachment_is_asked_on_both(server, ram, kind):
    actions = ["ram:AttachPolicy*", "ram:DetachPolicy*"]
    half = deny_all_but(server, f"half-{kind}", actions, [f"{kind}/holder", "policy/own5"])
    attach(half, kind, "own5")
    detach(half, kind, "own5")
    for change in (attach, detach):
        assert refused(lambda: change(half, kind, "own6")) == ("NoPermission", 403)
        assert refused(lambda: change(half, kind, "own5", holder="other")) == ("NoPermission", 403)
        # The system's policies are the pseudo account's.
        assert refused(lambda: change(half, kind, "ReadOnlyAccess", "System")) == ("NoPermission", 403)


def test_members_may_what_their_group_may_at_once(server, ram):
    key = server.new_user("member")
    call = lambda: sdk.ram(server, key).get_user(m.GetUserRequest(user_name="member"))
    assert refused(call) == ("NoPermission", 403)
    attach(ram, "group", "own7")
    assert refused(call) == ("NoPermission", 403)
    ram.add_user_to_group(m.AddUserToGroupRequest(user_name="member", group_name="holder"))
    call()
    nothing = {"policy_name": "own7", "policy_document": document(allow("ram:List*", "*")), "set_as_default": True}
    ram.create_policy_version(m.CreatePolicyVersionRequest(**nothing))
    assert refused(call) == ("NoPermission", 403)
    ram.set_default_policy_version(m.SetDefaultPolicyVersionRequest(policy_name="own7", version_id="v1"))
    call()
    # A new name of the group changes nothing for its members.
    ram.update_group(m.UpdateGroupRequest(group_name="holder", new_group_name="renamed"))
    call()
    ram.update_group(m.UpdateGroupRequest(group_name="renamed", new_group_name="holder"))
    detach(ram, "group", "own7")
    assert refused(call) == ("NoPermission", 403)
    attach(ram, "group", "own7")
    call()
    ram.remove_user_from_group(m.RemoveUserFromGroupRequest(user_name="member", group_name="holder"))
    assert refused(call) == ("NoPermission", 403)
    detach(ram, "group", "own7")
