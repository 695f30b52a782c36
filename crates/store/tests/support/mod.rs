//! Both databases for the same cases: a file of SQLite, and a throw-away cluster of PostgreSQL.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Debian's place of PostgreSQL's programs, the newest version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    newest.expect("PostgreSQL is not installed: apt-get install postgresql, or set SLUICE_TEST_WITHOUT_POSTGRES=1")
}

/// A cluster on a Unix socket in a folder of its own; stopped when it is dropped, on a panic too.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Self { folder, programs: programs() };
        if is_root() {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(cluster.folder.path()));
        }
        let data = cluster.data();
        run(cluster.program("initdb").arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "--auth=trust",
            "-E",
            "UTF8",
            "--no-sync",
            // A database whose own order is a dictionary's, so that bytewise names are the schema's doing.
            "--locale=C",
            "--locale-provider=icu",
            "--icu-locale=en",
        ]));
        let socket = cluster.folder.path().display();
        let options = format!("-c listen_addresses='' -c fsync=off -c unix_socket_directories={socket}");
        let log = cluster.folder.path().join("log");
        run(cluster.program("pg_ctl").arg("-D").arg(&data).arg("-l").arg(log).args(["-w", "-o", &options, "start"]));
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }

    /// Makes an empty database and gives its URL.
    pub(crate) fn database(&self, name: &str) -> String {
        let socket = self.folder.path().display().to_string();
        // PostgreSQL cuts names off at 63 bytes.
        let name = &name[..name.len().min(63)];
        run(self.program("createdb").args(["-h", &socket, "-U", "postgres", name]));
        format!("postgres://postgres@localhost/{name}?host={}", socket.replace('/', "%2F"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        let _stopped = self.program("pg_ctl").arg("-D").arg(data).args(["-m", "immediate", "stop"]).output();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The URL of a file that `Store::open` makes.
pub(crate) fn sqlite(folder: &Path, name: &str) -> String {
    format!("sqlite://{}", folder.join(name).display())
}
