"""Sign-in to the console in real Chromium: second factor, forced steps, lock-out, masks; and attacks on it without a browser."""

import re
import threading

import pytest
from selenium.webdriver.common.by import By

from support import codes
from support.browser import PASSWORD, at, confirm, fill, follow, picture, question, text
from support.server import ALIAS, ROOT_PASSWORD, allow

WRONG = "The logon name or the password is wrong."
WRONG_CODE = "The code is wrong or was used already."


def sign_in(browser, server, name, password=PASSWORD):
    """With the cookies that are there: a machine may be remembered."""
    at(browser, server)
    fill(browser, {"logon_name": name if name == ALIAS else f"{name}@{ALIAS}", "password": password})


def user_of(browser):
    return browser.find_element(By.ID, "user").text


def new_user(server, name, *statements, **profile):
    server.api("ram", "CreateUser", UserName=name)
    if statements:
        server.grant(name, name, *statements)
    server.api("ram", "CreateLoginProfile", UserName=name, Password=PASSWORD, **profile)


def with_device(server, name, *statements, **profile):
    """A user whose device is bound; its seed. This step's code and the next one are not used yet."""
    new_user(server, name, *statements, **profile)
    made = server.api("ram", "CreateVirtualMFADevice", VirtualMFADeviceName=f"d-{name}")["VirtualMFADevice"]
    first, second = codes.earlier_pair(made["Base32StringSeed"])
    server.api("ram", "BindMFADevice", UserName=name, SerialNumber=made["SerialNumber"],
               AuthenticationCode1=first, AuthenticationCode2=second)  # fmt: skip
    return made["Base32StringSeed"]


@pytest.fixture
def preference(server):
    """Sets the security preference; it is as it was after the test."""
    yield lambda **fields: server.api("ram", "SetSecurityPreference", **fields)
    server.api("ram", "SetSecurityPreference", EnableSaveMFATicket="false", LoginNetworkMasks="",
               AllowUserToManageAccessKeys="false", AllowUserToManageMFADevices="true", AllowUserToChangePassword="true")  # fmt: skip


@pytest.fixture
def password_policy(server):
    yield lambda **fields: server.api("ram", "SetPasswordPolicy", **fields)
    server.api("ram", "SetPasswordPolicy", MinimumPasswordLength="8", RequireNumbers="false", MaxLoginAttemps="0")


def test_a_code_is_asked_after_the_password_and_the_session_has_shown_mfa(server, browser):
    condition = {"Effect": "Allow", "Action": "mq:MqttMetaData", "Resource": "*", "Condition": {"Bool": {"acs:MFAPresent": "true"}}}
    seed = with_device(server, "with-mfa", condition)
    sign_in(browser, server, "with-mfa")
    assert "Enter the code" in text(browser) and not browser.find_elements(By.NAME, "remember")
    picture(browser, "mfa-code")
    # No page opens by its address in between.
    for path in ("", "mqtt", "security", "mfa/bind", "password", "ram/settings"):
        at(browser, server, path)
        assert "Sign in to the console" in text(browser), path
    at(browser, server, "mfa")
    fill(browser, {"code": codes.wrong_code(seed)})
    assert WRONG_CODE in text(browser)
    fill(browser, {"code": codes.code(seed)})
    assert user_of(browser) == "with-mfa"
    at(browser, server, "mqtt")
    assert browser.find_element(By.ID, "figures").is_displayed()


def test_without_mfa_the_condition_does_not_hold(server, browser):
    condition = {"Effect": "Allow", "Action": "mq:MqttMetaData", "Resource": "*", "Condition": {"Bool": {"acs:MFAPresent": "true"}}}
    new_user(server, "without-mfa", condition)
    sign_in(browser, server, "without-mfa")
    at(browser, server, "mqtt")
    assert browser.find_element(By.ID, "refusal").is_displayed()


def test_a_device_that_must_be_bound_comes_before_any_other_page(server, browser, preference):
    # Demanded, it needs no right.
    preference(AllowUserToManageMFADevices="false")
    new_user(server, "must-bind", allow("mq:*", "*"), MFABindRequired="true", PasswordResetRequired="true")
    sign_in(browser, server, "must-bind")
    assert "Choose a new password" in text(browser)
    at(browser, server, "mfa/bind")
    assert "Choose a new password" in text(browser)
    fill(browser, {"old_password": PASSWORD, "new_password": "next-password", "new_password_again": "next-password"})
    for path in ("", "mqtt", "security", "ram/settings", "password"):
        at(browser, server, path)
        assert "Bind an MFA device" in text(browser), path
    seed = browser.find_element(By.ID, "seed").text
    assert browser.find_element(By.ID, "qr-code").get_property("naturalWidth") > 100
    picture(browser, "mfa-bind")
    fill(browser, {"code1": "000000", "code2": "000000"})
    assert browser.find_element(By.ID, "wrong").is_displayed() and browser.find_element(By.ID, "seed").text == seed
    first, second = codes.earlier_pair(seed)
    fill(browser, {"code1": first, "code2": second})
    assert user_of(browser) == "must-bind" and "is bound" in browser.find_element(By.ID, "done").text
    browser.delete_all_cookies()
    sign_in(browser, server, "must-bind", "next-password")
    fill(browser, {"code": codes.code(seed)})
    assert user_of(browser) == "must-bind"


def test_a_machine_is_remembered_until_the_password_changes_or_the_preference_is_off(server, browser, preference):
    preference(EnableSaveMFATicket="true")
    seed = with_device(server, "remembered")
    sign_in(browser, server, "remembered")
    browser.find_element(By.NAME, "remember").click()
    picture(browser, "mfa-remember")
    fill(browser, {"code": codes.code(seed)})
    ticket = browser.get_cookie("sluice-mfa")
    assert ticket["httpOnly"] and ticket["sameSite"] == "Strict" and ticket["expiry"]
    follow(browser, browser.find_element(By.ID, "sign-out").click)
    sign_in(browser, server, "remembered")
    assert user_of(browser) == "remembered"
    # It is nobody else's.
    with_device(server, "another")
    follow(browser, browser.find_element(By.ID, "sign-out").click)
    sign_in(browser, server, "another")
    assert "Enter the code" in text(browser)
    server.api("ram", "UpdateLoginProfile", UserName="remembered", Password=PASSWORD)
    sign_in(browser, server, "remembered")
    assert "Enter the code" in text(browser)
    browser.find_element(By.NAME, "remember").click()
    fill(browser, {"code": codes.code(seed, 1)})
    assert user_of(browser) == "remembered"
    preference(EnableSaveMFATicket="false")
    preference(EnableSaveMFATicket="true")
    follow(browser, browser.find_element(By.ID, "sign-out").click)
    sign_in(browser, server, "remembered")
    assert "Enter the code" in text(browser)


def test_wrong_ones_lock_as_the_policy_says_and_every_failure_reads_alike(server, password_policy, preference):
    password_policy(MaxLoginAttemps="3")
    new_user(server, "lockable")
    new_user(server, "outside")
    browser = codes.Browser(server)

    def shown(name, password):
        reply = browser.sign_in(name, password)
        return reply.status_code, re.sub(r"[0-9a-f]{64}", "", reply.text)

    expected = shown(f"lockable@{ALIAS}", "wrong-1")
    assert expected[0] == 200 and WRONG in expected[1]
    assert shown(f"lockable@{ALIAS}", "wrong-2") == expected
    assert browser.sign_in(f"lockable@{ALIAS}", PASSWORD).status_code == 303, "a right one begins the count anew"
    browser = codes.Browser(server)
    for attempt in range(3):
        assert shown(f"lockable@{ALIAS}", f"wrong-{attempt}") == expected
    assert shown(f"lockable@{ALIAS}", PASSWORD) == expected
    assert shown(f"nobody@{ALIAS}", PASSWORD) == expected
    preference(LoginNetworkMasks="192.0.2.0/24")
    assert shown(f"outside@{ALIAS}", PASSWORD) == expected
    preference(LoginNetworkMasks="")
    server.api("ram", "UpdateLoginProfile", UserName="lockable", Password=PASSWORD)
    assert browser.sign_in(f"lockable@{ALIAS}", PASSWORD).status_code == 303


def test_a_session_from_elsewhere_ends_at_its_next_click_and_the_api_goes_on(server, browser, preference):
    key = server.new_user("masked", allow("ram:GetUser", "*"))
    server.api("ram", "CreateLoginProfile", UserName="masked", Password=PASSWORD)
    sign_in(browser, server, "masked")
    assert user_of(browser) == "masked"
    preference(LoginNetworkMasks="192.0.2.0/24;198.51.100.1")
    server.api("ram", "GetUser", UserName="masked", key=key)
    at(browser, server)
    assert "Sign in to the console" in text(browser)
    preference(LoginNetworkMasks="")
    at(browser, server)
    assert "Sign in to the console" in text(browser), "it has ended"
    # The account itself is not held to them: it can always come and correct them.
    preference(LoginNetworkMasks="192.0.2.0/24")
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    assert user_of(browser) == "root"


def test_codes_guessed_in_parallel_are_not_more_than_the_lock_allows(server, password_policy):
    password_policy(MaxLoginAttemps="5")
    seed = with_device(server, "guessed")
    browser = codes.Browser(server)
    assert browser.sign_in(f"guessed@{ALIAS}", PASSWORD).headers["location"] == "/console/mfa"
    csrf, cookies = browser.csrf("/mfa"), dict(browser.cookies)
    outcomes = []

    def guess(code):
        one = codes.Browser(server)
        one.cookies.update(cookies)
        reply = one.post(f"{one.base}/mfa", data={"csrf": csrf, "code": code}, allow_redirects=False)
        outcomes.append(reply.status_code)

    threads = [threading.Thread(target=guess, args=(codes.wrong_code(seed),)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [200] * 40
    log = server.log()
    assert log.count("CheckAuthenticationCodeFail") <= 5 + 1 and "Locked" in log
    # The right one slips by neither here nor by a new sign-in.
    guess(codes.code(seed))
    assert outcomes[-1] == 200
    assert browser.sign_in(f"guessed@{ALIAS}", PASSWORD).status_code == 200


def test_a_code_works_once_also_for_who_saw_it_typed(server):
    seed = with_device(server, "replayed")
    code = codes.code(seed)
    replies = []
    for _ in range(2):
        browser = codes.Browser(server)
        assert browser.sign_in(f"replayed@{ALIAS}", PASSWORD).status_code == 303
        replies.append(browser.submit("/mfa", code=code))
    assert [reply.status_code for reply in replies] == [303, 200] and WRONG_CODE in replies[1].text


def test_forms_without_their_token_are_refused_and_half_a_sign_in_opens_nothing(server):
    seed = with_device(server, "half")
    browser = codes.Browser(server)
    browser.sign_in(f"half@{ALIAS}", PASSWORD)
    half = browser.cookies["sluice-half"]
    assert browser.post(f"{browser.base}/mfa", data={"code": codes.code(seed)}).status_code in (400, 403)
    assert browser.submit("/mfa", csrf="0" * 64, code=codes.code(seed)).status_code == 403
    browser.cookies.set("sluice-session", half, path="/console")
    for path in ("/mqtt", "/security", "/ram/settings", "/mfa/bind"):
        assert "Sign in to the console" in browser.page(path).text, path
    # With a session, each form wants the session's token.
    new_user(server, "csrf")
    browser = codes.Browser(server)
    browser.sign_in(f"csrf@{ALIAS}", PASSWORD)
    for path, fields in (("/security", {"do": "create-key"}), ("/password", {"old_password": "a", "new_password": "b", "new_password_again": "b"}),
                         ("/mfa/bind", {"code1": "000000", "code2": "000000"}), ("/ram/settings", {"form": "password"})):  # fmt: skip
        assert browser.post(f"{browser.base}{path}", data={"csrf": "0" * 64} | fields).status_code == 403, path


def test_one_looks_after_ones_own_password_device_and_keys(server, browser, preference):
    preference(AllowUserToManageAccessKeys="true")
    new_user(server, "self")
    sign_in(browser, server, "self")
    browser.find_element(By.ID, "security-link").click()
    picture(browser, "security")
    follow(browser, browser.find_element(By.ID, "change-password").click)
    fill(browser, {"old_password": PASSWORD, "new_password": "short", "new_password_again": "short"})
    assert browser.find_element(By.ID, "wrong").is_displayed()
    fill(browser, {"old_password": PASSWORD, "new_password": "other-password", "new_password_again": "other-password"})
    assert "password is changed" in browser.find_element(By.ID, "done").text
    follow(browser, browser.find_element(By.ID, "create-key").click)
    key = browser.find_element(By.ID, "new-key-id").text, browser.find_element(By.ID, "new-key-secret").text
    assert server.api("sts", "GetCallerIdentity", key=key)["IdentityType"] == "RAMUser"
    picture(browser, "security-key")
    at(browser, server, "security")
    assert key[1] not in browser.page_source
    for word in ("Deactivate", "Delete"):
        browser.find_element(By.XPATH, f"//table[@id='keys']//button[text()='{word}']").click()
        confirm(browser)
    assert not browser.find_elements(By.ID, "keys")
    follow(browser, browser.find_element(By.ID, "bind").click)
    first, second = codes.earlier_pair(browser.find_element(By.ID, "seed").text)
    fill(browser, {"code1": first, "code2": second})
    browser.find_element(By.ID, "unbind").click()
    confirm(browser)
    assert "unbound" in browser.find_element(By.ID, "done").text
    preference(AllowUserToManageAccessKeys="false", AllowUserToManageMFADevices="false", AllowUserToChangePassword="false")
    at(browser, server, "security")
    assert browser.find_element(By.ID, "password-shut") and browser.find_element(By.ID, "keys-shut")
    at(browser, server, "password")
    fill(browser, {"old_password": "other-password", "new_password": PASSWORD, "new_password_again": PASSWORD})
    assert browser.find_element(By.ID, "refused-action").text == "ram:ChangePassword"


def test_an_administrator_sets_rules_preference_and_alias(server, browser, preference, password_policy):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    at(browser, server, "ram/settings")
    browser.find_element(By.CSS_SELECTOR, "input[type=checkbox][name=RequireNumbers]").click()
    fill(browser, {"MinimumPasswordLength": "12"}, "#password-form")
    assert browser.find_element(By.ID, "saved").is_displayed()
    picture(browser, "settings")
    policy = server.api("ram", "GetPasswordPolicy")["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["RequireNumbers"], policy["RequireSymbols"]) == (12, True, False)
    fill(browser, {"LoginNetworkMasks": "nowhere"}, "#preference-form")
    # What was typed stays, and what is wrong is said at its field.
    assert browser.find_element(By.NAME, "LoginNetworkMasks").get_attribute("value") == "nowhere"
    assert browser.find_element(By.ID, "fault-LoginNetworkMasks").is_displayed()
    assert "LoginNetworkMasks" not in text(browser)
    field = browser.find_element(By.NAME, "AccountAlias")
    field.clear()
    field.send_keys("renamed")
    browser.find_element(By.CSS_SELECTOR, "#alias-form button[type=submit]").click()
    assert "user@acme" in question(browser)
    confirm(browser)
    assert server.api("ram", "GetAccountAlias")["AccountAlias"] == "renamed"
    server.api("ram", "SetAccountAlias", AccountAlias=ALIAS)


def test_who_may_not_see_the_settings_is_told_what_is_missing(server, browser):
    new_user(server, "curious")
    sign_in(browser, server, "curious")
    at(browser, server, "ram/settings")
    asked = [one.text for one in browser.find_elements(By.ID, "refused-action")]
    assert asked == ["ram:GetPasswordPolicy", "ram:GetSecurityPreference", "ram:GetAccountAlias"]
