"""Whether a reply has the fields of its table, each of its type, and no other.

[`install`] is called by `tests/conftest.py`: from then on every reply that the vendor's new SDKs, the old one (`sdk.core_call`) or
`sluice api` (`Server.api`) got is checked, and a test in which one was wrong fails at its end with the faults. A test needs to do nothing.
Tables: contract/operations.json and, for Sluice's own operations, contract/extra.json.
"""

import functools
import json
import pathlib
import urllib.parse

import requests

CONTRACT = pathlib.Path(__file__).resolve().parents[2] / "contract"
# By the lower-case name of the product.
VERSIONS = {"onsmqtt": "2020-04-20", "ram": "2015-05-01", "sts": "2015-04-01", "ims": "2019-08-15"}
# Fields that may be absent, as "Operation path": why. An object that is absent takes its fields with it.
OPTIONAL = {
    "GetRole Role.LatestDeletionTask": "a service-linked role is deleted when its deletion is answered",
    "AssumeRole SourceIdentity": "nobody said one",
    "AssumeRoleWithOIDC SourceIdentity": "no token says one",
    "AssumeRoleWithSAML SourceIdentity": "no assertion says one",
    "GetCallerIdentity UserId": "a role session is no user",
    "GetCallerIdentity RoleId": "only a role session has one",
    "ListVirtualMFADevices VirtualMFADevices.VirtualMFADevice[].ActivateDate": "the device is bound to nobody",
    "ListVirtualMFADevices VirtualMFADevices.VirtualMFADevice[].User": "the device is bound to nobody",
}
# The last page has no marker, in every list. facts/ram.md section 2.
MARKERS = {"Marker", "NextToken"}
# JSON types of the tables' words; what is none of them in extra.json is a text in a given form.
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "list": list, "array": list}

_checked = set()
_faults = []
_seen_early = set()


def _key(version, operation):
    return f"{version} {operation}"


@functools.cache
def tables():
    """`VERSION Operation` -> {path: type word}; objects and lists that the table leaves out are added."""
    read = {}
    for file in ("operations.json", "extra.json"):
        for operation in json.loads((CONTRACT / file).read_text())["operations"]:
            version = operation.get("version") or VERSIONS[operation["product"].lower()]
            read[_key(version, operation["op"])] = _whole(operation["response"])
    return read


def _whole(response):
    """A table with every object and list on the way to a field."""
    whole = {}
    for path, word in response.items():
        word = word.split(":")[0].split(" ")[0]
        whole[path] = word if word in TYPES else "string"
    for path in list(whole):
        parts = path.split(".")
        for length in range(1, len(parts)):
            whole.setdefault(".".join(parts[:length]), "object")
    for path in list(whole):
        while path.endswith(("[]", "{}")):
            kind, path = ("list" if path.endswith("[]") else "object"), path[:-2]
            whole.setdefault(path, kind)
    return whole


@functools.cache
def not_yet():
    """Fields of not-yet.json, as "Operation path": they may be absent until their step."""
    steps = json.loads((CONTRACT / "not-yet.json").read_text())["steps"].values()
    return frozenset(line for step in steps for line in step["fields"])


def faults_of(version, operation, reply):
    """What is wrong with a successful reply: one sentence each; none when there is no table."""
    table = tables().get(_key(version, operation))
    if table is None:
        return []
    return [f"{operation}: {fault}" for fault in _object(operation, table, "", reply)]


def _object(operation, table, at, value):
    """Faults of an object at a path; its fields are those of the table, one level down."""
    prefix = f"{at}." if at else ""
    fields = {path[len(prefix):] for path in table if path.startswith(prefix)}
    fields = {name for name in fields if name and not set(name) & set(".[{")}
    if not fields and at:
        return  # The table says no more than that it is an object: names are data.
    _seen_early.update(not_yet() & {f"{operation} {prefix}{name}" for name in value})
    excused = OPTIONAL.keys() | not_yet()
    for name in sorted(fields - set(value)):
        if name not in MARKERS and f"{operation} {prefix}{name}" not in excused:
            yield f"`{prefix}{name}` is missing"
    for name in sorted(value):
        if name not in fields:
            yield f"`{prefix}{name}` is not in the table"
        else:
            yield from _value(operation, table, prefix + name, value[name])


def _value(operation, table, at, value):
    word = table[at]
    # bool is a kind of int in Python, and none in JSON.
    if not isinstance(value, TYPES[word]) or (word == "integer" and isinstance(value, bool)):
        yield f"`{at}` is {json.dumps(value)[:60]}, not of type {word}"
    elif word in ("list", "array"):
        for item in value:
            if f"{at}[]" in table:
                yield from _value(operation, table, f"{at}[]", item)
            elif not isinstance(item, str):
                yield f"`{at}[]` is {json.dumps(item)[:60]}, not a text"
    elif word == "object" and f"{at}{{}}" in table:
        for name in value:
            yield from _value(operation, table, f"{at}{{}}", value[name])
    elif word == "object":
        yield from _object(operation, table, at, value)


@functools.cache
def _codes():
    """(common codes, those of RAM and STS, those of each operation), each with its statuses."""
    contract = json.loads((CONTRACT / "operations.json").read_text())
    own = {
        _key(operation["version"], operation["op"]): {code: [status] for code, status in operation["errors"].items()}
        for operation in contract["operations"]
    }
    return contract["codes"]["common"], contract["codes"]["ram"], own


def refusal_faults(version, operation, code, status):
    """What is wrong with a refusal: a code of the tables has its table's status. A code of no table is a decision of ours."""
    common, ram, own = _codes()
    key = _key(version, operation)
    of_ram = ram if version in (VERSIONS["ram"], VERSIONS["sts"]) else {}
    known = [codes[code] for codes in (own.get(key, {}), of_ram, common) if code in codes]
    if not known or any(status in statuses for statuses in known):
        return []
    return [f"{operation}: {code} is answered with {status}, and with {known[0]} in the tables"]


def record_refusal(version, operation, code, status):
    """Checks a refusal's status; the faults are kept for the end of the test."""
    _faults.extend(refusal_faults(version, operation, code, status))


def record(version, operation, reply):
    """Checks a successful reply; the faults are kept for the end of the test."""
    _checked.add(_key(version, operation))
    _faults.extend(faults_of(version, operation, reply))


def take_faults():
    """The faults since the last call."""
    taken, _faults[:] = list(_faults), []
    return taken


def checked():
    """Which operations had a reply checked in this run, as `VERSION Operation`."""
    return frozenset(_checked)


def seen_early():
    """Fields that not-yet.json still lists, and that a reply had."""
    return frozenset(_seen_early)


def _named(request):
    """Version and operation of a request of the API, or None."""
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.url).query))
    named = [
        request.headers.get(header) or query.get(parameter)
        for header, parameter in (("x-acs-version", "Version"), ("x-acs-action", "Action"))
    ]
    return named if all(named) else None


def install():
    """Looks at every reply that comes through `requests`, by which the new SDKs call."""
    send = requests.Session.send

    @functools.wraps(send)
    def looked_at(session, request, **options):
        reply = send(session, request, **options)
        named = _named(request)
        if not named or "json" not in reply.headers.get("content-type", ""):
            return reply
        if reply.status_code == 200:
            record(*named, reply.json())
        else:
            record_refusal(*named, reply.json().get("Code"), reply.status_code)
        return reply

    requests.Session.send = looked_at
