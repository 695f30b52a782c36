"""`sluice --version`, `sluice completions`, and commands that have nothing to work on."""

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


@pytest.mark.parametrize("command", [("list",), ("disable", "--alias", "acme"), ("reset-root", "--alias", "acme"), ("delete", "--alias", "acme")])
def test_an_account_command_on_a_mistyped_folder_makes_nothing(tmp_path, command):
    refused = sluice("account", *command, "--data-dir", str(tmp_path / "typo"), check=False)
    assert refused.returncode == 1 and "typo" in refused.stderr and not (tmp_path / "typo").exists()


@pytest.mark.parametrize("command", ["check", "test"])
def test_a_policy_file_that_is_not_there_is_named(command):
    refused = sluice("policy", command, "/no/such/file", check=False)
    assert refused.returncode == 1 and "/no/such/file" in refused.stderr


def test_the_providers_are_reached_by_sluice_api(server):
    assert server.api("ims", "ListSAMLProviders")["SAMLProviders"] == {"SAMLProvider": []}
