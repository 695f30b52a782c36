"""What the tests of RAM's operations share: how a call is refused, and the cases that every operation has."""

from alibabacloud_ram20150501 import models as m

from support import sdk
from support.server import ACCOUNT, allow, document

_nobody = {}


def refused(call):
    """(code, HTTP status) with which a call is refused."""
    try:
        call()
    except Exception as error:  # The SDK raises several types; all of them have these fields.
        return error.code, error.data["statusCode"]
    raise AssertionError("the call was not refused")


def request(call, **fields):
    """The request of an SDK's method, `add_user_to_group` by its name."""
    name = "".join("MFA" if word == "mfa" else word.capitalize() for word in call.split("_"))
    return getattr(m, f"{name}Request")(**fields)


def camel(field):
    return "".join(word.capitalize() for word in field.split("_"))


def nobody(server):
    """A user who may do nothing."""
    if server not in _nobody:
        _nobody[server] = server.new_user("nobody")
    return sdk.ram(server, _nobody[server])


def calls_of(server, call, fields):
    """The cases of any operation: denied without its right, and refused without each thing that it needs."""
    denied = refused(lambda: getattr(nobody(server), call)(request(call, **fields)))
    assert denied == ("NoPermission", 403), denied
    for field in fields:
        rest = {name: value for name, value in fields.items() if name != field}
        missing = refused(lambda: getattr(sdk.ram(server), call)(request(call, **rest)))
        assert missing == (f"Missing{camel(field)}", 400), missing


def deny_all_but(server, name, actions, entities):
    """The client of a new user who may do these actions on these entities of RAM alone."""
    key = server.new_user(name)
    resources = [f"acs:ram:*:{ACCOUNT}:{entity}" for entity in entities]
    policy = {"policy_name": f"{name}-only", "policy_document": document(allow(actions, resources))}
    sdk.ram(server).create_policy(m.CreatePolicyRequest(**policy))
    attached = {"policy_type": "Custom", "policy_name": f"{name}-only", "user_name": name}
    sdk.ram(server).attach_policy_to_user(m.AttachPolicyToUserRequest(**attached))
    return sdk.ram(server, key)
