"""Each page of RAM: refused without the right, whatever it is sent; markup is text; lists are searched and paged."""

import html
import re

import pytest
import requests
from selenium.webdriver.common.by import By

from support import codes
from support.browser import PASSWORD, at, csrf, picture, press, send, session, sign_in, text
from support.server import ACCOUNT, ALIAS, REPOSITORY, ROOT_PASSWORD, allow, deny, document, until

# What stands in an address for a thing that is there.
NAMES = {"user": "target", "group": "team", "role": "worker", "policy": "plain", "type": "Custom"}
# Pages that ask no right: they tell and change nothing of the account.
FREE = {"/console/ram/check-policy", "/console/ram/csv"}
TRUST = '{"Version":"1","Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"RAM":["acs:ram::1234567890123456:root"]}}]}'
MARKUP = "<img src=x onerror=alert(1)>"


def routes():
    """Every address of RAM that the console serves, with its methods, as its one list has them."""
    source = (REPOSITORY / "crates" / "console" / "src" / "lib.rs").read_text()
    found = [(re.match(r'\s*"([^"]*)"', chunk)[1], chunk) for chunk in source.split(".route(")[1:]]
    found = [(path, how) for path, how in found if path.startswith("/console/ram")]
    assert len(found) > 20
    return {path: ("get(" in how, "post(" in how) for path, how in found}


def address(server, path):
    return server.http + re.sub(r"\{(\w+)\}", lambda name: NAMES[name[1]], path)


@pytest.fixture(scope="module", autouse=True)
def things(server):
    """One thing of each kind, and somebody who may do nothing."""
    server.api("ram", "CreateUser", UserName="target", Comments=f"{MARKUP}</td><b>bold")
    server.api("ram", "CreateGroup", GroupName="team", Comments=MARKUP)
    server.api("ram", "CreatePolicy", PolicyName="plain", Description=MARKUP, PolicyDocument=document(allow("mq:PUB", "acs:mq:*:*:topic/x/</pre><script>alert(1)</script>")))
    server.api("ram", "CreateRole", RoleName="worker", Description=MARKUP, AssumeRolePolicyDocument=TRUST)
    server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName="plain", UserName="target")
    server.api("ram", "AddUserToGroup", GroupName="team", UserName="target")
    server.api("ram", "CreateUser", UserName="nobody")
    server.api("ram", "CreateLoginProfile", UserName="nobody", Password=PASSWORD)


@pytest.mark.parametrize("path", sorted(routes()))
def test_a_page_refuses_whoever_may_not_and_says_what_is_missing(server, browser, path):
    get, post = routes()[path]
    sign_in(browser, server, f"nobody@{ALIAS}")
    if get:
        at(browser, server, address(server, path).removeprefix(f"{server.http}/console/"))
        action = text(browser, "#refused-action")
        assert action.startswith("ram:") and action in text(browser, "#statement")
        assert "target" not in text(browser, "#refusal").replace("/target", "")
        assert re.fullmatch(r"[0-9A-F-]{36}", text(browser, "#request-id"))
        picture(browser, "ram-refused-" + path.removeprefix("/console/ram").strip("/").replace("/", "-"))
    if post and path not in FREE:
        at(browser, server)
        token, cookies = csrf(browser), session(browser)
        source = (REPOSITORY / "crates" / "console" / "src" / "pages").rglob("*.rs")
        operations = set(re.findall(r'"(\w+)" =>', "".join(file.read_text() for file in source)))
        form = {
            "csrf": token, "confirmed": "yes", "UserName": "target", "DisplayName": "x", "GroupName": "team", "RoleName": "worker", "NewComments": "x",
            "PolicyName": "plain", "PolicyType": "Custom", "PolicyDocument": document(allow("mq:PUB", "*")), "VersionId": "v1", "Kind": "user",
            "UserAccessKeyId": "LTAI01234567890123456789", "Status": "Inactive", "Password": PASSWORD, "Principal": "user:target", "Policy": "Custom/plain",
            "AssumeRolePolicyDocument": TRUST, "NewAssumeRolePolicyDocument": TRUST, "Access": "Programmatic",
        }  # fmt: skip
        for operation in sorted(operations | {""}):
            reply = requests.post(address(server, path), data=form | {"do": operation}, cookies=cookies, allow_redirects=False, timeout=10)
            refused = reply.status_code == 403 and "refused-action" in reply.text
            # What the page has not is no form of it.
            assert refused or reply.status_code == 400 and "could not be read" in reply.text, (operation, reply.status_code)




@pytest.mark.parametrize("path", sorted(path for path, (_, post) in routes().items() if post))
def test_a_form_without_its_token_is_refused(server, browser, path):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    for token in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
        reply = requests.post(address(server, path), data={"do": "DeleteUser", "confirmed": "yes"} | token, cookies=session(browser), timeout=10)
        assert reply.status_code == 403 and "did not come from a page" in reply.text
    assert requests.post(address(server, path), data={}, timeout=10, allow_redirects=False).status_code in (200, 403)
    assert server.api("ram", "GetUser", UserName="target")


@pytest.mark.parametrize("path", sorted(path for path, (get, _) in routes().items() if get))
def test_markup_in_what_is_stored_is_shown_as_text(server, browser, path):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    for tab in ("", "?tab=permissions", "?tab=groups", "?tab=versions&version=v1", "?tab=references", "?tab=members"):
        reply = requests.get(address(server, path) + tab, cookies=session(browser), timeout=10)
        assert reply.status_code == 200, (tab, reply.status_code)
        assert "<img" not in reply.text.replace('<img src="/console/', "") and "<script>alert" not in reply.text and "</td><b>" not in reply.text
        assert "script-src 'self'" in reply.headers["content-security-policy"] and "unsafe" not in reply.headers["content-security-policy"]
        # A handler or a style in the page's text would be refused by that policy.
        assert not re.search(r"<[^>]+\s(on\w+|style)=", re.sub(r'="[^"]*"', '=""', reply.text))


def test_markup_in_what_is_searched_and_sent_is_shown_as_text(server, browser):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    for page in ("users", "groups", "policies", "grants", "grant"):
        reply = requests.get(f"{server.http}/console/ram/{page}", params={"q": f'"{MARKUP}', "tab": MARKUP, "done": MARKUP}, cookies=session(browser), timeout=10)
        assert "<img src=x" not in reply.text
    at(browser, server, "ram/create-group")
    send(browser, "create-group", GroupName=MARKUP, Comments=MARKUP)
    assert browser.find_element(By.NAME, "GroupName").get_attribute("value") == MARKUP
    assert not browser.find_elements(By.CSS_SELECTOR, "img[src=x]")


def test_what_would_be_refused_is_marked(server, browser):
    server.api("ram", "CreateUser", UserName="looker")
    server.api("ram", "CreateLoginProfile", UserName="looker", Password=PASSWORD)
    server.grant("looker", "looks", allow(["ram:Get*", "ram:List*"], "*"), deny("ram:ListGroups", "*"))
    sign_in(browser, server, f"looker@{ALIAS}")
    at(browser, server, "ram/users/target")
    shut = [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".btn.disabled")]
    assert {"Edit", "Delete", "Create AccessKey"} <= set(shut)
    assert [link.text for link in browser.find_elements(By.CSS_SELECTOR, ".menu a.shut")] == ["Overview", "Instances", "Groups", "Refusals"]
    picture(browser, "ram-user-to-look-at")
    at(browser, server, "ram/users/target?tab=groups")
    assert "team" in text(browser, "#groups")
    at(browser, server, "ram")
    assert "ram:ListGroups" in text(browser, ".refused-part")
    picture(browser, "ram-overview-in-part")


def test_a_hundred_and_fifty_users_are_searched_and_paged(server, browser):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    at(browser, server, "ram/create-user")
    # By the form itself, fifteen at a time, as a browser sends it.
    token, cookies = csrf(browser), session(browser)
    made = [f"device-{number:03}" for number in range(150)]
    for start in range(0, 150, 15):
        names = made[start : start + 15]
        form = [("csrf", token), ("Access", "Programmatic")] + [pair for name in names for pair in (("UserName", name), ("DisplayName", f"Device {name[-3:]} of the long hall"))]
        assert requests.post(f"{server.http}/console/ram/create-user", data=form, cookies=cookies, timeout=30).status_code == 200
    at(browser, server, "ram/users?q=device-")
    assert "150 users, page 1 of 8" in text(browser, ".pages")
    picture(browser, "ram-users")
    press(browser, "Next")
    assert "page 2 of 8" in text(browser, ".pages") and "device-020" in text(browser, "#users")
    assert browser.find_element(By.NAME, "q").get_attribute("value") == "device-"
    press(browser, "Previous")
    assert "page 1 of 8" in text(browser, ".pages")
    # While it is typed, without a press on the button.
    field = browser.find_element(By.NAME, "q")
    field.clear()
    field.send_keys("hall device-149")
    until(lambda: "1 user" in text(browser, "#users .pages") and "device-149" in text(browser, "#users"), "the found user")
    assert "q=hall" in browser.current_url
    field.clear()
    field.send_keys("nothing like this")
    until(lambda: "No user fits the search." in text(browser, "#users"), "the empty list")


def test_a_role_of_a_service_with_a_suffix_has_its_page(server, browser):
    name = "AliyunServiceRoleForRMQDisasterRecovery_east.1"
    server.api("ram", "CreateServiceLinkedRole", ServiceName="disaster-recovery.rmq.aliyuncs.com", CustomSuffix="east.1")
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    at(browser, server, "ram/roles")
    browser.find_element(By.LINK_TEXT, name).click()
    until(lambda: browser.current_url.endswith(f"/ram/roles/{name}"), "the role's page")
    assert f"acs:ram::{ACCOUNT}:role/{name}" in browser.page_source
    server.api("ram", "DeleteServiceLinkedRole", RoleName=name)


def test_long_names_and_documents_stay_within_the_page(server, browser):
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    name, policy = "u" * 64, "p" * 128
    server.api("ram", "CreateUser", UserName=name, DisplayName="d" * 128, Comments="c" * 128)
    server.api("ram", "CreatePolicy", PolicyName=policy, Description="n" * 1024, PolicyDocument=document(allow("mq:PUB", "acs:mq:*:*:topic/x/" + "r" * 3000)))
    server.api("ram", "AttachPolicyToUser", PolicyType="Custom", PolicyName=policy, UserName=name)
    for path in (f"ram/users/{name}", f"ram/users/{name}?tab=permissions", f"ram/policies/Custom/{policy}", "ram/policies", "ram/grants", f"ram/grant?user={name}", "ram/users?q=uuu"):
        at(browser, server, path)
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), path
        picture(browser, "ram-long-" + re.sub(r"\W|(.)\1{9,}", "-", path))


def test_everything_goes_without_a_script(server, browser):
    """The forms as a browser without scripts sends them: the question is a page of its own."""
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    token, cookies = csrf(browser), session(browser)

    def post(path, **fields):
        return requests.post(f"{server.http}/console/ram/{path}", data={"csrf": token} | fields, cookies=cookies, timeout=10)

    assert "The group is created." in post("create-group", GroupName="plainly").text
    assert "The user is in the group." in post("groups/plainly", do="AddUserToGroup", UserName="target").text
    asked = post("groups/plainly", do="DeleteGroup")
    assert 'id="question"' in asked.text and 'id="reach"' in asked.text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text.split('id="question"')[1]))
    assert "The group is deleted." in requests.post(f"{server.http}/console/ram/groups/plainly", data=hidden, cookies=cookies, timeout=10).text
    wrong = post("create-policy", PolicyName="x", PolicyDocument='{"Version": "2"}')
    assert wrong.status_code == 400 and "line 1, column" in html.unescape(wrong.text)


def test_the_sign_in_keeps_out_whoever_is_not_signed_in(server):
    for path, (get, _) in routes().items():
        if get:
            reply = requests.get(address(server, path), timeout=10)
            assert "Sign in to the console" in reply.text and "target" not in reply.text


def test_an_administrator_looks_up_why_by_the_request_id_of_a_refused_page(server, browser):
    sign_in(browser, server, f"nobody@{ALIAS}")
    at(browser, server, "ram/users")
    request_id = text(browser, "#request-id")
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    # It is written within a second or so.
    def explained():
        at(browser, server, f"ram/why?q={request_id}")
        return browser.find_elements("css selector", "#explained")

    until(explained, "the explanation")
    shown = text(browser, "#explained")
    assert "ImplicitDeny" in shown and "ram:ListUsers" in shown and "user/nobody" in shown
    picture(browser, "ram-why")
    # What no policy decided says its reason.
    server.api("ram", "CreateUser", UserName="keyful")
    for _ in range(2):
        server.api("ram", "CreateAccessKey", UserName="keyful")
    _, reply = server.api("ram", "CreateAccessKey", check=False, UserName="keyful")
    at(browser, server, f"ram/why?q={reply['RequestId']}")
    shown = text(browser, "#explained")
    assert "NotByPolicy" in shown and "There are as many AccessKeys as there may be." in shown and "sluice:Reason" not in shown
    picture(browser, "ram-why-plain")
    at(browser, server, "ram/why?q=6433284F-FBBD-505E-81E1-000000000000")
    assert not browser.find_elements("css selector", "#explained")
    assert "No refusal of this request is kept" in text(browser, "main")


def test_a_bound_device_is_shown_unbound_and_deleted_with_its_user(server, browser):
    name = "with-device"
    server.api("ram", "CreateUser", UserName=name)
    device = server.api("ram", "CreateVirtualMFADevice", VirtualMFADeviceName=name)["VirtualMFADevice"]
    first, second = codes.pair(device["Base32StringSeed"])
    server.api("ram", "BindMFADevice", UserName=name, SerialNumber=device["SerialNumber"], AuthenticationCode1=first, AuthenticationCode2=second)
    sign_in(browser, server, ALIAS, ROOT_PASSWORD)
    at(browser, server, f"ram/users/{name}")
    assert device["SerialNumber"] in text(browser, "#mfa")
    picture(browser, "ram-user-mfa")
    token, cookies = csrf(browser), session(browser)
    path = f"{server.http}/console/ram/users/{name}/delete"
    asked = requests.post(path, data={"csrf": token}, cookies=cookies, allow_redirects=False, timeout=10)
    assert "bound MFA device" in asked.text
    reply = requests.post(path, data={"csrf": token, "confirmed": "yes"}, cookies=cookies, allow_redirects=False, timeout=10)
    assert reply.status_code == 303
    assert server.api("ram", "GetUser", UserName=name, check=False)[0] == "EntityNotExist.User"
