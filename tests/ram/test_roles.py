"""Roles and service-linked roles, by the vendor's SDK: done, denied, wrong, in conflict, at the limit."""

import json

import pytest
from alibabacloud_ram20150501 import models as m
from alibabacloud_sts20150401 import models as s

from support import sdk
from support.server import ACCOUNT, ALIAS, allow, document

TRUST = json.dumps(
    {"Version": "1", "Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"RAM": f"acs:ram::{ACCOUNT}:root"}}]}
)  # fmt: skip
# Blanks, the order of members and a list of one are the account's own; a reply has them as they came.
ODD = TRUST.replace('"sts:AssumeRole"', '[ "sts:AssumeRole" ]').replace("{", "{ ", 1) + "\n"
SERVICE = "core-rule-engine.mqtt.aliyuncs.com"
LINKED = "AliyunServiceRoleForMqttCoreRuleEngine"


def trust(principal, **more):
    statement = {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": principal} | more
    return json.dumps({"Version": "1", "Statement": [statement]})


def make(ram, name, document=TRUST, **more):
    request = m.CreateRoleRequest(role_name=name, assume_role_policy_document=document, **more)
    return ram.create_role(request).body.role


@pytest.fixture(scope="module")
def ram(server):
    return sdk.ram(server)


@pytest.fixture(scope="module")
def nobody(server):
    """A user without any right."""
    return sdk.ram(server, server.new_user("nobody"))


def test_a_role_is_made_shown_changed_and_deleted(ram):
    role = make(ram, "reader", ODD, description="reads", max_session_duration=7200)
    assert (role.role_name, role.arn, role.max_session_duration) == ("reader", f"acs:ram::{ACCOUNT}:role/reader", 7200)
    assert role.assume_role_policy_document == ODD and role.allow_console_login is True and len(role.role_id) == 18
    shown = ram.get_role(m.GetRoleRequest(role_name="reader")).body.role
    assert shown.assume_role_policy_document == ODD and shown.is_service_linked_role is False
    assert shown.role_principal_name == f"reader@role.{ALIAS}.onaliyunservice.com"
    change = m.UpdateRoleRequest(
        role_name="reader", new_assume_role_policy_document=TRUST, new_description="r", new_max_session_duration=3600,
        new_allow_console_login=False,
    )  # fmt: skip
    changed = ram.update_role(change).body.role
    assert (changed.assume_role_policy_document, changed.description) == (TRUST, "r")
    assert (changed.max_session_duration, changed.allow_console_login) == (3600, False)
    kept = ram.update_role(m.UpdateRoleRequest(role_name="reader", new_description="s")).body.role
    assert (kept.assume_role_policy_document, kept.description, kept.role_id) == (TRUST, "s", role.role_id)
    ram.delete_role(m.DeleteRoleRequest(role_name="reader"))
    assert sdk.code_of(lambda: ram.get_role(m.GetRoleRequest(role_name="reader"))) == ("EntityNotExist.Role", 404)


def test_roles_are_listed_in_pages(ram):
    for n in range(3):
        make(ram, f"page.{n}")
    first = ram.list_roles(m.ListRolesRequest(max_items=2)).body
    assert first.is_truncated and [role.role_name for role in first.roles.role] == ["page.0", "page.1"]
    rest = ram.list_roles(m.ListRolesRequest(max_items=2, marker=first.marker)).body
    assert "page.2" in [role.role_name for role in rest.roles.role]
    assert sdk.code_of(lambda: ram.list_roles(m.ListRolesRequest(max_items=1001))) == ("InvalidParameter.MaxItems", 400)
    assert sdk.code_of(lambda: ram.list_roles(m.ListRolesRequest(marker="x"))) == ("InvalidParameter.Marker", 400)
    for n in range(3):
        ram.delete_role(m.DeleteRoleRequest(role_name=f"page.{n}"))


def test_roles_have_tags_from_the_beginning_and_are_listed_by_them(ram):
    given = [m.CreateRoleRequestTag(key="team", value="dev"), m.CreateRoleRequestTag(key="stage", value="test")]
    make(ram, "tagged", tag=given)
    make(ram, "untagged")
    by = lambda *pairs: ram.list_roles(m.ListRolesRequest(tag=[m.ListRolesRequestTag(key=k, value=v) for k, v in pairs])).body
    found = by(("team", "dev"), ("stage", None)).roles.role
    assert [role.role_name for role in found] == ["tagged"]
    assert [(tag.tag_key, tag.tag_value) for tag in found[0].tags.tag] == [("stage", "test"), ("team", "dev")]
    assert by(("team", "ops")).roles.role == []
    ram.delete_role(m.DeleteRoleRequest(role_name="tagged"))
    make(ram, "tagged")
    assert by(("team", "dev")).roles.role == []


def test_whoever_has_no_right_is_refused_each_operation(ram, nobody):
    make(ram, "guarded")
    calls = [
        lambda: make(nobody, "mine"),
        lambda: nobody.get_role(m.GetRoleRequest(role_name="guarded")),
        lambda: nobody.get_role(m.GetRoleRequest(role_name="absent")),
        lambda: nobody.update_role(m.UpdateRoleRequest(role_name="guarded", new_description="x")),
        lambda: nobody.list_roles(m.ListRolesRequest()),
        lambda: nobody.delete_role(m.DeleteRoleRequest(role_name="guarded")),
        lambda: nobody.create_service_linked_role(m.CreateServiceLinkedRoleRequest(service_name=SERVICE)),
        lambda: nobody.delete_service_linked_role(m.DeleteServiceLinkedRoleRequest(role_name=LINKED)),
        lambda: nobody.get_service_linked_role_template(m.GetServiceLinkedRoleTemplateRequest(service_name=SERVICE)),
    ]
    for call in calls:
        assert sdk.code_of(call) == ("NoPermission", 403)


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("MissingRoleName", {"role_name": None}),
        ("InvalidParameter.RoleName.InvalidChars", {"role_name": "a_b"}),
        ("InvalidParameter.RoleName.Length", {"role_name": "a" * 65}),
        ("InvalidParameter.RoleName.Format", {"role_name": "AliyunServiceRoleForMine"}),
        ("MissingAssumeRolePolicyDocument", {"assume_role_policy_document": None}),
        ("MalformedPolicyDocument", {"assume_role_policy_document": "{}"}),
        ("MalformedPolicyDocument", {"assume_role_policy_document": document(allow("sts:AssumeRole", "*"))}),
        ("MalformedPolicyDocument", {"assume_role_policy_document": trust({"RAM": "acs:ram::123:root"})}),
        ("MalformedPolicyDocument", {"assume_role_policy_document": trust({"Service": "x"})}),
        ("MalformedPolicyDocument", {"assume_role_policy_document": trust({"Federated": "corp"})}),
        ("InvalidParameter.AssumeRolePolicyDocument.Length", {"assume_role_policy_document": TRUST + " " * 6144}),
        ("InvalidParameter.Description.Length", {"description": "d" * 1025}),
        ("InvalidParameter.MaxSessionDuration", {"max_session_duration": 3599}),
        ("InvalidParameter.MaxSessionDuration", {"max_session_duration": 43201}),
    ],
)
def test_a_role_that_breaks_a_rule_is_refused(ram, code, request_):
    fields = {"role_name": "wrong", "assume_role_policy_document": TRUST} | request_
    assert sdk.code_of(lambda: ram.create_role(m.CreateRoleRequest(**fields))) == (code, 400)
    assert sdk.code_of(lambda: ram.get_role(m.GetRoleRequest(role_name="wrong")))[0] == "EntityNotExist.Role"


def test_an_update_that_breaks_a_rule_changes_nothing(ram):
    make(ram, "steady")
    update = lambda **new: sdk.code_of(lambda: ram.update_role(m.UpdateRoleRequest(role_name="steady", **new)))
    assert update(new_assume_role_policy_document="[]") == ("MalformedPolicyDocument", 400)
    too_long = TRUST + " " * 6144
    assert update(new_assume_role_policy_document=too_long) == ("InvalidParameter.NewAssumeRolePolicyDocument.Length", 400)
    assert update(new_max_session_duration=1) == ("InvalidParameter.NewMaxSessionDuration", 400)
    assert update(new_description="d" * 1025) == ("InvalidParameter.NewDescription.Length", 400)
    absent = m.UpdateRoleRequest(role_name="absent", new_description="x")
    assert sdk.code_of(lambda: ram.update_role(absent)) == ("EntityNotExist.Role", 404)
    assert ram.get_role(m.GetRoleRequest(role_name="steady")).body.role.assume_role_policy_document == TRUST


def test_whom_a_trust_policy_names_in_the_account_must_be_there(server, ram):
    server.api("ram", "CreateUser", UserName="trusted")
    make(ram, "of-trusted", trust({"RAM": [f"acs:ram::{ACCOUNT}:user/trusted", f"acs:ram::{ACCOUNT}:root"]}))
    make(ram, "of-role", trust({"RAM": f"acs:ram:*:{ACCOUNT}:role/of-trusted"}))
    for name in ("user/ghost", "role/ghost", "saml-provider/ghost"):
        kind = "Federated" if "provider" in name else "RAM"
        ghost = trust({kind: f"acs:ram::{ACCOUNT}:{name}"})
        assert sdk.code_of(lambda: make(ram, "of-ghost", ghost)) == ("MalformedPolicyDocument", 400)
        update = m.UpdateRoleRequest(role_name="of-role", new_assume_role_policy_document=ghost)
        assert sdk.code_of(lambda: ram.update_role(update)) == ("MalformedPolicyDocument", 400)
    # Another account's are not looked up: the answer would tell whom it has.
    make(ram, "of-another", trust({"RAM": "acs:ram::9999999999999999:user/whoever"}))


def test_conflicts_name_what_stands_against_it(ram):
    make(ram, "taken")
    assert sdk.code_of(lambda: make(ram, "taken")) == ("EntityAlreadyExists.Role", 409)
    assert sdk.code_of(lambda: ram.delete_role(m.DeleteRoleRequest(role_name="absent"))) == ("EntityNotExist.Role", 404)


def test_a_service_linked_role_is_its_services(ram):
    template = ram.get_service_linked_role_template(m.GetServiceLinkedRoleTemplateRequest(service_name=SERVICE))
    template = template.body.service_linked_role_template
    assert (template.role_name_prefix, template.multiple_roles_allowed) == (LINKED, False)
    role = ram.create_service_linked_role(m.CreateServiceLinkedRoleRequest(service_name=SERVICE)).body.role
    assert role.role_name == LINKED and role.is_service_linked_role is True
    assert json.loads(role.assume_role_policy_document)["Statement"][0]["Principal"] == {"Service": [SERVICE]}
    again = lambda: ram.create_service_linked_role(m.CreateServiceLinkedRoleRequest(service_name=SERVICE))
    assert sdk.code_of(again) == ("EntityAlreadyExists.Role", 409)
    for call in (
        lambda: ram.update_role(m.UpdateRoleRequest(role_name=LINKED, new_description="mine")),
        lambda: ram.delete_role(m.DeleteRoleRequest(role_name=LINKED)),
    ):
        assert sdk.code_of(call) == ("NotSupport.ServiceLinkedRole", 400)
    task = ram.delete_service_linked_role(m.DeleteServiceLinkedRoleRequest(role_name=LINKED)).body.deletion_task_id
    assert task.startswith(f"task/acs-service-role/{SERVICE}/{LINKED}/")
    gone = lambda: ram.delete_service_linked_role(m.DeleteServiceLinkedRoleRequest(role_name=LINKED))
    assert sdk.code_of(gone) == ("EntityNotExist.Role", 404)
    make(ram, "own")
    own = lambda: ram.delete_service_linked_role(m.DeleteServiceLinkedRoleRequest(role_name="own"))
    assert sdk.code_of(own) == ("EntityNotExist.ServiceLinkedRole", 404)


def test_services_and_suffixes_have_rules(ram):
    make_linked = lambda **fields: ram.create_service_linked_role(m.CreateServiceLinkedRoleRequest(**fields)).body.role
    several, prefix = "disaster-recovery.rmq.aliyuncs.com", "AliyunServiceRoleForRMQDisasterRecovery"
    name = f"{prefix}_east.1-a"
    role = make_linked(service_name=several, custom_suffix="east.1-a", description="d")
    assert (role.role_name, role.arn) == (name, f"acs:ram::{ACCOUNT}:role/{name}")
    assert ram.get_role(m.GetRoleRequest(role_name=name)).body.role.role_id == role.role_id
    assert name in [one.role_name for one in ram.list_roles(m.ListRolesRequest(max_items=1000)).body.roles.role]
    wrong = [
        ("InvalidParameter.CustomSuffix.Length", {"service_name": several, "custom_suffix": "s" * (64 - len(prefix))}),
        ("InvalidParameter.ServiceName", {"service_name": "nowhere.example.com"}),
        ("MissingServiceName", {}),
        ("InvalidParameter.CustomSuffix.NotAllowed", {"service_name": SERVICE, "custom_suffix": "x"}),
        ("InvalidParameter.CustomSuffix.InvalidChars", {"service_name": several, "custom_suffix": "a_b"}),
    ]
    for code, fields in wrong:
        assert sdk.code_of(lambda fields=fields: make_linked(**fields)) == (code, 400)
    update = lambda: ram.update_role(m.UpdateRoleRequest(role_name=name, new_description="mine"))
    assert sdk.code_of(update) == ("NotSupport.ServiceLinkedRole", 400)
    task = ram.delete_service_linked_role(m.DeleteServiceLinkedRoleRequest(role_name=name)).body.deletion_task_id
    assert task.startswith(f"task/acs-service-role/{several}/{name}/")
    unknown = m.GetServiceLinkedRoleTemplateRequest(service_name="nowhere.example.com")
    assert sdk.code_of(lambda: ram.get_service_linked_role_template(unknown)) == ("InvalidParameter.ServiceName", 400)


def test_a_condition_names_the_service_whose_role_may_be_made(server):
    only = allow("ram:*ServiceLinkedRole*", "*") | {"Condition": {"StringEquals": {"ram:ServiceName": SERVICE}}}
    ram = sdk.ram(server, server.new_user("linker", only))
    ram.create_service_linked_role(m.CreateServiceLinkedRoleRequest(service_name=SERVICE))
    other = m.CreateServiceLinkedRoleRequest(service_name="ons.aliyuncs.com")
    assert sdk.code_of(lambda: ram.create_service_linked_role(other)) == ("NoPermission", 403)
    other = m.DeleteServiceLinkedRoleRequest(role_name="AliyunServiceRoleForOns")
    assert sdk.code_of(lambda: ram.delete_service_linked_role(other)) == ("NoPermission", 403)
    ram.delete_service_linked_role(m.DeleteServiceLinkedRoleRequest(role_name=LINKED))


def test_policies_and_trust_policies_name_a_role_with_a_suffix(server, ram):
    name, other = (f"AliyunServiceRoleForRMQDisasterRecovery_{suffix}" for suffix in ("named", "other"))
    for suffix in ("named", "other"):
        service = "disaster-recovery.rmq.aliyuncs.com"
        ram.create_service_linked_role(m.CreateServiceLinkedRoleRequest(service_name=service, custom_suffix=suffix))
    arn = f"acs:ram::{ACCOUNT}:role/{name}"
    key = server.new_user("suffixed", allow("ram:GetRole", f"acs:ram:*:{ACCOUNT}:role/{name}"), allow("sts:AssumeRole", "*"))
    only = sdk.ram(server, key)
    assert only.get_role(m.GetRoleRequest(role_name=name)).body.role.arn == arn
    assert sdk.code_of(lambda: only.get_role(m.GetRoleRequest(role_name=other))) == ("NoPermission", 403)
    # Its service alone may assume it.
    wish = s.AssumeRoleRequest(role_arn=arn, role_session_name="s1")
    assert sdk.code_of(lambda: sdk.sts(server, key).assume_role(wish)) == ("NoPermission", 403)
    make(ram, "trusts-a-service", trust({"RAM": arn}))
    ram.delete_role(m.DeleteRoleRequest(role_name="trusts-a-service"))
    for one in (name, other):
        ram.delete_service_linked_role(m.DeleteServiceLinkedRoleRequest(role_name=one))


def test_names_that_differ_in_case_are_two_roles(ram):
    assert len({make(ram, name).role_id for name in ("cased", "Cased")}) == 2
    for name in ("cased", "Cased"):
        assert ram.get_role(m.GetRoleRequest(role_name=name)).body.role.role_name == name
        ram.delete_role(m.DeleteRoleRequest(role_name=name))


def test_an_account_has_1000_roles_and_no_more(ram):
    have = len(ram.list_roles(m.ListRolesRequest(max_items=1000)).body.roles.role)
    for n in range(have, 1000):
        make(ram, f"many-{n}")
    assert sdk.code_of(lambda: make(ram, "one-too-many")) == ("LimitExceeded.Role", 409)
    linked = m.CreateServiceLinkedRoleRequest(service_name="ons.aliyuncs.com")
    assert sdk.code_of(lambda: ram.create_service_linked_role(linked)) == ("LimitExceeded.Role", 409)
    ram.delete_role(m.DeleteRoleRequest(role_name="many-999"))
    make(ram, "many-999")
