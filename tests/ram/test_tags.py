"""Tags of policies through the vendor's SDK, and conditions on the tags that a request gives."""

import json

import pytest
from alibabacloud_ram20150501 import models as m

from support import sdk
from support.ram import calls_of, deny_all_but, refused
from support.server import ACCOUNT, allow, document

READ = document(allow("ram:Get*", "*"))


def tags(**pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def create(ram, name, tags=None):
    given = [m.CreatePolicyRequestTag(key=tag["Key"], value=tag["Value"]) for tag in tags or []] or None
    return ram.create_policy(m.CreatePolicyRequest(policy_name=name, policy_document=READ, tag=given))


def tag(ram, names, tags, kind="policy"):
    given = [m.TagResourcesRequestTag(key=tag["Key"], value=tag.get("Value")) for tag in tags]
    return ram.tag_resources(m.TagResourcesRequest(resource_type=kind, resource_names=names, tag=given))


def untag(ram, names, keys=None, every=None, kind="policy"):
    fields = {"resource_type": kind, "resource_names": names, "tag_keys": keys, "all": every}
    return ram.untag_resources(m.UntagResourcesRequest(**fields))


def listed(ram, names=None, kind="policy", filter=None, **page):
    given = [m.ListTagResourcesRequestTag(key=tag["Key"], value=tag.get("Value")) for tag in filter or []] or None
    fields = {"resource_type": kind, "resource_names": names, "tag": given, **page}
    body = ram.list_tag_resources(m.ListTagResourcesRequest(**fields)).body
    assert all(one.resource_type == kind for one in body.tag_resources)
    return [(one.resource_name, one.tag_key, one.tag_value) for one in body.tag_resources], body.next_token


@pytest.fixture(scope="module")
def ram(server):
    client = sdk.ram(server)
    create(client, "first", tags(team="dev", stage="test"))
    create(client, "second")
    return client


@pytest.fixture(autouse=True)
def as_before(ram):
    """Each test begins with the tags of `first` alone."""
    untag(ram, ["first", "second"], every=True)
    tag(ram, ["first"], tags(team="dev", stage="test"))


def test_tags_are_given_replaced_listed_and_taken(ram):
    assert listed(ram)[0] == [("first", "stage", "test"), ("first", "team", "dev")]
    tag(ram, ["first", "second"], tags(team="ops", empty=""))
    assert listed(ram, ["first"])[0] == [("first", "empty", ""), ("first", "stage", "test"), ("first", "team", "ops")]
    assert listed(ram, ["second", "absent"])[0] == [("second", "empty", ""), ("second", "team", "ops")]
    untag(ram, ["first", "second"], ["empty", "absent"])
    untag(ram, ["first"], ["team"], every=True)
    assert listed(ram)[0] == [("first", "stage", "test"), ("second", "team", "ops")]
    untag(ram, ["first"], every=True)
    assert listed(ram)[0] == [("second", "team", "ops")]
    assert listed(ram, kind="role")[0] == []


def test_a_roles_tags_are_its_own(ram):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"RAM": f"acs:ram::{ACCOUNT}:root"}}
    ram.create_role(m.CreateRoleRequest(role_name="first", assume_role_policy_document=document(statement)))
    tag(ram, ["first"], tags(team="roles"), kind="role")
    assert listed(ram, kind="role")[0] == [("first", "team", "roles")]
    assert listed(ram, ["first"])[0] == [("first", "stage", "test"), ("first", "team", "dev")]
    untag(ram, ["first"], ["team"], kind="role")
    assert listed(ram, ["first"], kind="role")[0] == []
    ram.delete_role(m.DeleteRoleRequest(role_name="first"))


def test_a_filter_means_all_of_its_tags(ram):
    tag(ram, ["second"], tags(team="dev"))
    assert {name for name, *_ in listed(ram, filter=[{"Key": "team"}])[0]} == {"first", "second"}
    assert {name for name, *_ in listed(ram, filter=tags(team="dev", stage="test"))[0]} == {"first"}
    assert listed(ram, filter=tags(team="ops"))[0] == []
    assert listed(ram, ["second"], filter=tags(team="dev"))[0] == [("second", "team", "dev")]


def test_tags_come_in_pages_of_at_most_100(ram):
    first, token = listed(ram, page_size=1)
    rest, end = listed(ram, page_size=100, next_token=token)
    assert (first, rest, end) == ([("first", "stage", "test")], [("first", "team", "dev")], None)
    for wrong in (0, 101):
        assert refused(lambda: listed(ram, page_size=wrong)) == ("InvalidParameter.PageSize", 400)
    assert refused(lambda: listed(ram, next_token="x")) == ("InvalidParameter.NextToken", 400)


def test_policies_are_listed_by_tag_and_with_their_tags(ram):
    def policies(filter=None, **fields):
        given = [m.ListPoliciesRequestTag(key=tag["Key"], value=tag.get("Value")) for tag in filter or []] or None
        return ram.list_policies(m.ListPoliciesRequest(tag=given, **fields)).body.policies.policy

    shown = {policy.policy_name: policy for policy in policies(max_items=1000)}
    assert [(tag.tag_key, tag.tag_value) for tag in shown["first"].tags.tag] == [("stage", "test"), ("team", "dev")]
    assert shown["second"].tags.tag == [] and shown["ReadOnlyAccess"].tags.tag == []
    assert [policy.policy_name for policy in policies(tags(team="dev"))] == ["first"]
    assert [policy.policy_name for policy in policies([{"Key": "stage"}], policy_type="Custom")] == ["first"]
    assert policies(tags(team="dev"), policy_type="System") == []


def test_tags_go_with_their_policy(ram):
    create(ram, "brief", tags(team="dev"))
    assert ("brief", "team", "dev") in listed(ram)[0]
    ram.delete_policy(m.DeletePolicyRequest(policy_name="brief"))
    assert listed(ram, ["brief"])[0] == []
    create(ram, "brief")
    assert listed(ram, ["brief"])[0] == []
    ram.delete_policy(m.DeletePolicyRequest(policy_name="brief"))


def test_twenty_tags_are_the_most_and_none_is_given_beyond(ram):
    tag(ram, ["second"], [{"Key": f"k{number}"} for number in range(20)])
    assert refused(lambda: tag(ram, ["first", "second"], tags(one_more=""))) == ("LimitExceeded.Tag", 409)
    assert [key for _, key, _ in listed(ram, ["first"])[0]] == ["stage", "team"]
    tag(ram, ["second"], [{"Key": "k0", "Value": "new"}])
    many = [{"Key": f"k{number}"} for number in range(21)]
    assert refused(lambda: tag(ram, ["first"], many)) == ("InvalidParameter.Tag", 400)
    assert refused(lambda: create(ram, "many", [one | {"Value": ""} for one in many])) == ("InvalidParameter.Tag", 400)
    names = [f"p{number}" for number in range(51)]
    assert refused(lambda: tag(ram, names, tags(k="v"))) == ("InvalidParameter.ResourceNames", 400)


@pytest.mark.parametrize("call, needs", [
    ("tag_resources", {"resource_type": "policy", "resource_names": ["first"], "tag": [m.TagResourcesRequestTag(key="k", value="v")]}),
    ("untag_resources", {"resource_type": "policy", "resource_names": ["first"], "tag_keys": ["k"]}),
    ("list_tag_resources", {"resource_type": "policy"}),
])  # fmt: skip
def test_each_operation_needs_its_right_and_its_parameters(server, ram, call, needs):
    calls_of(server, call, needs)


def test_what_is_absent_or_misspelt_is_refused(server, ram):
    assert refused(lambda: tag(ram, ["first", "absent"], tags(k="v"))) == ("EntityNotExist.Policy", 404)
    assert refused(lambda: untag(ram, ["absent"], every=True)) == ("EntityNotExist.Policy", 404)
    assert refused(lambda: tag(ram, ["absent"], tags(k="v"), kind="role")) == ("EntityNotExist.Role", 404)
    assert refused(lambda: tag(ram, ["first"], tags(k="v"), kind="user")) == ("InvalidParameter.ResourceType", 400)
    assert refused(lambda: tag(ram, ["a/b"], tags(k="v")))[0] == "InvalidParameter.ResourceNames.InvalidChars"
    assert refused(lambda: tag(ram, ["first"], tags(a="", A=""))) == ("InvalidParameter.Tag", 400)
    assert refused(lambda: tag(ram, ["first"], [{"Key": "k" * 129}])) == ("InvalidParameter.Tag.Length", 400)
    assert refused(lambda: tag(ram, ["first"], tags(k="v" * 257))) == ("InvalidParameter.Tag.Length", 400)
    for text in ("{", "{}", "[1]", json.dumps([{"Value": "v"}])):
        fields = {"ResourceType": "policy", "ResourceNames": '["first"]', "Tag": text}
        assert server.api("ram", "TagResources", check=False, **fields)[0] == "InvalidParameter.Tag"
    assert listed(ram)[0] == [("first", "stage", "test"), ("first", "team", "dev")]


def test_each_named_policy_is_asked(server, ram):
    actions = ["ram:TagResources", "ram:UntagResources", "ram:ListTagResources"]
    half = deny_all_but(server, "half-tags", actions, ["policy/first"])
    tag(half, ["first"], tags(mine=""))
    assert [key for _, key, _ in listed(half, ["first"])[0]] == ["mine", "stage", "team"]
    untag(half, ["first"], ["mine"])
    for call in (
        lambda: tag(half, ["first", "second"], tags(mine="")), lambda: untag(half, ["second", "first"], ["mine"]),
        lambda: listed(half, ["first", "second"]), lambda: listed(half), lambda: tag(half, ["first"], tags(mine=""), kind="role"),
    ):  # fmt: skip
        assert refused(call) == ("NoPermission", 403)


def test_conditions_read_the_tags_that_a_request_gives(server, ram):
    key = server.new_user("tagger")
    mine = allow(["ram:CreatePolicy", "ram:TagResources"], f"acs:ram:*:{ACCOUNT}:policy/*")
    server.grant("tagger", "tagger", mine | {"Condition": {"StringEquals": {"acs:RequestTag/team": "dev"}}})
    client = sdk.ram(server, key)
    create(client, "tagged", tags(team="dev", other="x"))
    tag(client, ["tagged", "second"], tags(team="dev"))
    for call in (
        lambda: create(client, "not"), lambda: create(client, "not", tags(team="ops")), lambda: create(client, "not", tags(other="dev")),
        lambda: tag(client, ["second"], tags(team="ops")), lambda: tag(client, ["second"], tags(other="dev")),
    ):  # fmt: skip
        assert refused(call) == ("NoPermission", 403)
