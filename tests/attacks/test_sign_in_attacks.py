"""Attacks on the sign-in: another tenant's turn at it, the count of wrong codes, and what outlives a device that is taken away."""

import pytest

from support import codes
from support.server import ALIAS, ROOT_PASSWORD, allow
from support.signed import Flood

PASSWORD = "a-good-password"
CALLS = 120


def new_user(server, name, key=None):
    """A user who signs in; its key."""
    server.api("ram", "CreateUser", key, UserName=name)
    server.api("ram", "CreateLoginProfile", key, UserName=name, Password=PASSWORD)
    made = server.api("ram", "CreateAccessKey", key, UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["AccessKeySecret"]


def bind(server, name):
    """Gives a user a device; its serial number and seed."""
    made = server.api("ram", "CreateVirtualMFADevice", VirtualMFADeviceName=name)["VirtualMFADevice"]
    serial, seed = made["SerialNumber"], made["Base32StringSeed"]
    first, second = codes.earlier_pair(seed)
    server.api("ram", "BindMFADevice", UserName=name, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second)
    return serial, seed


def asks_for_code(server, name, password=PASSWORD):
    """A browser from which the password was right."""
    browser = codes.Browser(server)
    answer = browser.sign_in(f"{name}@{ALIAS}", password)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/console/mfa"), answer.text
    return browser


def with_code(server, name, seed, steps=0):
    browser = asks_for_code(server, name)
    assert browser.submit("/mfa", code=codes.code(seed, steps)).headers["location"] == "/console/"
    return browser


def signed_out(browser):
    """Whether a page is the sign-in in its place."""
    return 'name="logon_name"' in browser.page("/mqtt").text


def test_the_passwords_of_one_tenant_do_not_keep_another_from_signing_in(server):
    other = server.new_account("other")
    low = new_user(server, "low", (other["AccessKeyId"], other["AccessKeySecret"]))
    browser = codes.Browser(server)
    token = browser.csrf("/")
    flood = Flood(server, CALLS, low, "ChangePassword", OldPassword="x", NewPassword="y")
    form = {"csrf": token, "logon_name": ALIAS, "password": ROOT_PASSWORD}
    answer = browser.post(browser.base + "/", data=form, allow_redirects=False)
    before = [reply for reply in flood.take() if "InvalidParameter.OldPassword.Incorrect" in reply]
    assert answer.status_code == 303
    replies = flood.finish()
    checked = [reply for reply in replies if "InvalidParameter.OldPassword.Incorrect" in reply]
    throttled = [reply for reply in replies if '"Throttling.User"' in reply and reply.startswith("HTTP/1.1 400")]
    assert len(checked) + len(throttled) == CALLS, replies
    # All that one user may have at work together, of which the sign-in waited for few.
    assert throttled and len(before) < len(checked) / 2, (len(before), len(checked), len(throttled))


def test_a_password_of_ones_own_forgives_no_wrong_codes(server):
    key = new_user(server, "guesser")
    _, seed = bind(server, "guesser")
    browser = asks_for_code(server, "guesser")
    for _ in range(9):
        assert browser.submit("/mfa", code=codes.wrong_code(seed)).status_code == 200
    server.api("ram", "ChangePassword", key, OldPassword=PASSWORD, NewPassword="another-password")
    browser = asks_for_code(server, "guesser", "another-password")
    assert browser.submit("/mfa", code=codes.wrong_code(seed)).status_code == 200
    locked = codes.Browser(server).sign_in(f"guesser@{ALIAS}", "another-password")
    assert locked.status_code == 200, "the tenth wrong code locks"
    refused = server.api("ram", "ChangePassword", key, check=False, OldPassword="another-password", NewPassword=PASSWORD)
    assert refused[1]["Code"] == "InvalidParameter.OldPassword.Incorrect"
    server.api("ram", "UpdateLoginProfile", UserName="guesser", Password=PASSWORD)
    assert with_code(server, "guesser", seed)


def test_a_user_does_not_lift_its_own_lock_by_a_right_to_set_passwords(server):
    key = new_user(server, "sets")
    server.grant("sets", "sets-passwords", allow("ram:UpdateLoginProfile", "*"))
    for _ in range(10):
        assert codes.Browser(server).sign_in(f"sets@{ALIAS}", "a-wrong-password").status_code == 200
    server.api("ram", "UpdateLoginProfile", key, UserName="sets", Password=PASSWORD)
    assert codes.Browser(server).sign_in(f"sets@{ALIAS}", PASSWORD).status_code == 200
    server.api("ram", "UpdateLoginProfile", UserName="sets", Password=PASSWORD)
    assert codes.Browser(server).sign_in(f"sets@{ALIAS}", PASSWORD).status_code == 303


def test_sessions_end_with_the_device_that_an_administrator_takes_away(server):
    new_user(server, "lost")
    with_mfa = allow("mq:MqttMetaData", "*") | {"Condition": {"Bool": {"acs:MFAPresent": "true"}}}
    server.grant("lost", "with-mfa", with_mfa)
    serial, seed = bind(server, "lost")
    thief = with_code(server, "lost", seed)
    assert thief.page("/mqtt").status_code == 200
    server.api("ram", "UnbindMFADevice", UserName="lost")
    server.api("ram", "DeleteVirtualMFADevice", SerialNumber=serial)
    assert signed_out(thief)
    fresh = codes.Browser(server)
    assert fresh.sign_in(f"lost@{ALIAS}", PASSWORD).headers["location"] == "/console/"
    assert fresh.page("/mqtt").status_code == 403


def test_whoever_unbinds_its_own_device_stays_signed_in_there_without_mfa(server):
    new_user(server, "own")
    _, seed = bind(server, "own")
    server.grant("own", "own-with-mfa", allow("mq:MqttMetaData", "*") | {"Condition": {"Bool": {"acs:MFAPresent": "true"}}})
    elsewhere, here = with_code(server, "own", seed), with_code(server, "own", seed, steps=1)
    assert here.page("/mqtt").status_code == 200
    assert here.submit("/security", do="unbind", confirmed="yes").status_code in (200, 303)
    assert signed_out(elsewhere) and here.page("/security").status_code == 200
    assert here.page("/mqtt").status_code == 403


@pytest.mark.parametrize("step", ["PasswordResetRequired", "MFABindRequired"])
def test_a_step_that_is_newly_demanded_ends_the_sessions_that_have_not_done_it(server, step):
    name = step.lower()
    new_user(server, name)
    browser = codes.Browser(server)
    assert browser.sign_in(f"{name}@{ALIAS}", PASSWORD).status_code == 303
    server.api("ram", "UpdateLoginProfile", UserName=name, **{step: "false"})
    assert not signed_out(browser)
    server.api("ram", "UpdateLoginProfile", UserName=name, **{step: "true"})
    assert signed_out(browser)
    browser = codes.Browser(server)
    assert browser.sign_in(f"{name}@{ALIAS}", PASSWORD).status_code == 303
    where = {"PasswordResetRequired": "/console/password", "MFABindRequired": "/console/mfa/bind"}[step]
    assert browser.page("/mqtt").headers["location"] == where
