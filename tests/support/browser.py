"""A real Chromium on the console, and what the tests do in it."""

import os
import re

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from support.server import until

PASSWORD = "a-good-password"


def chromium(folder):
    """A browser with a profile of its own; what it downloads comes into the folder."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,800", "--force-prefers-reduced-motion"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def at(browser, server, path=""):
    browser.get(f"{server.http}/console/{path}")


def follow(browser, act):
    """Does what leads to another page, and waits for that."""
    page = browser.find_element(By.TAG_NAME, "html")
    act()

    def is_gone():
        try:
            page.is_enabled()
            return False
        except WebDriverException:  # Any error of the old page means that there is a new one.
            return True

    until(is_gone, "the next page")


def fill(browser, values, form="form.fields"):
    """Sets the page's fields by their names and sends the form; waits for the next page."""
    for name, value in values.items():
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)
    follow(browser, browser.find_element(By.CSS_SELECTOR, f"{form} button[type=submit]").click)


def send(browser, form, **values):
    """Sets the fields of one form, by its ID, and sends it; waits for the next page."""
    place = browser.find_element(By.ID, f"{form}-form")
    for name, value in values.items():
        field = place.find_element(By.CSS_SELECTOR, f"[name={name}]:not([type=hidden])")
        if field.tag_name == "select":
            field.find_element(By.CSS_SELECTOR, f"option[value='{value}']").click()
        elif field.get_attribute("type") == "radio":
            place.find_element(By.CSS_SELECTOR, f"[name={name}][value='{value}']").click()
        elif field.get_attribute("type") == "checkbox":
            if field.is_selected() != value:
                field.click()
        else:
            field.clear()
            field.send_keys(value)
    follow(browser, place.find_element(By.CSS_SELECTOR, "button[type=submit]:not([name=find])").click)


def write(browser, name, text):
    """Puts a document into the editor of a field."""
    area = until(lambda: browser.find_elements(By.CSS_SELECTOR, f"textarea[name={name}].edited-elsewhere"), "the editor")[0]
    browser.execute_script("arguments[0].dispatchEvent(new CustomEvent('sluice:set', {detail: arguments[1]}))", area, text)


def press(browser, label, within="body", row=None, leads=True):
    """Presses a button or follows a link by its words; `row` is a text of the table's row that it is in."""
    place = browser.find_element(By.CSS_SELECTOR, within)
    if row:
        place = next(one for one in place.find_elements(By.CSS_SELECTOR, "tbody tr") if row in one.text)
    button = next(one for one in place.find_elements(By.CSS_SELECTOR, "button, a") if one.text.strip() == label)
    if leads:
        follow(browser, button.click)
    else:
        button.click()


def question(browser):
    """The text of the question that is shown above the page."""
    return until(lambda: browser.find_elements(By.CSS_SELECTOR, "dialog[open] #question"), "the question")[0].text


def confirm(browser):
    """Answers the question with yes."""
    question(browser)
    follow(browser, browser.find_element(By.CSS_SELECTOR, "dialog[open] #confirm").click)


def sign_in(browser, server, name, password=PASSWORD):
    browser.delete_all_cookies()
    at(browser, server)
    fill(browser, {"logon_name": name, "password": password})


def text(browser, css="body"):
    while True:
        try:
            return browser.find_element(By.CSS_SELECTOR, css).text
        except (StaleElementReferenceException, NoSuchElementException):
            if css != "body" and not browser.find_elements(By.CSS_SELECTOR, css):
                raise
            # The next page came between the two questions.
            continue


def picture(browser, name):
    """Keeps what is shown, the whole page, in light and in dark, when somebody asked for it."""
    folder = os.environ.get("SLUICE_PICTURES")
    if not folder:
        return
    frame = browser.execute_script("return window.outerHeight - window.innerHeight")
    height = browser.execute_script("return document.documentElement.scrollHeight")
    browser.set_window_size(1280, min(max(height, 657) + frame, 2000))
    browser.save_screenshot(os.path.join(folder, f"{name}.png"))
    browser.execute_script("document.documentElement.dataset.bsTheme = 'dark'")
    browser.save_screenshot(os.path.join(folder, f"{name}-dark.png"))
    browser.execute_script("document.documentElement.dataset.bsTheme = 'light'")
    browser.set_window_size(1280, 800)


def narrow(browser, width=390):
    """Makes the page as wide as a telephone's; [`wide`] makes it as it was."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True})


def wide(browser):
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def secrets(browser):
    """What is shown once, label to value."""
    shown = browser.find_elements(By.CSS_SELECTOR, "[data-secret]")
    return {one.get_attribute("data-secret"): one.text for one in shown}


def csrf(browser):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', browser.page_source)[1]


def session(browser):
    """The cookie of who is signed in, for a request beside the browser."""
    return {"sluice-session": browser.get_cookie("sluice-session")["value"]}
