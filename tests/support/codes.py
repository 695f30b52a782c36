"""Codes of virtual MFA devices, and the console without a browser."""

import re
import time

import pyotp
import requests

STEP_S = 30
# A code is taken a step early or late; so two that follow each other are here at once: this one and the next.


def pair(seed):
    """Two codes that follow each other, as the app shows them now and next."""
    totp, now = pyotp.TOTP(seed), time.time()
    return totp.at(now), totp.at(now + STEP_S)


def earlier_pair(seed):
    """Two that follow each other and leave this step's and the next one's code for later."""
    totp, now = pyotp.TOTP(seed), time.time()
    return totp.at(now - 2 * STEP_S), totp.at(now - STEP_S)


def code(seed, steps=0):
    """This step's code, or that of some steps later."""
    return pyotp.TOTP(seed).at(time.time() + steps * STEP_S)


def wrong_code(seed):
    """Six digits that are no code of about now."""
    totp, now = pyotp.TOTP(seed), time.time()
    near = {totp.at(now + steps * STEP_S) for steps in range(-3, 5)}
    return next(text for text in (f"{n:06}" for n in range(100)) if text not in near)


class Browser(requests.Session):
    """A browser that follows no redirect by itself."""

    def __init__(self, server):
        super().__init__()
        self.base = f"{server.http}/console"

    def page(self, path="/", **headers):
        return self.get(self.base + path, allow_redirects=False, headers=headers)

    def csrf(self, path="/"):
        return re.search(r'name="csrf" value="([0-9a-f]{64})"', self.page(path).text)[1]

    def submit(self, path, at=None, **fields):
        """Sends the form of a page."""
        fields = {"csrf": self.csrf(at or path)} | fields
        return self.post(self.base + path, data=fields, allow_redirects=False)

    def sign_in(self, name, password):
        return self.submit("/", logon_name=name, password=password)
