"""Groups of users through the vendor's SDK: each operation done, denied, misused, in conflict and at its limit."""

import pytest
from alibabacloud_ram20150501 import models as m

from support import sdk
from support.ram import calls_of, deny_all_but, refused


@pytest.fixture(scope="module")
def ram(server):
    """The account itself, three users, and `nobody` who may do nothing."""
    client = sdk.ram(server)
    for name in ("alice", "bob", "carol"):
        client.create_user(m.CreateUserRequest(user_name=name, display_name=name.title()))
    return client


def groups(ram, **page):
    body = ram.list_groups(m.ListGroupsRequest(**page)).body
    return [group.group_name for group in body.groups.group], body


def test_a_group_is_made_shown_renamed_listed_and_deleted(ram):
    made = ram.create_group(m.CreateGroupRequest(group_name="staff.of_a-b", comments="people")).body.group
    assert made.group_name == "staff.of_a-b" and made.comments == "people"
    assert made.group_id.startswith("g-") and len(made.group_id) == 18
    shown = ram.get_group(m.GetGroupRequest(group_name="staff.of_a-b")).body.group
    assert (shown.group_id, shown.create_date, shown.comments) == (made.group_id, made.create_date, "people")
    changed = ram.update_group(
        m.UpdateGroupRequest(group_name="staff.of_a-b", new_group_name="staff", new_comments="all people")
    ).body.group
    assert (changed.group_id, changed.group_name, changed.comments) == (made.group_id, "staff", "all people")
    assert refused(lambda: ram.get_group(m.GetGroupRequest(group_name="staff.of_a-b"))) == ("EntityNotExist.Group", 404)
    same = ram.update_group(m.UpdateGroupRequest(group_name="staff", new_group_name="staff")).body.group
    assert same.comments == "all people"
    ram.delete_group(m.DeleteGroupRequest(group_name="staff"))
    assert refused(lambda: ram.delete_group(m.DeleteGroupRequest(group_name="staff"))) == ("EntityNotExist.Group", 404)


def test_groups_come_in_pages_of_at_most_100(ram):
    names = [f"page{number}" for number in range(5)]
    for name in names:
        ram.create_group(m.CreateGroupRequest(group_name=name))
    first, body = groups(ram, max_items=3)
    assert first == names[:3] and body.is_truncated
    rest, body = groups(ram, max_items=100, marker=body.marker)
    assert rest == names[3:] and not body.is_truncated and body.marker is None
    for wrong in (0, 101):
        assert refused(lambda: groups(ram, max_items=wrong)) == ("InvalidParameter.MaxItems", 400)
    assert refused(lambda: groups(ram, marker="page1")) == ("InvalidParameter.Marker", 400)
    for name in names:
        ram.delete_group(m.DeleteGroupRequest(group_name=name))


def test_members_join_are_listed_and_leave(ram):
    for name in ("crew", "staff"):
        ram.create_group(m.CreateGroupRequest(group_name=name, comments=f"the {name}"))
    for user in ("alice", "bob", "carol"):
        ram.add_user_to_group(m.AddUserToGroupRequest(user_name=user, group_name="staff"))
    ram.add_user_to_group(m.AddUserToGroupRequest(user_name="alice", group_name="crew"))
    page = ram.list_users_for_group(m.ListUsersForGroupRequest(group_name="staff", max_items=2)).body
    assert [(u.user_name, u.display_name) for u in page.users.user] == [("alice", "Alice"), ("bob", "Bob")]
    assert page.is_truncated and all(u.join_date.endswith("Z") for u in page.users.user)
    rest = ram.list_users_for_group(m.ListUsersForGroupRequest(group_name="staff", max_items=1000, marker=page.marker)).body
    assert [u.user_name for u in rest.users.user] == ["carol"] and not rest.is_truncated
    of_alice = ram.list_groups_for_user(m.ListGroupsForUserRequest(user_name="alice")).body.groups.group
    assert [(g.group_name, g.comments) for g in of_alice] == [("crew", "the crew"), ("staff", "the staff")]
    again = lambda: ram.add_user_to_group(m.AddUserToGroupRequest(user_name="alice", group_name="staff"))
    assert refused(again) == ("EntityAlreadyExists.User.Group", 409)
    for user, group in (("alice", "crew"), ("alice", "staff"), ("bob", "staff"), ("carol", "staff")):
        ram.remove_user_from_group(m.RemoveUserFromGroupRequest(user_name=user, group_name=group))
    gone = lambda: ram.remove_user_from_group(m.RemoveUserFromGroupRequest(user_name="bob", group_name="staff"))
    assert refused(gone) == ("EntityNotExist.User.Group", 404)
    for name in ("crew", "staff"):
        ram.delete_group(m.DeleteGroupRequest(group_name=name))


def test_what_hangs_on_a_group_or_a_member_keeps_both(ram):
    ram.create_group(m.CreateGroupRequest(group_name="held"))
    ram.create_group(m.CreateGroupRequest(group_name="other"))
    assert refused(lambda: ram.create_group(m.CreateGroupRequest(group_name="held"))) == ("EntityAlreadyExists.Group", 409)
    taken = lambda: ram.update_group(m.UpdateGroupRequest(group_name="held", new_group_name="other"))
    assert refused(taken) == ("EntityAlreadyExists.Group", 409)
    ram.add_user_to_group(m.AddUserToGroupRequest(user_name="alice", group_name="held"))
    delete = lambda: ram.delete_group(m.DeleteGroupRequest(group_name="held"))
    assert refused(delete) == ("DeleteConflict.Group.User", 409)
    assert refused(lambda: ram.delete_user(m.DeleteUserRequest(user_name="alice"))) == ("DeleteConflict.User.Group", 409)
    policy = {"policy_type": "System", "policy_name": "ReadOnlyAccess", "group_name": "held"}
    ram.attach_policy_to_group(m.AttachPolicyToGroupRequest(**policy))
    ram.remove_user_from_group(m.RemoveUserFromGroupRequest(user_name="alice", group_name="held"))
    assert refused(delete) == ("DeleteConflict.Group.Policy", 409)
    ram.detach_policy_from_group(m.DetachPolicyFromGroupRequest(**policy))
    delete()
    ram.delete_group(m.DeleteGroupRequest(group_name="other"))


def test_a_user_is_in_at_most_ten_groups(ram):
    names = [f"ten{number}" for number in range(11)]
    join = lambda name: ram.add_user_to_group(m.AddUserToGroupRequest(user_name="bob", group_name=name))
    for name in names:
        ram.create_group(m.CreateGroupRequest(group_name=name))
    for name in names[:10]:
        join(name)
    assert refused(lambda: join(names[10])) == ("LimitExceeded.User.Group", 409)
    for name in names[:10]:
        ram.remove_user_from_group(m.RemoveUserFromGroupRequest(user_name="bob", group_name=name))
    for name in names:
        ram.delete_group(m.DeleteGroupRequest(group_name=name))


CALLS = {
    "create_group": {"group_name": "g"},
    "get_group": {"group_name": "g"},
    "update_group": {"group_name": "g"},
    "delete_group": {"group_name": "g"},
    "list_groups": {},
    "add_user_to_group": {"group_name": "g", "user_name": "alice"},
    "remove_user_from_group": {"group_name": "g", "user_name": "alice"},
    "list_users_for_group": {"group_name": "g"},
    "list_groups_for_user": {"user_name": "alice"},
}


@pytest.mark.parametrize("call", CALLS)
def test_each_operation_needs_its_right_and_its_parameters(server, ram, call):
    calls_of(server, call, CALLS[call])


@pytest.mark.parametrize("name, code", [
    ("a b", "InvalidParameter.GroupName.InvalidChars"), ("ä", "InvalidParameter.GroupName.InvalidChars"),
    ("a/b", "InvalidParameter.GroupName.InvalidChars"), ("g" * 65, "InvalidParameter.GroupName.Length"),
])  # fmt: skip
def test_names_have_their_rule(ram, name, code):
    assert refused(lambda: ram.create_group(m.CreateGroupRequest(group_name=name))) == (code, 400)
    assert refused(lambda: ram.get_group(m.GetGroupRequest(group_name=name))) == (code, 400)
    new = code.replace("GroupName", "NewGroupName")
    assert refused(lambda: ram.update_group(m.UpdateGroupRequest(group_name="g", new_group_name=name))) == (new, 400)


def test_comments_have_128_characters(ram):
    long = lambda: ram.create_group(m.CreateGroupRequest(group_name="long", comments="c" * 129))
    assert refused(long) == ("InvalidParameter.Comments.Length", 400)
    ram.create_group(m.CreateGroupRequest(group_name="long", comments="ä" * 128))
    long = lambda: ram.update_group(m.UpdateGroupRequest(group_name="long", new_comments="c" * 129))
    assert refused(long) == ("InvalidParameter.NewComments.Length", 400)
    ram.delete_group(m.DeleteGroupRequest(group_name="long"))


def test_a_rename_and_a_membership_are_asked_on_both(server, ram):
    ram.create_group(m.CreateGroupRequest(group_name="mine"))
    half = deny_all_but(server, "half", ["ram:UpdateGroup", "ram:AddUserToGroup", "ram:RemoveUserFromGroup"], ["group/mine", "user/bob"])
    half.add_user_to_group(m.AddUserToGroupRequest(group_name="mine", user_name="bob"))
    half.remove_user_from_group(m.RemoveUserFromGroupRequest(group_name="mine", user_name="bob"))
    half.update_group(m.UpdateGroupRequest(group_name="mine", new_comments="ours"))
    for call in (
        lambda: half.update_group(m.UpdateGroupRequest(group_name="mine", new_group_name="theirs")),
        lambda: half.add_user_to_group(m.AddUserToGroupRequest(group_name="mine", user_name="alice")),
        lambda: half.add_user_to_group(m.AddUserToGroupRequest(group_name="theirs", user_name="bob")),
        lambda: half.remove_user_from_group(m.RemoveUserFromGroupRequest(group_name="mine", user_name="alice")),
        lambda: half.remove_user_from_group(m.RemoveUserFromGroupRequest(group_name="theirs", user_name="bob")),
    ):
        assert refused(call) == ("NoPermission", 403)
    ram.delete_group(m.DeleteGroupRequest(group_name="mine"))
