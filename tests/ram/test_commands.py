"""`sluice --version` and `sluice completions`."""

import re
import shutil
import subprocess

import pytest

from support.server import SLUICE

WORDS = ("reset-root", "master-key", "--data-dir", "completions")


def sluice(*arguments, check=True):
    done = subprocess.run([SLUICE, *arguments], capture_output=True, text=True, timeout=20)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_the_version_names_its_commit_where_there_is_one():
    assert re.fullmatch(r"sluice \d+\.\d+\.\d+( \([0-9a-f]{12}\))?\n", sluice("--version").stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_know_every_command(shell):
    script = sluice("completions", shell).stdout
    for word in WORDS:
        assert word.removeprefix("--") in script
    if program := shutil.which(shell):
        done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr


def test_bash_completes_a_command():
    script = sluice("completions", "bash").stdout
    ask = 'COMP_WORDS=(sluice account re); COMP_CWORD=2; _sluice sluice re account; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, timeout=20)
    assert done.stdout.split() == ["reset-root"], done.stderr


def test_another_shell_is_refused():
    assert sluice("completions", "dos", check=False).returncode == 2
