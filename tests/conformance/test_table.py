"""`docs/conformance.md` has a row for every statement of both standards, and every row points at something that is there."""

import ast
import collections
import re

import pytest

from support.server import REPOSITORY

TABLE = REPOSITORY / "docs" / "conformance.md"
HERE = "tests/conformance"
STATEMENT = re.compile(r"MQTT-\d+(\.\d+)+-\d+")
TEST = re.compile(r"`([\w./-]+\.(?:py|rs))::(\w+)`")
# A reason is a sentence, not a shrug.
REASON_WORDS_MIN = 4


def statements(version):
    lines = (REPOSITORY / "contract" / f"mqtt-statements-{version}.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def rows(version):
    """The rows of one standard: statement, what it demands, what shows it."""
    section = TABLE.read_text().split(f"\n## MQTT {version}\n")[1].split("\n## ")[0]
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("| MQTT-")]
    assert all(len(row) == 3 for row in found), [row for row in found if len(row) != 3]
    return found


def functions(path):
    """The names of a file's tests."""
    text = path.read_text()
    if path.suffix == ".rs":
        return set(re.findall(r"\bfn (\w+)", text))
    return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def faults(version):
    known = {}
    for statement, demands, shown in rows(version):
        if len(demands.split()) < 3:
            yield f"{statement} does not say what it demands"
        tests = TEST.findall(shown)
        if not tests and len(shown.split()) < REASON_WORDS_MIN:
            yield f"{statement} has neither a test nor a reason"
        if shown.count("::") != len(tests):
            yield f"{statement} names a test that cannot be read: {shown}"
        for file, name in tests:
            path = REPOSITORY / (file if "/" in file else f"{HERE}/{file}")
            if path not in known:
                known[path] = functions(path) if path.exists() else set()
            if name not in known[path]:
                yield f"{statement} names {file}::{name}, which does not exist"


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
def test_every_statement_has_one_row_in_the_order_of_the_standard(version):
    listed, tabled = statements(version), [row[0] for row in rows(version)]
    assert all(STATEMENT.fullmatch(statement) for statement in listed)
    assert [name for name, count in collections.Counter(tabled).items() if count > 1] == []
    assert sorted(set(listed) - set(tabled)) == [], "without a row"
    assert sorted(set(tabled) - set(listed)) == [], "not a statement of the standard"
    assert tabled == listed


@pytest.mark.parametrize("version", ["3.1.1", "5.0"])
def test_every_row_says_what_is_demanded_and_names_a_test_that_exists_or_a_reason(version):
    assert list(faults(version)) == []


@pytest.mark.parametrize(("version", "count"), [("3.1.1", 141), ("5.0", 251)])
def test_the_lists_have_the_length_of_the_appendices(version, count):
    listed = statements(version)
    assert len(listed) == len(set(listed)) == count
