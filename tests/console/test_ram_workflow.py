"""RAM clicked through: users, keys, policies, grants, groups; what a client sees of it, and what is warned of before."""

import csv
import json

import pytest
from selenium.webdriver.common.by import By

from support.browser import PASSWORD, at, confirm, follow, picture, press, question, secrets, send, sign_in, text, write
from support.mqtt import Client
from support.server import ALIAS, INSTANCE, ROOT_PASSWORD, access, allow, arn, deny, document, topic, until

KEPT = {}


@pytest.fixture(autouse=True)
def as_root(browser, server):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)


def rows(browser, table):
    return [row.text for row in browser.find_elements(By.CSS_SELECTOR, f"#{table} tbody tr")]


def test_a_user_with_a_logon_is_created_and_signs_in(server, browser):
    at(browser, server, "ram/users")
    picture(browser, "ram-users-empty")
    press(browser, "Create users")
    picture(browser, "ram-create-user")
    send(browser, "create-user", UserName="anna", DisplayName="Anna", Access="Console", PasswordResetRequired=False)
    shown = secrets(browser)
    assert shown["LogonName"] == f"anna@{ALIAS}" and len(shown["Password"]) >= 16
    picture(browser, "ram-user-created")
    sign_in(browser, server, f"anna@{ALIAS}", shown["Password"])
    assert browser.find_element(By.ID, "user").text == "anna"


def test_a_user_with_a_key_is_created_and_its_secret_is_shown_once(server, browser):
    at(browser, server, "ram/create-user")
    send(browser, "create-user", UserName="sensor", Access="Programmatic")
    shown = secrets(browser)
    KEPT["key"] = (shown["AccessKeyId"], shown["AccessKeySecret"])
    browser.find_element(By.ID, "csv").click()
    file = browser.downloads / "credentials.csv"
    until(lambda: file.exists() and file.read_text(), "the file")
    assert list(csv.DictReader(file.open())) == [{"User": "sensor"} | shown]
    at(browser, server, "ram/users/sensor")
    assert KEPT["key"][0] in text(browser, "#keys") and KEPT["key"][1] not in browser.page_source
    picture(browser, "ram-user")


def test_several_users_are_created_at_once(server, browser):
    at(browser, server, "ram/create-user")
    for field, name in zip(browser.find_elements(By.NAME, "UserName"), ["one", "sensor", "three"], strict=True):
        field.send_keys(name)
    send(browser, "create-user", Access="Programmatic")
    told = rows(browser, "result")
    assert [line.split()[0] for line in told] == ["one", "sensor", "three"]
    assert "Created" in told[0] and "exists already" in told[1] and "Created" in told[2]
    assert len(browser.find_elements(By.CSS_SELECTOR, "[data-secret=AccessKeySecret]")) == 2
    picture(browser, "ram-users-created")


def test_a_policy_with_a_fault_is_told_where_it_is_and_then_saved(server, browser):
    at(browser, server, "ram/policies")
    press(browser, "Create policy")
    wrong = '{\n  "Version": "1",\n  "Statement": [\n    {"Effect": "Alow", "Action": "mq:PUB", "Resource": "*"}\n  ]\n}'
    write(browser, "PolicyDocument", wrong)
    until(lambda: "line 4, column 16" in text(browser, "#said-PolicyDocument"), "the editor's fault")
    picture(browser, "ram-create-policy-fault")
    send(browser, "policy", PolicyName="telemetry", Description="May publish")
    # Once: where the editor says it. At the field it says that nothing was saved.
    assert "Nothing was saved." in text(browser, "#fault-PolicyDocument")
    until(lambda: "line 4, column 16" in text(browser, "#said-PolicyDocument"), "the editor's fault")
    assert text(browser, "main").count("line 4, column 16") == 1
    assert browser.find_element(By.NAME, "PolicyName").get_attribute("value") == "telemetry"
    useless = document(access(), topic("home/*"), topic("home/*", "mq:PUB"), allow("mq:NoSuchThing", "*"))
    write(browser, "PolicyDocument", useless)
    until(lambda: "no action" in text(browser, "#said-PolicyDocument"), "the editor's warning")
    assert "says all of it" in text(browser, "#said-PolicyDocument")
    picture(browser, "ram-create-policy-warning")
    write(browser, "PolicyDocument", document(access(), topic("home/*")))
    send(browser, "policy")
    assert "The policy is created." in text(browser)
    assert "mq:MqttInstanceAccess" in text(browser, "#document-text")
    picture(browser, "ram-policy")


def test_a_scenario_and_another_policy_start_a_document(server, browser):
    at(browser, server, "ram/create-policy?from=subscriber")
    assert "GID_GROUP" in browser.find_element(By.NAME, "PolicyDocument").get_attribute("value")
    press(browser, "Import")
    start = json.loads(browser.find_element(By.NAME, "PolicyDocument").get_attribute("value"))
    assert start["Version"] == "1" and start["Statement"]


def test_a_grant_lets_a_client_work_and_a_revoked_one_closes_it(server, browser):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="home")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_clicks")
    at(browser, server, "ram/users/sensor?tab=permissions")
    press(browser, "Add permissions")
    assert browser.find_element(By.CSS_SELECTOR, "[name=Principal][value='user:sensor']").is_selected()
    browser.find_element(By.CSS_SELECTOR, "[name=Policy][value='Custom/telemetry']").click()
    picture(browser, "ram-grant")
    send(browser, "grant")
    assert "Granted" in rows(browser, "result")[0]
    client = Client(server, KEPT["key"], "GID_clicks@@@c", version=5)
    assert client.publish("home/a", "x") == 0
    at(browser, server, "ram/users/sensor?tab=permissions")
    picture(browser, "ram-user-permissions")
    press(browser, "Detach", row="telemetry", leads=False)
    assert "1 live connection of 1 principal will decide again." in question(browser)
    picture(browser, "ram-question")
    assert client.ended is None
    confirm(browser)
    assert "The policy is detached." in text(browser)
    until(lambda: client.ended == 0x87, "the end of the connection")


def test_a_policy_that_forbids_is_asked_about_before_it_is_attached(server, browser):
    server.api("ram", "CreatePolicy", PolicyName="no-lock", PolicyDocument=document(deny("mq:PUB", arn(f"topic/{INSTANCE}/home/lock"))))
    at(browser, server, "ram/grant?user=sensor")
    for policy in ("telemetry", "no-lock"):
        browser.find_element(By.CSS_SELECTOR, f"[name=Policy][value='Custom/{policy}']").click()
    send(browser, "grant")
    assert "0 live connections of 1 principal" in text(browser, "#question")
    follow(browser, browser.find_element(By.ID, "confirm").click)
    assert ["Granted" in row for row in rows(browser, "result")] == [True, True]


def test_grants_are_listed_found_and_revoked(server, browser):
    at(browser, server, "ram/grants")
    assert len(rows(browser, "grants")) >= 2
    picture(browser, "ram-grants")
    at(browser, server, "ram/grants?q=no-lock")
    assert len(rows(browser, "grants")) == 1
    press(browser, "Revoke", row="no-lock", leads=False)
    confirm(browser)
    at(browser, server, "ram/policies/Custom/no-lock?tab=references")
    assert "attached to nobody" in text(browser)


def test_a_new_version_in_force_closes_whom_it_no_longer_allows_and_the_old_one_comes_back(server, browser):
    client = Client(server, KEPT["key"], "GID_clicks@@@c", version=5)
    at(browser, server, "ram/policies/Custom/telemetry/new-version")
    write(browser, "PolicyDocument", document(allow("mq:Get*", "*")))
    browser.find_element(By.CSS_SELECTOR, "#policy-form button[type=submit]").click()
    assert "1 live connection of 1 principal" in question(browser)
    confirm(browser)
    until(lambda: client.ended == 0x87, "the end of the connection")
    assert [row.split()[0] for row in rows(browser, "versions")] == ["v1", "v2"] or "v2" in text(browser, "#versions")
    picture(browser, "ram-versions")
    press(browser, "View", row="v1")
    assert "mq:MqttInstanceAccess" in text(browser, "#version-text")
    press(browser, "Use this version", row="v1", leads=False)
    confirm(browser)
    assert Client(server, KEPT["key"], "GID_clicks@@@c", version=5).publish("home/a", "x") == 0
    press(browser, "Delete", "#versions", row="v2", leads=False)
    assert "telemetry, version v2" in question(browser)
    confirm(browser)
    assert "The version is deleted." in text(browser)


def test_six_versions_keep_the_five_newest_and_the_one_in_force(server, browser):
    server.api("ram", "CreatePolicy", PolicyName="rotated", PolicyDocument=document(allow("mq:PUB", "*")))
    for _ in range(5):
        at(browser, server, "ram/policies/Custom/rotated/new-version")
        send(browser, "policy", SetAsDefault=False)
    versions = " ".join(rows(browser, "versions"))
    assert "v1" in versions and "v6" in versions and "v2" not in versions


def test_a_group_is_made_joined_inherited_left_and_deleted(server, browser):
    at(browser, server, "ram/groups")
    picture(browser, "ram-groups-empty")
    press(browser, "Create group")
    send(browser, "create-group", GroupName="fleet", Comments="Everything with wheels")
    assert "The group is created." in text(browser)
    send(browser, "add-member", UserName="sensor")
    assert "sensor" in rows(browser, "members")[0]
    picture(browser, "ram-group")
    press(browser, "Permissions", "#tabs")
    press(browser, "Add permissions")
    browser.find_element(By.CSS_SELECTOR, "[name=Policy][value='Custom/rotated']").click()
    send(browser, "grant")
    assert "Granted" in rows(browser, "result")[0]
    at(browser, server, "ram/users/sensor?tab=permissions")
    assert "rotated" in text(browser, "#inherited-policies") and "fleet" in text(browser, "#inherited-policies")
    press(browser, "Groups", "#tabs")
    picture(browser, "ram-user-groups")
    client = Client(server, KEPT["key"], "GID_clicks@@@c", version=5)
    press(browser, "Leave", row="fleet", leads=False)
    assert "1 live connection of 1 principal" in question(browser)
    confirm(browser)
    assert "In no group." in text(browser) and client.ended is None
    send(browser, "join", GroupName="fleet")
    at(browser, server, "ram/groups/fleet/edit")
    send(browser, "edit", NewGroupName="vehicles")
    assert "vehicles" in text(browser, "h1")
    press(browser, "Delete", ".page-head", leads=False)
    assert "1 live connection of 1 principal" in question(browser)
    confirm(browser)
    assert "The group is deleted." in text(browser) and "There is no group yet." in text(browser)


def test_a_key_is_deactivated_with_a_warning_and_its_client_is_closed(server, browser):
    client = Client(server, KEPT["key"], "GID_clicks@@@c", version=5)
    at(browser, server, "ram/users/sensor")
    press(browser, "Deactivate", row=KEPT["key"][0], leads=False)
    assert "1 live connection" in question(browser)
    # "Cancel" leaves everything as it is.
    browser.find_element(By.CSS_SELECTOR, "dialog [data-keep]").click()
    assert "Inactive" not in text(browser, "#keys")
    press(browser, "Deactivate", row=KEPT["key"][0], leads=False)
    confirm(browser)
    until(lambda: client.ended is not None, "the end of the connection")
    assert "Inactive" in text(browser, "#keys")
    press(browser, "Activate", row=KEPT["key"][0])
    press(browser, "Create AccessKey")
    second = secrets(browser)["AccessKeyId"]
    at(browser, server, "ram/users/sensor")
    press(browser, "Delete", row=second, leads=False)
    confirm(browser)
    assert second not in text(browser, "#keys")


def test_a_users_logon_is_enabled_changed_and_cleared(server, browser):
    at(browser, server, "ram/users/sensor")
    send(browser, "enable-logon", Password="short")
    assert "password" in text(browser, "#wrong")
    send(browser, "enable-logon", Password=PASSWORD, PasswordResetRequired=False)
    assert "enabled" in text(browser, "#logon")
    send(browser, "modify-logon", PasswordResetRequired=True)
    assert "yes" in text(browser, "#logon")
    press(browser, "Clear", leads=False)
    confirm(browser)
    assert "cannot sign in" in text(browser)


def test_a_user_is_edited_with_faults_at_their_fields(server, browser):
    at(browser, server, "ram/users/anna/edit")
    send(browser, "edit", NewEmail="nonsense")
    assert "format" in text(browser, "#fault-NewEmail")
    assert browser.find_element(By.NAME, "NewEmail").get_attribute("value") == "nonsense"
    picture(browser, "ram-edit-user")
    send(browser, "edit", NewEmail="anna@example.com", NewUserName="anne")
    assert "anna@example.com" in text(browser, "#about") and "anne" in text(browser, "h1")


def test_a_user_is_deleted_with_all_that_it_has(server, browser):
    client = Client(server, KEPT["key"], "GID_clicks@@@c", version=5)
    at(browser, server, "ram/users/sensor")
    press(browser, "Delete", ".page-head", leads=False)
    asked = question(browser)
    assert "1 AccessKey" in asked and "grant" in asked and "1 live connection of 1 principal" in asked
    picture(browser, "ram-delete-user")
    confirm(browser)
    assert "The user is deleted." in text(browser) and "sensor" not in text(browser, "#users")
    until(lambda: client.ended is not None, "the end of the connection")


def test_a_policy_that_is_attached_is_not_deleted_and_one_that_is_not_goes_with_its_versions(server, browser):
    server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName="rotated", UserName="anne")
    at(browser, server, "ram/policies/Custom/rotated")
    press(browser, "Delete", ".page-head", leads=False)
    confirm(browser)
    assert "still attached" in text(browser, "#wrong")
    server.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="rotated", UserName="anne")
    at(browser, server, "ram/policies/Custom/rotated")
    press(browser, "Delete", ".page-head", leads=False)
    confirm(browser)
    assert "The policy is deleted." in text(browser)
    at(browser, server, "ram/policies?q=rotated")
    assert "No policy fits" in text(browser)
    picture(browser, "ram-policies-empty")


def test_a_role_is_made_granted_edited_and_deleted(server, browser):
    at(browser, server, "ram/roles")
    press(browser, "Create role")
    picture(browser, "ram-create-role")
    send(browser, "create-role", RoleName="courier", Entity="Service", Trusted="mq.aliyuncs.com")
    assert "mq.aliyuncs.com" in text(browser, "#trust-text")
    picture(browser, "ram-role")
    at(browser, server, "ram/roles/courier/edit")
    write(browser, "NewAssumeRolePolicyDocument", '{"Version": "1", "Statement": [{"Effect": "Allow"}]}')
    until(lambda: "line 1" in text(browser, "#said-NewAssumeRolePolicyDocument"), "the editor's fault")
    trust = {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"RAM": ["acs:ram::1234567890123456:root"]}}
    write(browser, "NewAssumeRolePolicyDocument", document(trust))
    send(browser, "edit", NewDescription="Carries things")
    assert "Carries things" in text(browser, "#about") and ":root" in text(browser, "#trust-text")
    at(browser, server, "ram/grant?role=courier")
    browser.find_element(By.CSS_SELECTOR, "[name=Policy][value='Custom/telemetry']").click()
    send(browser, "grant")
    at(browser, server, "ram/roles/courier?tab=permissions")
    assert "telemetry" in text(browser, "#own-policies")
    press(browser, "Delete", ".page-head", leads=False)
    assert "of 1 principal" in question(browser)
    confirm(browser)
    assert "The role is deleted." in text(browser) and "There is no role yet." in text(browser)


def test_the_overview_counts(server, browser):
    at(browser, server, "ram")
    counts = text(browser, "#counts")
    assert "Users" in counts and "System policies" in counts
    picture(browser, "ram-overview")
