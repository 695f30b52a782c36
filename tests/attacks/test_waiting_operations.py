"""A right that is taken back while what it permitted still waits: for a hash, or for the account's turn."""

import threading

from alibabacloud_ram20150501 import models as m

from support import codes, sdk
from support.server import ALIAS, until

GIVEN_BACK = "given-back-by-root"


class Desk:
    """A user who may set a victim's password, and does so many times at once."""

    def __init__(self, server, name, times):
        self.victim = f"{name}-victim"
        server.api("ram", "CreateUser", UserName=self.victim)
        server.api("ram", "CreateLoginProfile", UserName=self.victim, Password="a-good-password")
        may = {"Effect": "Allow", "Action": "ram:UpdateLoginProfile", "Resource": f"acs:ram:*:*:user/{self.victim}"}
        self.server, self.key, self.answers = server, server.new_user(name, may), []
        self.setters = [threading.Thread(target=self.set, args=(number,)) for number in range(times)]
        for setter in self.setters:
            setter.start()

    def set(self, number):
        request = m.UpdateLoginProfileRequest(user_name=self.victim, password=f"stolen-password-{number}")
        try:
            sdk.ram(self.server, self.key).update_login_profile_with_options(request, sdk.RUNTIME)
            self.answers.append("done")
        except Exception as error:  # The SDK raises several types.
            self.answers.append(getattr(error, "code", repr(error)))

    def some_are_done(self):
        until(lambda: self.answers.count("done") >= 3, "the first of them")

    def outcomes(self):
        for setter in self.setters:
            setter.join()
        return set(self.answers)


def test_what_waited_when_the_right_was_taken_back_is_not_done(server):
    # As many as one user may have at work together.
    desk = Desk(server, "desk", 40)
    # The others wait for their hashes when the right goes.
    desk.some_are_done()
    server.api("ram", "DetachPolicyFromUser", PolicyType="Custom", PolicyName="desk", UserName="desk")
    server.api("ram", "UpdateLoginProfile", UserName=desk.victim, Password=GIVEN_BACK)
    assert desk.outcomes() == {"done", "NoPermission"}
    assert codes.Browser(server).sign_in(f"{desk.victim}@{ALIAS}", GIVEN_BACK).status_code == 303


def test_what_waited_while_another_right_came_and_went_is_done(server):
    desk = Desk(server, "other", 20)
    desk.some_are_done()
    another = {"PolicyType": "System", "PolicyName": "AliyunMQReadOnlyAccess", "UserName": "other"}
    server.api("ram", "AttachPolicyToUser", **another)
    server.api("ram", "DetachPolicyFromUser", **another)
    assert desk.outcomes() == {"done"}
