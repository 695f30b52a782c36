"""docs/benchmarks.md: each script writes its own section, between two marks, and leaves the others alone."""

import os
import re

from support.server import REPOSITORY

PAGE = REPOSITORY / "docs" / "benchmarks.md"
# In the order of the page.
SECTIONS = (
    "peers", "connects", "latency", "tenants", "many-statements", "broadcast", "cores", "durable", "operations", "scale", "revocation", "permission-cost", "decisions", "parts", "soak",
)  # fmt: skip
WORDS = {1: "one core", 2: "two cores", 4: "four cores", 8: "eight cores"}


def machine():
    """What every figure was measured on."""
    cores = os.cpu_count()
    words = WORDS.get(cores, f"{cores} cores")
    return f"{words}, load generator on the same {words.split()[0]}"


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def table(head, rows):
    return row(*head) + "|" + "---|" * len(head) + "\n" + "".join(row(*cells) for cells in rows)


def marks(section):
    return f"<!-- {section}: begin -->\n", f"<!-- {section}: end -->\n"


def with_section(page, section, text):
    """The page with this text as that section, where its place is."""
    begin, end = marks(section)
    block = f"{begin}{text.strip()}\n{end}"
    if begin in page:
        return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: block, page, flags=re.DOTALL)
    later = (marks(name)[0] for name in SECTIONS[SECTIONS.index(section) + 1 :])
    following = next((mark for mark in later if mark in page), None)
    if following:
        return page.replace(following, f"{block}\n{following}")
    return f"{page.rstrip()}\n\n{block}"


def publish(section, text, write):
    """Prints a section, and writes it into the page when told to."""
    print(text, flush=True)
    if write:
        PAGE.write_text(with_section(PAGE.read_text(), section, text))
