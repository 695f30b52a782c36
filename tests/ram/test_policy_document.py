"""What is said of a faulty policy document, by the vendor's SDK."""

import pytest
from alibabacloud_ram20150501 import models as m

from support import sdk


def refusal(server, document):
    with pytest.raises(Exception) as refused:
        sdk.ram(server).create_policy(m.CreatePolicyRequest(policy_name="faulty", policy_document=document))
    assert refused.value.code == "MalformedPolicyDocument"
    return refused.value.message


def test_every_fault_is_told_with_its_pointer_line_and_column(server):
    document = '{"Version": "1",\n "Statement": [{"Effect": "Maybe",\n  "Action": ["中:x", "PUB"]}]}'
    message = refusal(server, document)
    for told in (
        "/Statement/0 (line 2, column 16): `Resource` is missing",
        '/Statement/0/Effect (line 2, column 27): must be "Allow" or "Deny"',
        "/Statement/0/Action/0 (line 3, column 14): `中:x` is not an action",
        "/Statement/0/Action/1 (line 3, column 21): `PUB` is not an action",
    ):
        assert told in message, message


def test_broken_json_is_told_with_its_place(server):
    assert "/ (line 2, column 1): not valid JSON" in refusal(server, '{"Version": "1",\n}')


def test_a_message_is_bounded_and_counts_what_it_leaves_out(server):
    statements = ",".join(["{}"] * 400)
    message = refusal(server, f'{{"Version": "1", "Statement": [{statements}]}}')
    assert len(message) < 2200 and "more" in message
