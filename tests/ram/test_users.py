"""Users and their AccessKeys through the vendor's SDK: each operation done, denied, misused, in conflict and at its limit."""

import pytest
from alibabacloud_ram20150501 import models as m

from support import sdk
from support.ram import calls_of, deny_all_but, nobody, refused
from support.server import ACCOUNT, ROOT_KEY, allow


@pytest.fixture(scope="module")
def ram(server):
    client = sdk.ram(server)
    client.create_user(m.CreateUserRequest(user_name="alice"))
    return client


def get(ram, name):
    return ram.get_user(m.GetUserRequest(user_name=name)).body.user


def keys(ram, name=None):
    return ram.list_access_keys(m.ListAccessKeysRequest(user_name=name)).body.access_keys.access_key


FIELDS = {"display_name": "Näme 王 O-1_@.", "mobile_phone": "86-18600008888", "email": "a@example.com", "comments": "c"}


def test_a_user_has_the_fields_that_it_was_given(ram):
    made = ram.create_user(m.CreateUserRequest(user_name="a.b_c-1", **FIELDS)).body.user
    assert {name: getattr(made, name) for name in FIELDS} == FIELDS and len(made.user_id) == 18
    shown = get(ram, "a.b_c-1")
    assert {name: getattr(shown, name) for name in FIELDS} == FIELDS
    assert (shown.user_id, shown.create_date, shown.last_login_date) == (made.user_id, made.create_date, "")
    new = {f"new_{name}": value for name, value in (FIELDS | {"display_name": "Other", "comments": "d"}).items()}
    changed = ram.update_user(m.UpdateUserRequest(user_name="a.b_c-1", new_user_name="renamed", **new)).body.user
    assert (changed.user_id, changed.user_name, changed.display_name, changed.comments) == (made.user_id, "renamed", "Other", "d")
    assert refused(lambda: get(ram, "a.b_c-1")) == ("EntityNotExist.User", 404)
    ram.delete_user(m.DeleteUserRequest(user_name="renamed"))
    assert refused(lambda: ram.delete_user(m.DeleteUserRequest(user_name="renamed"))) == ("EntityNotExist.User", 404)


def test_a_name_is_taken_once(ram):
    ram.create_user(m.CreateUserRequest(user_name="once"))
    assert refused(lambda: ram.create_user(m.CreateUserRequest(user_name="once"))) == ("EntityAlreadyExists.User", 409)
    rename = lambda: ram.update_user(m.UpdateUserRequest(user_name="once", new_user_name="alice"))
    assert refused(rename) == ("EntityAlreadyExists.User", 409)
    ram.delete_user(m.DeleteUserRequest(user_name="once"))


def test_names_that_differ_in_case_are_two_users(server, ram):
    one, two = (ram.create_user(m.CreateUserRequest(user_name=name)).body.user for name in ("cased", "Cased"))
    assert one.user_id != two.user_id and get(ram, "cased").user_id == one.user_id and get(ram, "Cased").user_id == two.user_id
    only = deny_all_but(server, "case-reader", ["ram:GetUser"], ["user/cased"])
    assert get(only, "cased").user_id == one.user_id
    assert refused(lambda: get(only, "Cased")) == ("NoPermission", 403)
    for name in ("cased", "Cased"):
        ram.delete_user(m.DeleteUserRequest(user_name=name))
    assert refused(lambda: get(ram, "CASED")) == ("EntityNotExist.User", 404)


def test_an_address_and_comments_may_be_as_long_as_they_are_said_to_be(ram):
    fields = {"email": "e" * 242 + "@example.com", "mobile_phone": "86-" + "1" * 29, "comments": "a\nb\t" + "c" * 124, "display_name": "d" * 128}
    made = ram.create_user(m.CreateUserRequest(user_name="long", **fields)).body.user
    assert {name: getattr(made, name) for name in fields} == fields
    ram.delete_user(m.DeleteUserRequest(user_name="long"))


def test_what_hangs_on_a_user_keeps_it(ram):
    user = {"user_name": "busy"}
    ram.create_user(m.CreateUserRequest(**user))
    delete = lambda: ram.delete_user(m.DeleteUserRequest(**user))
    key = ram.create_access_key(m.CreateAccessKeyRequest(**user)).body.access_key.access_key_id
    assert refused(delete) == ("DeleteConflict.User.AccessKey", 409)
    ram.delete_access_key(m.DeleteAccessKeyRequest(user_access_key_id=key, **user))
    ram.create_login_profile(m.CreateLoginProfileRequest(password="a-good-password-1", **user))
    assert refused(delete) == ("DeleteConflict.User.LoginProfile", 409)
    ram.delete_login_profile(m.DeleteLoginProfileRequest(**user))
    ram.create_group(m.CreateGroupRequest(group_name="busy"))
    ram.add_user_to_group(m.AddUserToGroupRequest(group_name="busy", **user))
    assert refused(delete) == ("DeleteConflict.User.Group", 409)
    ram.remove_user_from_group(m.RemoveUserFromGroupRequest(group_name="busy", **user))
    policy = {"policy_type": "System", "policy_name": "ReadOnlyAccess"} | user
    ram.attach_policy_to_user(m.AttachPolicyToUserRequest(**policy))
    assert refused(delete) == ("DeleteConflict.User.Policy", 409)
    ram.detach_policy_from_user(m.DetachPolicyFromUserRequest(**policy))
    delete()


def test_users_come_in_pages_by_name(ram):
    for number in range(3):
        ram.create_user(m.CreateUserRequest(user_name=f"page{number}"))
    names, marker = [], None
    while True:
        page = ram.list_users(m.ListUsersRequest(max_items=2, marker=marker)).body
        names += [user.user_name for user in page.users.user]
        marker = page.marker
        if not page.is_truncated:
            break
    assert names == sorted(names) and {"page0", "page1", "page2"} <= set(names) and marker is None
    for wrong, code in (({"max_items": 0}, "MaxItems"), ({"max_items": 1001}, "MaxItems"), ({"marker": "x"}, "Marker")):
        assert refused(lambda: ram.list_users(m.ListUsersRequest(**wrong))) == (f"InvalidParameter.{code}", 400)
    for number in range(3):
        ram.delete_user(m.DeleteUserRequest(user_name=f"page{number}"))


def test_keys_are_made_switched_listed_and_deleted(ram):
    made = [ram.create_access_key(m.CreateAccessKeyRequest(user_name="alice")).body.access_key for _ in range(2)]
    assert all(key.status == "Active" and len(key.access_key_secret) == 30 for key in made)
    third = lambda: ram.create_access_key(m.CreateAccessKeyRequest(user_name="alice"))
    assert refused(third) == ("LimitExceeded.User.AccessKey", 409)
    one = {"user_name": "alice", "user_access_key_id": made[0].access_key_id}
    ram.update_access_key(m.UpdateAccessKeyRequest(status="Inactive", **one))
    assert {key.access_key_id: key.status for key in keys(ram, "alice")} == {
        made[0].access_key_id: "Inactive", made[1].access_key_id: "Active",
    }  # fmt: skip
    wrong = lambda: ram.update_access_key(m.UpdateAccessKeyRequest(status="active", **one))
    assert refused(wrong) == ("InvalidParameter.Status", 400)
    for key in made:
        ram.delete_access_key(m.DeleteAccessKeyRequest(user_name="alice", user_access_key_id=key.access_key_id))
    for call in (
        lambda: ram.delete_access_key(m.DeleteAccessKeyRequest(**one)),
        lambda: ram.update_access_key(m.UpdateAccessKeyRequest(status="Active", **one)),
        # Of somebody else: a key is its owner's alone.
        lambda: ram.delete_access_key(m.DeleteAccessKeyRequest(user_name="alice", user_access_key_id=ROOT_KEY)),
    ):
        assert refused(call) == ("EntityNotExist.User.AccessKey", 404)


def test_without_a_name_keys_are_the_callers_own(server, ram):
    assert [key.access_key_id for key in keys(ram)] == [ROOT_KEY]
    key = server.new_user("self", allow("ram:*AccessKey*", f"acs:ram:*:{ACCOUNT}:user/self"))
    own = sdk.ram(server, key)
    assert [one.access_key_id for one in keys(own)] == [key[0]]
    second = own.create_access_key(m.CreateAccessKeyRequest()).body.access_key.access_key_id
    own.update_access_key(m.UpdateAccessKeyRequest(user_access_key_id=second, status="Inactive"))
    assert {one.access_key_id: one.status for one in keys(ram, "self")} == {key[0]: "Active", second: "Inactive"}
    own.delete_access_key(m.DeleteAccessKeyRequest(user_access_key_id=second))
    assert refused(lambda: keys(own, "alice")) == ("NoPermission", 403)
    assert refused(lambda: keys(nobody(server))) == ("NoPermission", 403)


KEY = {"user_access_key_id": "LTAIsomekey0000000000000"}
CALLS = {
    "create_user": {"user_name": "u"},
    "get_user": {"user_name": "u"},
    "update_user": {"user_name": "u"},
    "list_users": {},
    "delete_user": {"user_name": "u"},
    "update_access_key": KEY | {"status": "Active"},
    "delete_access_key": KEY,
}


@pytest.mark.parametrize("call", CALLS)
def test_each_operation_needs_its_right_and_its_parameters(server, ram, call):
    calls_of(server, call, CALLS[call])


@pytest.mark.parametrize("call", ["create_access_key", "list_access_keys"])
def test_each_operation_of_keys_needs_its_right(server, ram, call):
    request = {"create_access_key": m.CreateAccessKeyRequest, "list_access_keys": m.ListAccessKeysRequest}[call]
    assert refused(lambda: getattr(nobody(server), call)(request(user_name="alice"))) == ("NoPermission", 403)
    assert refused(lambda: getattr(ram, call)(request(user_name="absent"))) == ("EntityNotExist.User", 404)
    assert refused(lambda: getattr(ram, call)(request(user_name="a b"))) == ("InvalidParameter.UserName.InvalidChars", 400)


@pytest.mark.parametrize("field, value, code", [
    ("user_name", "a b", "UserName.InvalidChars"), ("user_name", "u" * 65, "UserName.Length"),
    ("display_name", "d" * 129, "DisplayName.Length"), ("display_name", "a\x07", "DisplayName.InvalidChars"),
    ("display_name", "a\nb\tc", "DisplayName.InvalidChars"), ("display_name", '<b>"', "DisplayName.InvalidChars"),
    ("display_name", "a\u00a0b", "DisplayName.InvalidChars"), ("comments", "c" * 129, "Comments.Length"),
    ("comments", "a\x01", "Comments.InvalidChars"), ("email", "nobody", "Email.Format"), ("email", "a\x01@example.com", "Email.Format"),
    ("email", "e" * 243 + "@example.com", "Email.Format"), ("mobile_phone", "18600008888", "MobilePhone.Format"),
    ("mobile_phone", "86-" + "1" * 30, "MobilePhone.Format"),
])  # fmt: skip
def test_fields_have_their_rule(ram, field, value, code):
    create = lambda: ram.create_user(m.CreateUserRequest(**{"user_name": "ruled", field: value}))
    assert refused(create) == (f"InvalidParameter.{code}", 400)
    update = lambda: ram.update_user(m.UpdateUserRequest(**{"user_name": "alice", f"new_{field}": value}))
    assert refused(update) == (f"InvalidParameter.New{code}", 400)


def test_a_rename_is_asked_on_both_names(server, ram):
    half = deny_all_but(server, "half-user", ["ram:UpdateUser"], ["user/alice"])
    half.update_user(m.UpdateUserRequest(user_name="alice", new_comments="ours"))
    rename = lambda: half.update_user(m.UpdateUserRequest(user_name="alice", new_user_name="theirs"))
    assert refused(rename) == ("NoPermission", 403)
