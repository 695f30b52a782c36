"""What the console does for whoever does not know it yet: nothing is offered that is refused, nothing goes without a question, nothing that
was typed or chosen is lost, and every page fits a telephone."""

import re

import pytest
import requests
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from support.browser import (
    PASSWORD, at, confirm, csrf, follow, narrow, picture, press, question, send, session, sign_in, text, wide,
)  # fmt: skip
from support.mqtt import Client
from support.server import ACCOUNT, ALIAS, INSTANCE, ROOT_PASSWORD, access, allow, document, topic, until

# More than the form to grant shows at once.
MANY = [f"many-{number:03}" for number in range(205)]


def new_user(server, name, *statements):
    """A user with a logon, a key and a policy."""
    key = server.new_user(name, *statements)
    server.api("ram", "CreateLoginProfile", UserName=name, Password=PASSWORD)
    return key


def post(server, browser, path, *pairs, **fields):
    """A form as a browser without scripts sends it."""
    data = [("csrf", csrf(browser)), *pairs, *fields.items()]
    return requests.post(f"{server.http}/console/{path}", data=data, cookies=session(browser), timeout=60)


def root(browser, server):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)


@pytest.fixture(scope="module", autouse=True)
def things(server):
    server.api("ram", "CreatePolicy", PolicyName="telemetry", PolicyDocument=document(allow("mq:PUB", "*")))
    server.api("ram", "CreatePolicy", PolicyName="commands", PolicyDocument=document(allow("mq:SUB", "*")))
    server.api("ram", "CreateUser", UserName="sensor")
    server.api("ram", "CreateGroup", GroupName="team")
    new_user(server, "nobody")
    server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName="telemetry", UserName="sensor")


def checked(browser, name):
    return {one.get_attribute("value") for one in browser.find_elements(By.CSS_SELECTOR, f"[name={name}]:checked")}


def test_a_grant_is_made_among_more_principals_than_are_shown(server, browser):
    root(browser, server)
    at(browser, server, "ram/create-user")
    for start in range(0, len(MANY), 20):
        rows = [pair for name in MANY[start : start + 20] for pair in (("UserName", name), ("DisplayName", ""))]
        assert post(server, browser, "ram/create-user", *rows, Access="Programmatic").status_code == 200
    # Chosen by the address, it is there though it comes after the first 200.
    at(browser, server, "ram/grant?user=many-204")
    assert checked(browser, "Principal") == {"user:many-204"}
    assert re.search(r"^201 of 2\d\d are shown", text(browser, "#cut-Principal"))
    assert text(browser, "#cut-Policy") == ""
    # As it is typed; the other list stays as it is.
    browser.find_element(By.ID, "find-Principal").send_keys("many-203")
    until(lambda: "many-203" in text(browser, "#list-Principal"), "the found user")
    assert "many-100" not in text(browser, "#list-Principal") and "commands" in text(browser, "#list-Policy")
    browser.find_element(By.CSS_SELECTOR, "[value='user:many-203']").click()
    browser.find_element(By.CSS_SELECTOR, "[value='Custom/commands']").click()
    picture(browser, "grant-found")
    # With Enter, as without a script.
    follow(browser, lambda: browser.find_element(By.ID, "find-Policy").send_keys("telem", Keys.ENTER))
    assert checked(browser, "Principal") == {"user:many-203", "user:many-204"} and checked(browser, "Policy") == {"Custom/commands"}
    assert "telemetry" in text(browser, "#list-Policy") and "ReadOnlyAccess" not in text(browser, "#list-Policy")
    assert "many-100" not in text(browser, "#list-Principal")
    browser.find_element(By.CSS_SELECTOR, "[value='Custom/telemetry']").click()
    send(browser, "grant")
    assert text(browser, "#result").count("Granted") == 4
    assert len(server.api("ram", "ListPoliciesForUser", UserName="many-203")["Policies"]["Policy"]) == 2


def test_what_is_chosen_stays_chosen_in_a_search_without_a_script(server, browser):
    root(browser, server)
    reply = post(server, browser, "ram/grant", ("Principal", "user:sensor"), ("Principal", "group:team"), Policy="Custom/commands", FindPolicy="telem", find="yes")
    assert reply.status_code == 200
    assert set(re.findall(r'value="([^"]*)" checked', reply.text)) == {"user:sensor", "group:team", "Custom/commands"}
    assert "Custom/telemetry" in reply.text and "System/" not in reply.text
    wrong = post(server, browser, "ram/grant", Policy="Custom/commands")
    assert wrong.status_code == 400 and 'id="fault-Principal"' in wrong.text


def test_no_button_is_offered_that_is_refused(server, browser):
    new_user(server, "looker", allow(["ram:Get*", "ram:List*"], "*"))
    sign_in(browser, server, f"looker@{ALIAS}")
    offered = {
        "ram/users/sensor?tab=permissions": "Add permissions", "ram/users/sensor?tab=groups": "Join", "ram/groups/team": "Add",
        "ram/groups/team?tab=permissions": "Add permissions", "ram/policies/Custom/telemetry?tab=references": "Grant",
        "ram/grants": "Grant permission", "ram/grant": "Grant", "ram/users": "Create users",
    }  # fmt: skip
    for path, label in offered.items():
        at(browser, server, path)
        assert label in [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".btn.disabled")], path
        assert label not in [one.text for one in browser.find_elements(By.CSS_SELECTOR, "button, a.btn")], path
    # What goes for one alone is offered.
    new_user(server, "granter", allow(["ram:List*", "ram:Get*"], "*"), allow("ram:AttachPolicyToUser", [f"acs:ram:*:{ACCOUNT}:user/sensor", f"acs:ram:*:{ACCOUNT}:policy/*"]))
    sign_in(browser, server, f"granter@{ALIAS}")
    for path, label in {"ram/users/sensor?tab=permissions": "Add permissions", "ram/grants": "Grant permission", "ram/grant": "Grant"}.items():
        at(browser, server, path)
        assert label in [one.text for one in browser.find_elements(By.CSS_SELECTOR, "button, a.btn")], path
    at(browser, server, "ram/users/looker?tab=permissions")
    assert "Add permissions" in [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".btn.disabled")]


def test_the_menu_and_the_pages_mark_whatever_would_be_refused(server, browser):
    new_user(server, "lister", allow("ram:ListUsers", "*"))
    sign_in(browser, server, f"lister@{ALIAS}")
    at(browser, server, "ram")
    shut = {link.get_attribute("href").rsplit("/console/", 1)[1] for link in browser.find_elements(By.CSS_SELECTOR, ".menu a.shut")}
    assert {"mqtt", "mqtt/instances", "ram/settings", "ram/groups", "ram/why"} <= shut and not {"ram", "ram/users"} & shut
    assert [link.text for link in browser.find_elements(By.CSS_SELECTOR, "#logon-name a")] == ["Users"]
    at(browser, server, "ram/groups")
    assert not browser.find_elements(By.ID, "why") and text(browser, "#refusal-head") == "You may not open this page"
    # A deed is no page.
    at(browser, server)
    told = post(server, browser, "ram/users/sensor", do="DeleteLoginProfile", confirmed="yes")
    assert told.status_code == 403 and re.search('id="refusal-head">([^<]*)', told.text)[1] == "You may not do this"
    # Seen by its one right, each is open.
    new_user(server, "one-instance", allow("mq:ListMqttInstance", f"acs:mq:*:*:instance/{INSTANCE}"), access(), allow("ram:GetAccountAlias", "*"))
    sign_in(browser, server, f"one-instance@{ALIAS}")
    shut = {link.get_attribute("href").rsplit("/console/", 1)[1] for link in browser.find_elements(By.CSS_SELECTOR, ".menu a.shut")}
    assert not {"mqtt/instances", "ram/settings"} & shut


def test_ones_own_key_is_deactivated_and_deleted_after_a_question(server, browser):
    server.api("onsmqtt", "CreateMqttTopic", InstanceId=INSTANCE, Topic="home")
    server.api("onsmqtt", "CreateGroupId", InstanceId=INSTANCE, GroupId="GID_care")
    key = new_user(server, "keeper", access(), topic("home/*"), allow("ram:*AccessKey*", f"acs:ram:*:{ACCOUNT}:user/keeper"))
    client = Client(server, key, "GID_care@@@c", version=5)
    sign_in(browser, server, f"keeper@{ALIAS}")
    at(browser, server, "security")
    press(browser, "Deactivate", row=key[0], leads=False)
    asked = question(browser)
    assert "1 live connection of 1 principal" in asked and key[0] in asked
    browser.find_element(By.CSS_SELECTOR, "dialog [data-keep]").click()
    assert client.ended is None and "Inactive" not in text(browser, "#keys")
    # Without a script nothing is done before the answer either.
    assert 'id="question"' in post(server, browser, "security", do="delete-key", key=key[0]).text
    assert client.ended is None
    press(browser, "Deactivate", row=key[0], leads=False)
    confirm(browser)
    until(lambda: client.ended is not None, "the end of the connection")
    assert "Inactive" in text(browser, "#keys")
    press(browser, "Activate", row=key[0])
    press(browser, "Delete", row=key[0], leads=False)
    confirm(browser)
    assert not browser.find_elements(By.ID, "keys")


def test_an_alias_goes_only_after_a_question(server, browser):
    root(browser, server)
    at(browser, server, "ram/settings")
    browser.find_element(By.ID, "clear-alias").click()
    assert f"user@{ALIAS}" in question(browser) and f"user@{ACCOUNT}" in question(browser)
    picture(browser, "settings-question")
    browser.find_element(By.CSS_SELECTOR, "dialog [data-keep]").click()
    for fields in ({"form": "clear-alias"}, {"form": "alias", "AccountAlias": "other"}):
        assert 'id="question"' in post(server, browser, "ram/settings", **fields).text
    assert server.api("ram", "GetAccountAlias")["AccountAlias"] == ALIAS
    browser.find_element(By.ID, "clear-alias").click()
    confirm(browser)
    assert server.api("ram", "GetAccountAlias")["AccountAlias"] == ACCOUNT
    # Where there is none, none goes.
    follow(browser, lambda: browser.find_element(By.NAME, "AccountAlias").send_keys(ALIAS, Keys.ENTER))
    assert server.api("ram", "GetAccountAlias")["AccountAlias"] == ALIAS


def is_absent(server, name):
    return server.api("ram", "GetUser", UserName=name, check=False)[0] == "EntityNotExist.User"


def test_a_password_that_is_no_good_leaves_no_half_user(server, browser):
    root(browser, server)
    at(browser, server, "ram/create-user")
    send(browser, "create-user", UserName="halved", DisplayName="Half", Access="Console", PasswordMode="Custom", Password="short")
    assert "8 to 32 characters" in text(browser, "#fault-Password") and is_absent(server, "halved")
    assert browser.find_element(By.NAME, "UserName").get_attribute("value") == "halved"
    assert browser.find_element(By.NAME, "Password").get_attribute("aria-describedby") == "hint-Password fault-Password"
    picture(browser, "create-user-password")
    # Made ones comply with whatever the account demands.
    server.api("ram", "SetPasswordPolicy", MinimumPasswordLength="30", RequireSymbols="true", RequireNumbers="true", RequireUppercaseCharacters="true")
    send(browser, "create-user", PasswordMode="Auto")
    assert "Created" in text(browser, "#result") and "without" not in text(browser, "#result")
    server.api("ram", "SetPasswordPolicy", MinimumPasswordLength="8", RequireSymbols="false", RequireNumbers="false", RequireUppercaseCharacters="false")
    at(browser, server, "ram/create-user")
    send(browser, "create-user", UserName="halved")
    assert "exists already" in text(browser, "#fault-UserName-1")


def test_access_that_the_caller_cannot_give_is_not_offered(server, browser):
    new_user(server, "hirer", allow(["ram:CreateUser", "ram:CreateLoginProfile", "ram:ListUsers"], "*"))
    sign_in(browser, server, f"hirer@{ALIAS}")
    at(browser, server, "ram/create-user")
    assert not browser.find_element(By.CSS_SELECTOR, "[name=Access][value=Programmatic]").is_enabled()
    assert "ram:CreateAccessKey" in text(browser, "#create-user")
    reply = post(server, browser, "ram/create-user", UserName="keyless", DisplayName="", Access="Programmatic")
    assert reply.status_code == 403 and "ram:CreateAccessKey" in reply.text and is_absent(server, "keyless")
    send(browser, "create-user", UserName="hired")
    assert "Created" in text(browser, "#result")


def test_a_typed_password_is_used_or_refused_and_never_dropped(server, browser):
    root(browser, server)
    at(browser, server, "ram/create-user")
    assert browser.find_element(By.CSS_SELECTOR, "[name=PasswordMode][value=Auto]").is_selected()
    browser.find_element(By.NAME, "Password").send_keys("typed-password")
    assert browser.find_element(By.CSS_SELECTOR, "[name=PasswordMode][value=Custom]").is_selected()
    for fields in ({"Access": "Console", "PasswordMode": "Auto"}, {"Access": "Programmatic", "PasswordMode": "Custom"}):
        reply = post(server, browser, "ram/create-user", UserName="typed", DisplayName="", Password="typed-password", **fields)
        assert reply.status_code == 400 and 'id="fault-Password"' in reply.text and is_absent(server, "typed")
    send(browser, "create-user", UserName="typed")
    sign_in(browser, server, f"typed@{ALIAS}", "typed-password")
    assert "typed" in text(browser)


def test_a_second_enter_is_no_yes(server, browser):
    root(browser, server)
    at(browser, server, "ram/users/sensor?tab=permissions")
    detach = next(one for one in browser.find_elements(By.CSS_SELECTOR, "#own-policies button") if one.text == "Detach")
    detach.send_keys(Keys.ENTER)
    question(browser)
    focused = browser.switch_to.active_element
    assert focused.text == "Cancel"
    dialog = browser.find_element(By.ID, "dialog")
    assert dialog.get_attribute("aria-labelledby") == "question-head" and text(browser, "#dialog #question-head") == "Detach this policy?"
    focused.send_keys(Keys.ENTER)
    assert not browser.find_elements(By.CSS_SELECTOR, "dialog[open]") and "telemetry" in text(browser, "#own-policies")


def test_revoking_asks_about_the_grant_and_nothing_else(server, browser):
    root(browser, server)
    at(browser, server, "ram/grants?q=sensor")
    press(browser, "Revoke", row="telemetry", leads=False)
    asked = question(browser)
    assert "policy telemetry, user sensor" in asked and "Grants" not in asked


def test_the_editor_lets_the_tab_key_out_and_its_label_leads_in(server, browser):
    root(browser, server)
    at(browser, server, "ram/create-policy")
    until(lambda: browser.find_elements(By.CSS_SELECTOR, ".editor"), "the editor")
    browser.find_element(By.CSS_SELECTOR, "label[for=f-PolicyDocument]").click()
    assert browser.switch_to.active_element.get_attribute("class") == "editor"
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.text == "Create policy"


def test_a_fault_is_said_at_its_field_and_in_plain_words(server, browser):
    root(browser, server)
    at(browser, server, "ram/create-group")
    send(browser, "create-group", GroupName="team")
    assert "exists already" in text(browser, "#fault-GroupName")
    field = browser.find_element(By.NAME, "GroupName")
    assert field.get_attribute("aria-invalid") == "true" and "fault-GroupName" in field.get_attribute("aria-describedby")
    send(browser, "create-group", GroupName="no/such/name")
    assert "GroupName" not in text(browser)
    at(browser, server, "ram/settings")
    for name, value in {"LoginSessionDuration": "5", "LoginNetworkMasks": "nowhere"}.items():
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)
    follow(browser, browser.find_element(By.CSS_SELECTOR, "#preference-form button[type=submit]").click)
    assert browser.find_element(By.NAME, "LoginSessionDuration").get_attribute("value") == "5"
    assert browser.find_element(By.NAME, "LoginNetworkMasks").get_attribute("value") == "nowhere"
    assert browser.find_element(By.ID, "fault-LoginNetworkMasks").is_displayed() and "LoginNetworkMasks" not in text(browser)


def test_who_is_in_every_group_is_offered_none(server, browser):
    root(browser, server)
    server.api("ram", "CreateUser", UserName="everywhere")
    server.api("ram", "AddUserToGroup", UserName="everywhere", GroupName="team")
    at(browser, server, "ram/users/everywhere?tab=groups")
    assert "There is no other group to join." in text(browser, "#join") and not browser.find_elements(By.ID, "join-form")


def test_every_page_fits_a_telephone(server, browser):
    server.api("ram", "CreateUser", UserName="u" * 64, DisplayName="d" * 64)
    server.api("ram", "CreateAccessKey", UserName="sensor")
    server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName="telemetry", UserName="u" * 64)
    root(browser, server)
    paths = [
        "", "mqtt", "mqtt/instances", f"mqtt/instances/{INSTANCE}", "security", "ram", "ram/users", "ram/users/sensor", "ram/users/sensor?tab=permissions",
        f"ram/users/{'u' * 64}", "ram/create-user", "ram/groups", "ram/groups/team", "ram/roles", "ram/create-role", "ram/policies", "ram/policies/Custom/telemetry",
        "ram/policies/Custom/telemetry?tab=versions", "ram/create-policy", "ram/grants", "ram/grant", "ram/settings", "ram/why",
    ]  # fmt: skip
    narrow(browser)
    try:
        for path in paths:
            at(browser, server, path)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390, path
        at(browser, server, "ram/users/sensor")
        badge = browser.find_element(By.CSS_SELECTOR, "#keys .state")
        assert badge.size["height"] < 30, "the badge is one line"
        headings = [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".menu h2") if one.is_displayed()]
        assert len(headings) == 2, "two entries are called Overview"
        brand, user = browser.find_element(By.CSS_SELECTOR, ".topbar .brand").rect, browser.find_element(By.ID, "user").rect
        assert brand["y"] + brand["height"] <= user["y"] or brand["x"] + brand["width"] <= user["x"]
        sign_in(browser, server, f"nobody@{ALIAS}")
        at(browser, server, "ram/why")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        wide(browser)
