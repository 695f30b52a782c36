"""The checker of replies itself: a fault of each kind is found."""

import requests

from support import sdk, shape

USER = {
    "UserId": "1", "UserName": "a", "DisplayName": "", "MobilePhone": "", "Email": "", "Comments": "", "CreateDate": "",
    "UpdateDate": "",
}  # fmt: skip
LIST = {"RequestId": "1", "IsTruncated": False, "Users": {"User": [USER]}}


def faults(**changed):
    return shape.faults_of("2015-05-01", "ListUsers", LIST | changed)


def test_a_reply_as_in_the_table_has_no_fault_with_or_without_a_marker():
    assert faults() == [] and faults(Marker="m") == [] and faults(Users={"User": []}) == []


def test_a_field_more_a_field_less_and_another_type_are_faults():
    assert faults(Extra=1) == ["ListUsers: `Extra` is not in the table"]
    assert faults(IsTruncated="false") == ['ListUsers: `IsTruncated` is "false", not of type boolean']
    assert faults(Users=[USER]) != [] and faults(Users={"User": USER}) != []
    without = {name: value for name, value in USER.items() if name != "Email"}
    assert faults(Users={"User": [without]}) == ["ListUsers: `Users.User[].Email` is missing"]
    assert faults(Users={"User": [USER | {"Arn": "x"}]}) == ["ListUsers: `Users.User[].Arn` is not in the table"]


def test_a_truth_value_is_no_number():
    reply = {"RequestId": "1", "InstanceCount": True}
    found = shape.faults_of("2020-04-20", "GetMqttMetaData", reply)
    assert "GetMqttMetaData: `InstanceCount` is true, not of type integer" in found


def test_the_new_sdks_the_old_one_and_the_command_are_looked_at(server):
    sdk.sts(server).get_caller_identity()
    server.api("ram", "ListUsers")
    sdk.generic(server, "ListMqttInstance")
    seen = {"2015-04-01 GetCallerIdentity", "2015-05-01 ListUsers", "2020-04-20 ListMqttInstance"}
    assert seen <= shape.checked() and shape.take_faults() == []


def test_a_wrong_reply_is_reported_at_the_end_of_its_test(monkeypatch, server):
    answered = requests.Response.json
    monkeypatch.setattr(requests.Response, "json", lambda reply: answered(reply) | {"Extra": 1})
    sdk.sts(server).get_caller_identity()
    assert shape.take_faults() == ["GetCallerIdentity: `Extra` is not in the table"]


def test_a_refusal_has_the_status_of_its_code():
    of = lambda code, status: shape.refusal_faults("2015-05-01", "CreateUser", code, status)
    assert of("EntityAlreadyExists.User", 409) == [] and of("NoPermission", 403) == [] and of("OurOwn", 418) == []
    assert of("EntityAlreadyExists.User", 400) != [] and of("NoPermission", 400) != [] and of("SignatureNonceUsed", 403) != []
