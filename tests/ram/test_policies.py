"""Policies and their versions through the vendor's SDK: each operation done, denied, misused, in conflict and at its limit."""

import pytest
from alibabacloud_ram20150501 import models as m

from support import sdk
from support.ram import calls_of, deny_all_but, refused
from support.server import allow, document

READ = document(allow("ram:Get*", "*"))
LIST = document(allow("ram:List*", "*"))
ROTATE = "DeleteOldestNonDefaultVersionWhenLimitExceeded"


@pytest.fixture(scope="module")
def ram(server):
    return sdk.ram(server)


@pytest.fixture
def policy(ram, request):
    """The name of a policy with one version, which is deleted with all its versions after the test."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:100]
    ram.create_policy(m.CreatePolicyRequest(policy_name=name, policy_document=READ, description="reads"))
    yield name
    ram.delete_policy(m.DeletePolicyRequest(policy_name=name, cascading_delete=True))


def get(ram, name, policy_type="Custom"):
    return ram.get_policy(m.GetPolicyRequest(policy_type=policy_type, policy_name=name)).body


def add(ram, name, text=LIST, **fields):
    request = m.CreatePolicyVersionRequest(policy_name=name, policy_document=text, **fields)
    return ram.create_policy_version(request).body.policy_version


def versions(ram, name, policy_type="Custom"):
    request = m.ListPolicyVersionsRequest(policy_type=policy_type, policy_name=name)
    return ram.list_policy_versions(request).body.policy_versions.policy_version


def test_a_policy_is_made_shown_and_deleted(ram):
    odd = READ.replace(" ", "  ")
    made = ram.create_policy(m.CreatePolicyRequest(policy_name="made", policy_document=odd, description="d")).body.policy
    assert (made.policy_name, made.policy_type, made.default_version, made.description) == ("made", "Custom", "v1", "d")
    shown = get(ram, "made")
    # Byte for byte as it was given, in both places.
    assert shown.policy.policy_document == shown.default_policy_version.policy_document == odd
    assert (shown.policy.attachment_count, shown.default_policy_version.version_id) == (0, "v1")
    assert shown.default_policy_version.is_default_version and shown.policy.create_date == made.create_date
    again = lambda: ram.create_policy(m.CreatePolicyRequest(policy_name="made", policy_document=READ))
    assert refused(again) == ("EntityAlreadyExists.Policy", 409)
    ram.delete_policy(m.DeletePolicyRequest(policy_name="made"))
    assert refused(lambda: get(ram, "made")) == ("EntityNotExist.Policy", 404)
    assert refused(lambda: ram.delete_policy(m.DeletePolicyRequest(policy_name="made"))) == ("EntityNotExist.Policy", 404)


def test_a_policy_of_the_system_is_shown_and_never_changed(ram):
    shown = get(ram, "AdministratorAccess", "System")
    assert shown.policy.policy_type == "System" and '"Action":"*"' in shown.policy.policy_document.replace(" ", "")
    name = {"policy_name": "AdministratorAccess"}
    for call in (
        lambda: ram.delete_policy(m.DeletePolicyRequest(**name)), lambda: add(ram, "AdministratorAccess"),
        lambda: ram.update_policy_description(m.UpdatePolicyDescriptionRequest(new_description="x", **name)),
        lambda: ram.set_default_policy_version(m.SetDefaultPolicyVersionRequest(version_id="v1", **name)),
        lambda: ram.delete_policy_version(m.DeletePolicyVersionRequest(version_id="v1", **name)),
    ):  # fmt: skip
        assert refused(call) == ("EntityNotExist.Policy", 404)
    only = versions(ram, "AdministratorAccess", "System")
    request = m.GetPolicyVersionRequest(policy_type="System", version_id=only[0].version_id, **name)
    assert len(only) == 1 and ram.get_policy_version(request).body.policy_version.is_default_version


def test_a_description_is_changed_and_cleared(ram, policy):
    change = lambda text: ram.update_policy_description(m.UpdatePolicyDescriptionRequest(policy_name=policy, new_description=text))
    changed = change("ä" * 1024).body.policy
    assert changed.description == get(ram, policy).policy.description == "ä" * 1024
    assert (changed.policy_name, changed.policy_type, changed.default_version) == (policy, "Custom", "v1")
    assert refused(lambda: change("d" * 1025)) == ("InvalidParameter.NewDescription.Length", 400)
    assert change("").body.policy.description == ""


def test_policies_come_in_pages_the_systems_first(ram):
    for number in range(3):
        ram.create_policy(m.CreatePolicyRequest(policy_name=f"page{number}", policy_document=READ))
    whole = ram.list_policies(m.ListPoliciesRequest(max_items=1000)).body.policies.policy
    names = [(policy.policy_type, policy.policy_name) for policy in whole]
    assert sorted(names, key=lambda one: (one[0] == "Custom", one[1])) == names
    paged, marker = [], None
    while True:
        page = ram.list_policies(m.ListPoliciesRequest(max_items=4, marker=marker)).body
        paged += [(policy.policy_type, policy.policy_name) for policy in page.policies.policy]
        marker = page.marker
        if not page.is_truncated:
            break
    assert paged == names and marker is None
    custom = ram.list_policies(m.ListPoliciesRequest(policy_type="Custom")).body.policies.policy
    assert [policy.policy_name for policy in custom] == [f"page{number}" for number in range(3)]
    for wrong, code in (({"max_items": 1001}, "MaxItems"), ({"policy_type": "Other"}, "PolicyType"), ({"marker": "x"}, "Marker")):
        assert refused(lambda: ram.list_policies(m.ListPoliciesRequest(**wrong))) == (f"InvalidParameter.{code}", 400)
    for number in range(3):
        ram.delete_policy(m.DeletePolicyRequest(policy_name=f"page{number}"))


def test_five_versions_are_the_most_unless_the_oldest_may_go(ram, policy):
    for number in range(2, 6):
        made = add(ram, policy)
        assert (made.version_id, made.is_default_version, made.policy_document) == (f"v{number}", False, LIST)
    assert refused(lambda: add(ram, policy)) == ("LimitExceeded.Policy.Version", 409)
    assert refused(lambda: add(ram, policy, rotate_strategy="None")) == ("LimitExceeded.Policy.Version", 409)
    assert add(ram, policy, rotate_strategy=ROTATE).version_id == "v6"
    # v1 is in force and stays; v2 was the oldest besides.
    assert [version.version_id for version in versions(ram, policy)] == ["v6", "v5", "v4", "v3", "v1"]
    assert add(ram, policy, rotate_strategy=ROTATE, set_as_default=True).is_default_version
    assert [version.version_id for version in versions(ram, policy)] == ["v7", "v6", "v5", "v4", "v1"]
    assert [version.version_id for version in versions(ram, policy) if version.is_default_version] == ["v7"]
    assert refused(lambda: add(ram, policy, rotate_strategy="Any")) == ("InvalidParameter.RotateStrategy", 400)


def test_versions_are_put_in_force_shown_and_deleted(ram, policy):
    add(ram, policy)
    version = lambda number: {"policy_name": policy, "version_id": f"v{number}"}
    shown = ram.get_policy_version(m.GetPolicyVersionRequest(policy_type="Custom", **version(2))).body.policy_version
    assert (shown.policy_document, shown.is_default_version) == (LIST, False)
    ram.set_default_policy_version(m.SetDefaultPolicyVersionRequest(**version(2)))
    assert get(ram, policy).default_policy_version.policy_document == LIST
    in_force = lambda: ram.delete_policy_version(m.DeletePolicyVersionRequest(**version(2)))
    assert refused(in_force) == ("DeleteConflict.Policy.Version.Default", 409)
    ram.delete_policy_version(m.DeletePolicyVersionRequest(**version(1)))
    for call in (
        lambda: ram.delete_policy_version(m.DeletePolicyVersionRequest(**version(1))),
        lambda: ram.set_default_policy_version(m.SetDefaultPolicyVersionRequest(**version(1))),
        lambda: ram.get_policy_version(m.GetPolicyVersionRequest(policy_type="Custom", **version(1))),
    ):
        assert refused(call) == ("EntityNotExist.Policy.Version", 404)
    # A number is never used again.
    assert add(ram, policy).version_id == "v3"


def test_a_policy_with_more_versions_goes_only_with_them(ram):
    ram.create_policy(m.CreatePolicyRequest(policy_name="many", policy_document=READ))
    add(ram, "many")
    assert refused(lambda: ram.delete_policy(m.DeletePolicyRequest(policy_name="many"))) == ("DeleteConflict.Policy.Version", 409)
    ram.delete_policy(m.DeletePolicyRequest(policy_name="many", cascading_delete=True))
    assert refused(lambda: get(ram, "many")) == ("EntityNotExist.Policy", 404)


ONE = {"policy_name": "p", "version_id": "v1"}
CALLS = {
    "create_policy": {"policy_name": "p", "policy_document": READ},
    "get_policy": {"policy_name": "p", "policy_type": "Custom"},
    "list_policies": {},
    "update_policy_description": {"policy_name": "p", "new_description": "d"},
    "delete_policy": {"policy_name": "p"},
    "create_policy_version": {"policy_name": "p", "policy_document": READ},
    "get_policy_version": ONE | {"policy_type": "Custom"},
    "set_default_policy_version": ONE,
    "delete_policy_version": ONE,
    "list_policy_versions": {"policy_name": "p", "policy_type": "Custom"},
}


@pytest.mark.parametrize("call", CALLS)
def test_each_operation_needs_its_right_and_its_parameters(server, ram, call):
    calls_of(server, call, CALLS[call])


@pytest.mark.parametrize("name, code", [
    ("a_b", "InvalidParameter.PolicyName.InvalidChars"), ("a.b", "InvalidParameter.PolicyName.InvalidChars"),
    ("p" * 129, "InvalidParameter.PolicyName.Length"),
])  # fmt: skip
def test_names_have_their_rule(ram, name, code):
    create = lambda: ram.create_policy(m.CreatePolicyRequest(policy_name=name, policy_document=READ))
    assert refused(create) == (code, 400) and refused(lambda: get(ram, name)) == (code, 400)


@pytest.mark.parametrize("text, code", [
    ("{", "MalformedPolicyDocument"), ('{"Version":"1"}', "MalformedPolicyDocument"),
    ('{"Version":"2","Statement":[]}', "MalformedPolicyDocument"),
    (document(allow("ram:Get*", "*")) + " " * 6144, "InvalidParameter.PolicyDocument.Length"),
])  # fmt: skip
def test_documents_have_their_rule(ram, policy, text, code):
    create = lambda: ram.create_policy(m.CreatePolicyRequest(policy_name="bad", policy_document=text))
    assert refused(create) == (code, 400) and refused(lambda: add(ram, policy, text)) == (code, 400)


@pytest.mark.parametrize("version", ["1", "v0", "v01", "vx", "v-1"])
def test_a_version_has_its_form(ram, policy, version):
    fields = {"policy_name": policy, "version_id": version}
    for call in (
        lambda: ram.get_policy_version(m.GetPolicyVersionRequest(policy_type="Custom", **fields)),
        lambda: ram.set_default_policy_version(m.SetDefaultPolicyVersionRequest(**fields)),
        lambda: ram.delete_policy_version(m.DeletePolicyVersionRequest(**fields)),
    ):
        assert refused(call) == ("InvalidParameter.VersionId.Format", 400)


def test_long_texts_are_refused(ram, policy):
    long = lambda: ram.create_policy(m.CreatePolicyRequest(policy_name="long", policy_document=READ, description="d" * 1025))
    assert refused(long) == ("InvalidParameter.Description.Length", 400)


def test_a_policy_is_asked_by_its_name(server, ram, policy):
    half = deny_all_but(server, "half-policy", ["ram:*Policy*"], [f"policy/{policy}"])
    add(half, policy)
    for call in (lambda: get(half, "AdministratorAccess", "System"), lambda: get(half, "other"), lambda: add(half, "other")):
        assert refused(call) == ("NoPermission", 403)
