"""The vendor's official Python SDKs, pointed at a server."""

import json

from alibabacloud_onsmqtt20200420.client import Client as Onsmqtt
from alibabacloud_ram20150501.client import Client as Ram
from alibabacloud_sts20150401.client import Client as Sts
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
from aliyunsdkcore.client import AcsClient

from support import shape
from support.server import ROOT_KEY, ROOT_SECRET

RUNTIME = RuntimeOptions(autoretry=False, connect_timeout=5000, read_timeout=20000)


def config(server, key=None):
    key_id, secret = key or (ROOT_KEY, ROOT_SECRET)
    return Config(
        access_key_id=key_id, access_key_secret=secret, endpoint=f"127.0.0.1:{server.http_port}", protocol="http",
        region_id="cn-hangzhou",
    )  # fmt: skip


def ram(server, key=None):
    return Ram(config(server, key))


def sts(server, key=None):
    return Sts(config(server, key))


def onsmqtt(server, key=None):
    return Onsmqtt(config(server, key))


def generic(server, operation, key=None, version="2020-04-20", **query):
    """An operation that has no class of its own, by the generic call of tea_openapi."""
    params = Params(
        action=operation, version=version, protocol="HTTP", method="POST", auth_type="AK", style="RPC",
        pathname="/", req_body_type="json", body_type="json",
    )  # fmt: skip
    query = {name: str(value) for name, value in query.items()}
    return onsmqtt(server, key).call_api(params, OpenApiRequest(query=query), RUNTIME)["body"]


def core(server, key=None):
    """The old core SDK, which signs in V1."""
    key_id, secret = key or (ROOT_KEY, ROOT_SECRET)
    client = AcsClient(key_id, secret, "cn-hangzhou")
    return client


def core_call(server, request, key=None):
    """One call of the old SDK."""
    request.set_endpoint(f"127.0.0.1:{server.http_port}")
    request.set_protocol_type("http")
    reply = json.loads(core(server, key).do_action_with_exception(request))
    shape.record(request.get_version(), request.get_action_name(), reply)
    return reply


def code_of(call):
    """The code and status with which a call of the new SDKs is refused."""
    try:
        call()
    except Exception as error:  # The SDKs raise several types; all of them have these fields.
        return error.code, error.status_code if hasattr(error, "status_code") else error.data.get("statusCode")
    raise AssertionError("the call was not refused")
