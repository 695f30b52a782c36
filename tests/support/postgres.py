"""A throw-away PostgreSQL cluster, Debian's package, on a Unix socket and on a port of the loopback."""

import atexit
import functools
import itertools
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

USER = "postgres"


def programs():
    """Debian's place of PostgreSQL's programs, the newest version."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL is not installed: scripts/setup-tests installs it"
    return found[-1].parent


# Who may come in where there is TLS: nobody without it, and `certified` by his certificate alone.
ENCRYPTED_ONLY = f"""local all all trust
hostssl all {USER} 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 cert
"""


class Cluster:
    """Stopped and taken away by [`remove`]. `durable` has it sync, for tests that stop it hard; with an `authority` of
    certificates it serves TLS alone."""

    def __init__(self, durable=False, authority=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-postgres-"))
        self.data, self.names = self.folder / "data", itertools.count(1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            shutil.chown(self.folder, "postgres")
        self.run("initdb", "-D", self.data, "-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync", "--locale=C")
        self.options = (
            f"-c listen_addresses=127.0.0.1 -p {self.port} -c fsync={'on' if durable else 'off'} "
            f"-c max_connections=200 -c unix_socket_directories={self.folder}"
        )
        if authority:
            self.encrypt(authority)
        self.start()

    def encrypt(self, authority):
        files = {"ssl_cert_file": authority.cert, "ssl_key_file": authority.key, "ssl_ca_file": authority.ca}
        for setting, file in files.items():
            own = self.folder / file.name
            shutil.copyfile(file, own)
            own.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(own, "postgres")
            self.options += f" -c {setting}={own}"
        self.options += " -c ssl=on"
        (self.data / "pg_hba.conf").write_text(ENCRYPTED_ONLY)

    def run(self, program, *arguments):
        command = [programs() / program, *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(list(map(str, command)), cwd=self.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self):
        log = self.folder / "log"
        subprocess_free = ("-l", log, "-w", "-o", self.options)
        self.run("pg_ctl", "-D", self.data, *subprocess_free, "start")

    def stop(self, how="immediate"):
        """As a machine that loses its power, unless it is told otherwise."""
        self.run("pg_ctl", "-D", self.data, "-m", how, "-w", "stop")

    def database(self, name=None):
        """Makes an empty database; its URL."""
        name = name or f"sluice{next(self.names)}"
        self.run("createdb", "-h", self.folder, "-p", self.port, "-U", USER, name)
        return f"postgres://{USER}:not-shown@127.0.0.1:{self.port}/{name}"

    def sql(self, url, statement):
        """Runs a statement; what it gives, a row a line."""
        name = url.rsplit("/", 1)[1]
        return self.run("psql", "-h", self.folder, "-p", self.port, "-U", USER, "-At", "-c", statement, name)

    def remove(self):
        try:
            self.stop()
        except AssertionError:
            pass  # It was stopped already.
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared():
    """The one cluster of a test run."""
    cluster = Cluster()
    atexit.register(cluster.remove)
    return cluster
