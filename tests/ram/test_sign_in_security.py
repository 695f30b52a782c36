"""Sign-in by the vendor's SDK: password policy, security preference, MFA devices, alias, login profiles, last use of keys."""

import base64

import pytest
from alibabacloud_ram20150501 import models as m

from support import codes, sdk
from support.server import ACCOUNT, ALIAS, allow, deny

PASSWORD = "a-Good-passw0rd"
NOBODY = "nobody"


@pytest.fixture(scope="module")
def ram(server):
    return sdk.ram(server)


@pytest.fixture(scope="module")
def nobody(server):
    """A user without any right, by the SDK."""
    return sdk.ram(server, server.new_user(NOBODY))


@pytest.fixture
def defaults(ram):
    """Both settings as they were, after the test."""
    yield
    ram.set_password_policy(m.SetPasswordPolicyRequest(
        minimum_password_length=8, require_lowercase_characters=False, require_uppercase_characters=False,
        require_numbers=False, require_symbols=False, hard_expiry=False, max_password_age=0,
        password_reuse_prevention=0, max_login_attemps=0))  # fmt: skip
    ram.set_security_preference(m.SetSecurityPreferenceRequest(
        enable_save_mfaticket=False, allow_user_to_change_password=True, allow_user_to_manage_access_keys=False,
        allow_user_to_manage_mfadevices=True, allow_user_to_manage_public_keys=False, login_session_duration=6,
        login_network_masks=""))  # fmt: skip


def refused(call, code, status):
    assert sdk.code_of(call) == (code, status)


def new_user(ram, name, password=None, **profile):
    ram.create_user(m.CreateUserRequest(user_name=name))
    if password:
        ram.create_login_profile(m.CreateLoginProfileRequest(user_name=name, password=password, **profile))


def new_device(ram, name):
    made = ram.create_virtual_mfadevice(m.CreateVirtualMFADeviceRequest(virtual_mfadevice_name=name))
    return made.body.virtual_mfadevice


def bind(ram, user, device, pair):
    ram.bind_mfadevice(m.BindMFADeviceRequest(
        user_name=user, serial_number=device.serial_number, authentication_code_1=pair[0],
        authentication_code_2=pair[1]))  # fmt: skip


def test_the_password_policy_keeps_what_is_not_given(ram, defaults):
    before = ram.get_password_policy().body.password_policy
    assert (before.minimum_password_length, before.max_login_attemps, before.hard_expiry) == (8, 0, False)
    ram.set_password_policy(m.SetPasswordPolicyRequest(minimum_password_length=12, require_numbers=True))
    set_now = ram.set_password_policy(m.SetPasswordPolicyRequest(max_login_attemps=5)).body.password_policy
    assert (set_now.minimum_password_length, set_now.require_numbers, set_now.max_login_attemps) == (12, True, 5)
    assert ram.get_password_policy().body.password_policy.to_map() == set_now.to_map()


@pytest.mark.parametrize("field, name, value", [
    ("minimum_password_length", "MinimumPasswordLength", 7), ("minimum_password_length", "MinimumPasswordLength", 33),
    ("max_password_age", "MaxPasswordAge", 1096), ("password_reuse_prevention", "PasswordReusePrevention", 25),
    ("max_login_attemps", "MaxLoginAttemps", 33), ("minimum_password_length", "MinimumPasswordLength", -1),
    ("minimum_password_length", "MinimumPasswordLength", 99999999999), ("max_password_age", "MaxPasswordAge", 4294967296),
    ("max_login_attemps", "MaxLoginAttemps", -5),
])  # fmt: skip
def test_a_password_policy_out_of_range_is_refused(ram, field, name, value):
    request = m.SetPasswordPolicyRequest(**{field: value})
    refused(lambda: ram.set_password_policy(request), f"InvalidParameter.{name}.Range", 400)


def test_every_class_of_characters_is_enforced_wherever_a_password_is_set(ram, defaults):
    ram.set_password_policy(m.SetPasswordPolicyRequest(
        minimum_password_length=10, require_lowercase_characters=True, require_uppercase_characters=True,
        require_numbers=True, require_symbols=True))  # fmt: skip
    new_user(ram, "classes")
    for weak in ("aB3$efghi", "AB3$EFGHIJ", "ab3$efghij", "aBc$efghij", "aB3defghij", "aB3$" + "x" * 29):
        request = m.CreateLoginProfileRequest(user_name="classes", password=weak)
        refused(lambda: ram.create_login_profile(request), "InvalidParameter.Password.TooWeak", 400)
    ram.create_login_profile(m.CreateLoginProfileRequest(user_name="classes", password="aB3$efghij"))
    request = m.UpdateLoginProfileRequest(user_name="classes", password="weakweakweak")
    refused(lambda: ram.update_login_profile(request), "InvalidParameter.Password.TooWeak", 400)


def test_the_last_passwords_are_not_used_again(server, ram, defaults):
    new_user(ram, "reuser", PASSWORD)
    key = server.api("ram", "CreateAccessKey", UserName="reuser")["AccessKey"]
    own = sdk.ram(server, (key["AccessKeyId"], key["AccessKeySecret"]))

    def change(old, new):
        return own.change_password(m.ChangePasswordRequest(old_password=old, new_password=new))

    refused(lambda: change("wrong-wrong", "next-passw0rd"), "InvalidParameter.OldPassword.Incorrect", 400)
    refused(lambda: change(PASSWORD, "short"), "InvalidParameter.NewPassword.TooWeak", 400)
    refused(lambda: change(PASSWORD, PASSWORD), "InvalidParameter.NewPassword.ReusePrevention", 400)
    ram.set_password_policy(m.SetPasswordPolicyRequest(password_reuse_prevention=2))
    change(PASSWORD, "second-passw0rd")
    refused(lambda: change("second-passw0rd", PASSWORD), "InvalidParameter.NewPassword.ReusePrevention", 400)
    change("second-passw0rd", "third-passw0rd")
    refused(lambda: change("third-passw0rd", PASSWORD), "InvalidParameter.NewPassword.ReusePrevention", 400)
    change("third-passw0rd", "fourth-passw0rd")
    # Nor does an administrator step around it, by taking the sign-in away and giving it again.
    ram.delete_login_profile(m.DeleteLoginProfileRequest(user_name="reuser"))
    again = lambda password: ram.create_login_profile(m.CreateLoginProfileRequest(user_name="reuser", password=password))
    for old in ("fourth-passw0rd", "third-passw0rd", "second-passw0rd"):
        refused(lambda: again(old), "InvalidParameter.Password.TooWeak", 400)
    again(PASSWORD)
    refused(lambda: ram.change_password(m.ChangePasswordRequest(old_password=PASSWORD, new_password="x-passw0rd")),
            "NotSupport.Account", 400)  # fmt: skip


def test_whether_users_change_their_password_is_the_accounts_choice(server, ram, defaults):
    new_user(ram, "changer", PASSWORD)
    key = server.api("ram", "CreateAccessKey", UserName="changer")["AccessKey"]
    own = sdk.ram(server, (key["AccessKeyId"], key["AccessKeySecret"]))
    request = m.ChangePasswordRequest(old_password=PASSWORD, new_password="other-passw0rd")
    ram.set_security_preference(m.SetSecurityPreferenceRequest(allow_user_to_change_password=False))
    refused(lambda: own.change_password(request), "NoPermission", 403)
    ram.set_security_preference(m.SetSecurityPreferenceRequest(allow_user_to_change_password=True))
    own.change_password(request)


def test_the_security_preference_keeps_what_is_not_given(ram, defaults):
    before = ram.get_security_preference().body.security_preference
    assert before.login_profile_preference.login_session_duration == 6
    assert before.mfapreference.allow_user_to_manage_mfadevices is True
    ram.set_security_preference(m.SetSecurityPreferenceRequest(login_session_duration=24, login_network_masks="0.0.0.0/0"))
    set_now = ram.set_security_preference(m.SetSecurityPreferenceRequest(enable_save_mfaticket=True)).body
    login = set_now.security_preference.login_profile_preference
    assert (login.login_session_duration, login.login_network_masks, login.enable_save_mfaticket) == (24, "0.0.0.0/0", True)
    assert ram.get_security_preference().body.security_preference.to_map() == set_now.security_preference.to_map()


@pytest.mark.parametrize("fields, code", [
    ({"login_session_duration": 25}, "InvalidParameter.LoginSessionDuration.Range"),
    ({"login_session_duration": 0}, "InvalidParameter.LoginSessionDuration.Range"),
    ({"login_session_duration": -1}, "InvalidParameter.LoginSessionDuration.Range"),
    ({"login_network_masks": "somewhere"}, "InvalidParameter.LoginNetworkMasks.Format"),
    ({"login_network_masks": ";".join(["10.0.0.1"] * 41)}, "InvalidParameter.LoginNetworkMasks.Length"),
    ({"login_network_masks": "10.0.0.1;" + " " * 504}, "InvalidParameter.LoginNetworkMasks.Length"),
])  # fmt: skip
def test_a_wrong_security_preference_is_refused(ram, fields, code):
    refused(lambda: ram.set_security_preference(m.SetSecurityPreferenceRequest(**fields)), code, 400)


def test_users_manage_their_own_keys_when_they_may_and_nobody_elses(server, ram, defaults):
    own = sdk.ram(server, server.new_user("keeper"))
    listing = m.ListAccessKeysRequest()
    refused(lambda: own.list_access_keys(listing), "NoPermission", 403)
    ram.set_security_preference(m.SetSecurityPreferenceRequest(allow_user_to_manage_access_keys=True))
    made = own.create_access_key(m.CreateAccessKeyRequest()).body.access_key
    assert len(own.list_access_keys(listing).body.access_keys.access_key) == 2
    other = m.ListAccessKeysRequest(user_name=NOBODY)
    refused(lambda: own.list_access_keys(other), "NoPermission", 403)
    # A Deny is stronger.
    server.grant("keeper", "no-keys", deny("ram:DeleteAccessKey", "*"))
    request = m.DeleteAccessKeyRequest(user_access_key_id=made.access_key_id)
    refused(lambda: own.delete_access_key(request), "NoPermission", 403)
    ram.set_security_preference(m.SetSecurityPreferenceRequest(allow_user_to_manage_access_keys=False))
    refused(lambda: own.list_access_keys(listing), "NoPermission", 403)


def test_a_device_is_made_bound_shown_unbound_and_deleted(ram):
    new_user(ram, "holder", PASSWORD)
    device = new_device(ram, "holders-phone")
    assert device.serial_number == f"acs:ram::{ACCOUNT}:mfa/holders-phone"
    assert base64.b64decode(device.qrcode_png).startswith(b"\x89PNG") and len(base64.b32decode(device.base_32string_seed)) == 20
    info = m.GetUserMFAInfoRequest(user_name="holder")
    refused(lambda: ram.get_user_mfainfo(info), "EntityNotExist.User.MFADevice", 404)
    bind(ram, "holder", device, codes.pair(device.base_32string_seed))
    found = ram.get_user_mfainfo(info).body.mfadevice
    assert (found.serial_number, found.type) == (device.serial_number, "VMFA")
    listed = ram.list_virtual_mfadevices().body.virtual_mfadevices.virtual_mfadevice
    listed = {one.serial_number: one for one in listed}[device.serial_number]
    assert listed.user.user_name == "holder" and listed.activate_date.endswith("Z")
    refused(lambda: bind(ram, "holder", device, ("000000", "000000")), "EntityAlreadyExists.User.MFADevice", 409)
    refused(lambda: bind(ram, without_device(ram), device, ("000000", "000000")), "EntityAlreadyExists.VirtualMFADevice.User", 409)
    deletion = m.DeleteVirtualMFADeviceRequest(serial_number=device.serial_number)
    refused(lambda: ram.delete_virtual_mfadevice(deletion), "DeleteConflict.VirtualMFADevice.User", 409)
    ram.delete_login_profile(m.DeleteLoginProfileRequest(user_name="holder"))
    refused(lambda: ram.delete_user(m.DeleteUserRequest(user_name="holder")), "DeleteConflict.User.MFADevice", 409)
    unbinding = m.UnbindMFADeviceRequest(user_name="holder")
    assert ram.unbind_mfadevice(unbinding).body.mfadevice.serial_number == device.serial_number
    refused(lambda: ram.unbind_mfadevice(unbinding), "EntityNotExist.User.MFADevice", 404)
    ram.delete_virtual_mfadevice(deletion)
    refused(lambda: ram.delete_virtual_mfadevice(deletion), "EntityNotExist.VirtualMFADevice", 404)
    ram.delete_user(m.DeleteUserRequest(user_name="holder"))


def without_device(ram):
    """A user without a device."""
    name = "without-device"
    try:
        new_user(ram, name)
    except Exception as error:  # It was made by another test.
        assert error.code == "EntityAlreadyExists.User"
    return name


def test_names_and_codes_of_devices_have_their_form(ram):
    for name, code in (("under_score", "InvalidChars"), ("x" * 65, "Length")):
        refused(lambda: new_device(ram, name), f"InvalidParameter.VirtualMFADeviceName.{code}", 400)
    device = new_device(ram, "formed")
    refused(lambda: new_device(ram, "formed"), "EntityAlreadyExists.VirtualMFADevice", 409)
    user = without_device(ram)
    for pair in (("12345", "123456"), ("123456", "1234567"), ("abcdef", "123456")):
        refused(lambda: bind(ram, user, device, pair), "InvalidParameter.AuthenticationCode.Format", 400)
    first, second = codes.pair(device.base_32string_seed)
    for pair in ((second, first), (first, first), (first, codes.wrong_code(device.base_32string_seed))):
        refused(lambda: bind(ram, user, device, pair), "CheckAuthenticationCodeFail", 403)
    foreign = m.DeleteVirtualMFADeviceRequest(serial_number="acs:ram::1111111111111111:mfa/formed")
    refused(lambda: ram.delete_virtual_mfadevice(foreign), "EntityNotExist.VirtualMFADevice", 404)


def test_codes_bind_once(ram):
    new_user(ram, "again")
    device = new_device(ram, "agains")
    pair = codes.pair(device.base_32string_seed)
    bind(ram, "again", device, pair)
    ram.unbind_mfadevice(m.UnbindMFADeviceRequest(user_name="again"))
    refused(lambda: bind(ram, "again", device, pair), "CheckAuthenticationCodeFail", 403)


def test_users_bind_their_own_device_when_they_may_and_unbind_it_with_mfa_alone(server, ram, defaults):
    own = sdk.ram(server, server.new_user("self.mfa"))
    device = new_device(own, "self.mfa")
    refused(lambda: new_device(own, "another"), "NoPermission", 403)
    bind(own, "self.mfa", device, codes.pair(device.base_32string_seed))
    assert own.get_user_mfainfo(m.GetUserMFAInfoRequest(user_name="self.mfa")).body.mfadevice.type == "VMFA"
    # An AccessKey alone, perhaps a stolen one, does not take the second factor away.
    refused(lambda: own.unbind_mfadevice(m.UnbindMFADeviceRequest(user_name="self.mfa")), "NoPermission", 403)
    ram.set_security_preference(m.SetSecurityPreferenceRequest(allow_user_to_manage_mfadevices=False))
    refused(lambda: own.get_user_mfainfo(m.GetUserMFAInfoRequest(user_name="self.mfa")), "NoPermission", 403)


def test_an_alias_is_set_shown_and_cleared_and_sign_in_follows_at_once(server, ram):
    new_user(ram, "aliased", PASSWORD)

    def signs_in(place):
        return codes.Browser(server).sign_in(f"aliased@{place}", PASSWORD).status_code == 303

    try:
        ram.set_account_alias(m.SetAccountAliasRequest(account_alias="other-team"))
        assert ram.get_account_alias().body.account_alias == "other-team"
        assert signs_in("other-team") and signs_in("other-team.onaliyun.com") and not signs_in(ALIAS)
        ram.clear_account_alias()
        assert ram.get_account_alias().body.account_alias == ACCOUNT
        assert signs_in(ACCOUNT) and not signs_in("other-team")
    finally:
        ram.set_account_alias(m.SetAccountAliasRequest(account_alias=ALIAS))


def test_an_alias_has_its_form_and_is_one_accounts(server, ram):
    server.new_account("taken-team")
    for alias, code in (("ab", "Length"), ("a" * 64, "Length"), ("Up", "Length"), ("Upper", "Format"), ("-ab", "Format"),
                        ("a--b", "Format"), ("1234567890123456", "Format")):  # fmt: skip
        request = m.SetAccountAliasRequest(account_alias=alias)
        refused(lambda: ram.set_account_alias(request), f"InvalidParameter.AccountAlias.{code}", 400)
    request = m.SetAccountAliasRequest(account_alias="taken-team")
    refused(lambda: ram.set_account_alias(request), "EntityAlreadyExists.AccountAlias", 409)


def test_a_login_profile_has_every_field(ram):
    new_user(ram, "profiled", PASSWORD, password_reset_required=True, mfabind_required=True)
    get = m.GetLoginProfileRequest(user_name="profiled")
    found = ram.get_login_profile(get).body.login_profile
    assert (found.user_name, found.password_reset_required, found.mfabind_required) == ("profiled", True, True)
    updated = ram.update_login_profile(m.UpdateLoginProfileRequest(user_name="profiled", mfabind_required=False))
    assert list(updated.body.to_map()) == ["RequestId"]
    found = ram.get_login_profile(get).body.login_profile
    assert (found.password_reset_required, found.mfabind_required) == (True, False)
    again = m.CreateLoginProfileRequest(user_name="profiled", password=PASSWORD)
    refused(lambda: ram.create_login_profile(again), "EntityAlreadyExists.User.LoginProfile", 409)
    ram.delete_login_profile(m.DeleteLoginProfileRequest(user_name="profiled"))
    refused(lambda: ram.get_login_profile(get), "EntityNotExist.User.LoginProfile", 404)
    absent = m.UpdateLoginProfileRequest(user_name="profiled", password=PASSWORD)
    refused(lambda: ram.update_login_profile(absent), "EntityNotExist.User.LoginProfile", 404)


def test_without_its_right_each_operation_is_refused(server, nobody):
    nobody = sdk.ram(server, server.new_user("nobody.2"))
    for call in (
        lambda: nobody.set_password_policy(m.SetPasswordPolicyRequest(hard_expiry=True)),
        nobody.get_password_policy,
        lambda: nobody.set_security_preference(m.SetSecurityPreferenceRequest(login_session_duration=1)),
        nobody.get_security_preference,
        lambda: new_device(nobody, "somebodys"),
        nobody.list_virtual_mfadevices,
        lambda: nobody.delete_virtual_mfadevice(m.DeleteVirtualMFADeviceRequest(serial_number=f"acs:ram::{ACCOUNT}:mfa/x")),
        lambda: nobody.unbind_mfadevice(m.UnbindMFADeviceRequest(user_name=NOBODY)),
        lambda: nobody.get_user_mfainfo(m.GetUserMFAInfoRequest(user_name=NOBODY)),
        lambda: nobody.set_account_alias(m.SetAccountAliasRequest(account_alias="mine")),
        nobody.get_account_alias,
        nobody.clear_account_alias,
        lambda: nobody.get_access_key_last_used(m.GetAccessKeyLastUsedRequest(user_access_key_id="LTAIsomekey0000000000000")),
        lambda: nobody.create_login_profile(m.CreateLoginProfileRequest(user_name=NOBODY, password=PASSWORD)),
        lambda: nobody.update_login_profile(m.UpdateLoginProfileRequest(user_name=NOBODY)),
        lambda: nobody.get_login_profile(m.GetLoginProfileRequest(user_name=NOBODY)),
        lambda: nobody.delete_login_profile(m.DeleteLoginProfileRequest(user_name=NOBODY)),
    ):
        refused(call, "NoPermission", 403)


# The last one: the server comes back at other ports.
def test_a_keys_last_use_is_shown_and_outlives_a_restart(server, ram):
    key = server.new_user("used", allow("ram:GetUser", "*"))
    request = m.GetAccessKeyLastUsedRequest(user_name="used", user_access_key_id=key[0])

    def last(client):
        return client.get_access_key_last_used(request).body.access_key_last_used.last_used_date

    assert last(ram) == ""
    sdk.sts(server, key).get_caller_identity()
    used = last(ram)
    assert used.endswith("Z")
    server.end(15)
    server.start()
    assert last(sdk.ram(server)) == used
    unknown = m.GetAccessKeyLastUsedRequest(user_name="used", user_access_key_id="LTAIsomekey0000000000000")
    refused(lambda: sdk.ram(server).get_access_key_last_used(unknown), "EntityNotExist.User.AccessKey", 404)
