"""The console in real Chromium."""

import pytest
from selenium.webdriver.common.by import By

from support.browser import PASSWORD, at, fill, picture, sign_in, text
from support.server import (
    ACCOUNT, ALIAS, INSTANCE, ROOT_PASSWORD, ROOT_SECRET, access, allow, arn, until,
)  # fmt: skip


def new_user(server, name, *statements, **profile):
    server.api("ram", "CreateUser", UserName=name)
    if statements:
        server.grant(name, name, *statements)
    server.api("ram", "CreateLoginProfile", UserName=name, Password=PASSWORD, **profile)


@pytest.mark.parametrize("name", [ALIAS, ACCOUNT])
def test_the_account_signs_in_by_alias_and_by_id(server, browser, name):
    sign_in(browser, server, name, ROOT_PASSWORD)
    assert browser.find_element(By.ID, "user").text == "root"
    assert browser.find_element(By.ID, "account").text == ALIAS
    picture(browser, "user-center")
    browser.find_element(By.LINK_TEXT, "ApsaraMQ for MQTT").click()
    assert "Overview" in text(browser)
    figures = browser.find_element(By.ID, "figures").text
    assert "Instances" in figures
    picture(browser, "console")


@pytest.mark.parametrize("place", [ALIAS, f"{ALIAS}.onaliyun.com", ACCOUNT])
def test_a_ram_user_signs_in_by_every_form_of_its_name(server, browser, place):
    user = f"viewer-{place[:3]}-{len(place)}"
    new_user(server, user, allow("mq:MqttMetaData", "*"))
    sign_in(browser, server, f"{user}@{place}", PASSWORD)
    assert browser.find_element(By.ID, "user").text == user


def test_every_wrong_sign_in_answers_alike(server, browser):
    new_user(server, "locked")
    server.api("ram", "CreateUser", UserName="no-profile")
    sign_in(browser, server, f"locked@{ALIAS}", "wrong")
    expected = text(browser)
    assert "The logon name or the password is wrong." in expected
    picture(browser, "sign-in-wrong")
    for name in (f"nobody@{ALIAS}", f"no-profile@{ALIAS}", "locked@nowhere", "nowhere", ""):
        sign_in(browser, server, name or "@", PASSWORD)
        assert text(browser) == expected, name
    for _ in range(9):
        sign_in(browser, server, f"locked@{ALIAS}", "wrong")
    sign_in(browser, server, f"locked@{ALIAS}", PASSWORD)
    assert text(browser) == expected
    server.api("ram", "UpdateLoginProfile", UserName="locked", Password=PASSWORD)
    sign_in(browser, server, f"locked@{ALIAS}", PASSWORD)
    assert browser.find_element(By.ID, "user").text == "locked"


def test_a_password_that_must_be_changed_leads_to_a_page_that_does_just_that(server, browser):
    new_user(server, "fresh", allow("mq:*", "*"), PasswordResetRequired="true")
    sign_in(browser, server, f"fresh@{ALIAS}", PASSWORD)
    assert "Choose a new password" in text(browser)
    picture(browser, "new-password")
    at(browser, server, "mqtt")
    assert "Choose a new password" in text(browser)
    fields = {"old_password": PASSWORD, "new_password": "short", "new_password_again": "short"}
    fill(browser, fields)
    assert "8 to 32 characters" in browser.find_element(By.ID, "wrong").text
    fill(browser, fields | {"new_password": "another-password", "new_password_again": "another-password"})
    assert "User center" in text(browser)
    browser.delete_all_cookies()
    sign_in(browser, server, f"fresh@{ALIAS}", PASSWORD)
    assert "The logon name or the password is wrong." in text(browser)


def test_overview_names_the_missing_permission_and_shows_it_once_granted(server, browser):
    new_user(server, "plain")
    sign_in(browser, server, f"plain@{ALIAS}", PASSWORD)
    assert "None of your permissions opens a service here yet." in text(browser)
    at(browser, server, "mqtt")
    assert browser.find_element(By.ID, "refused-action").text == "mq:MqttMetaData"
    assert ACCOUNT in browser.find_element(By.ID, "refused-resource").text
    picture(browser, "refusal")
    statement = browser.find_element(By.ID, "statement").text
    server.api("ram", "CreatePolicy", PolicyName="asked", PolicyDocument=statement)
    server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName="asked", UserName="plain")
    browser.refresh()
    assert browser.find_element(By.ID, "figures").is_displayed()
    server.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="asked", UserName="plain")
    browser.refresh()
    assert browser.find_element(By.ID, "refusal").is_displayed()


def test_the_instance_list_shows_just_what_is_granted(server, browser):
    server.api("onsmqtt", "CreateMqttInstance", InstanceName="unseen", InstanceId="mqtt-cn-unseen")
    new_user(server, "lister", allow("mq:ListMqttInstance", arn(f"instance/{INSTANCE}")), access())
    sign_in(browser, server, f"lister@{ALIAS}", PASSWORD)
    at(browser, server, "mqtt/instances")
    table = browser.find_element(By.ID, "instances").text
    assert INSTANCE in table and "mqtt-cn-unseen" not in table
    picture(browser, "instances")
    server.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="lister", UserName="lister")
    browser.refresh()
    assert browser.find_element(By.ID, "refused-action").text == "mq:ListMqttInstance"


def settings_of(server, instance):
    detail = server.api("onsmqtt", "GetMqttInstance", InstanceId=instance)["Instance"]
    return [detail["Durability"], detail["Limits"]["OfflineRetentionSeconds"], detail["Limits"]["OfflineMessagesMax"]]


def test_an_instances_durability_and_retention_are_shown_and_changed(server, browser):
    instance = "mqtt-cn-kept"
    server.api("onsmqtt", "CreateMqttInstance", InstanceName="kept", InstanceId=instance, OfflineMessagesMax="500")
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    at(browser, server, "mqtt/instances")
    browser.find_element(By.LINK_TEXT, instance).click()
    assert "It survives the end of the server and a loss of power." in text(browser)
    assert browser.find_element(By.CSS_SELECTOR, "input[value=Sync]").is_selected()
    assert browser.find_element(By.NAME, "messages_max").get_attribute("value") == "500"
    picture(browser, "instance")
    browser.find_element(By.CSS_SELECTOR, "input[value=Relaxed]").click()
    for name in ("retention_s", "messages_max"):
        browser.find_element(By.NAME, name).clear()
    fill(browser, {"retention_s": "3600", "messages_max": "700"})
    assert browser.find_element(By.ID, "saved").is_displayed()
    assert settings_of(server, instance) == ["Relaxed", 3600, 700]
    # What the browser does not refuse, the operation does.
    browser.execute_script("document.getElementById('settings').noValidate = true")
    browser.find_element(By.NAME, "retention_s").clear()
    fill(browser, {"retention_s": "0"})
    assert "OfflineRetentionSeconds" in browser.find_element(By.ID, "wrong").text
    assert settings_of(server, instance) == ["Relaxed", 3600, 700]


def test_an_instances_settings_are_only_shown_to_who_may_not_change_them(server, browser):
    new_user(server, "reader", allow("mq:GetMqttInstance", arn(f"instance/{INSTANCE}")), access())
    sign_in(browser, server, f"reader@{ALIAS}", PASSWORD)
    at(browser, server, f"mqtt/instances/{INSTANCE}")
    assert "259200 seconds" in browser.find_element(By.ID, "settings-shown").text
    assert browser.find_element(By.ID, "refused-action").text == "mq:UpdateMqttInstance"
    assert not browser.find_elements(By.ID, "settings")
    # A foreign instance and one that is not there read the same.
    refusals = []
    for instance in ("mqtt-cn-unseen", "mqtt-cn-absent"):
        at(browser, server, f"mqtt/instances/{instance}")
        request_id = browser.find_element(By.ID, "request-id").text
        refusals.append(browser.find_element(By.ID, "refusal").text.replace(instance, "I").replace(request_id, "R"))
    assert refusals[0] == refusals[1] and "mq:MqttInstanceAccess" in refusals[0]


def test_signing_out_ends_the_session_and_so_does_deleting_the_profile(server, browser):
    new_user(server, "leaver")
    sign_in(browser, server, f"leaver@{ALIAS}", PASSWORD)
    cookie = browser.get_cookie("sluice-session")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    browser.find_element(By.ID, "sign-out").click()
    until(lambda: "Sign in to the console" in text(browser), "the sign-in page")
    browser.add_cookie(cookie)
    at(browser, server)
    assert "Sign in to the console" in text(browser)
    sign_in(browser, server, f"leaver@{ALIAS}", PASSWORD)
    server.api("ram", "DeleteLoginProfile", UserName="leaver")
    browser.refresh()
    assert "Sign in to the console" in text(browser)


def test_no_page_holds_a_secret(server, browser):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    for path in ("", "mqtt", "mqtt/instances", f"mqtt/instances/{INSTANCE}"):
        at(browser, server, path)
        assert ROOT_SECRET not in browser.page_source and ROOT_PASSWORD not in browser.page_source
