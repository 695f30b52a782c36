//! What may not be in the source.

use std::path::Path;

use crate::Violation;

/// Longest Rust file, lines.
const LINES_MAX: usize = 600;

/// A text, where it may be, and what to do about it elsewhere.
struct Only {
    text: &'static str,
    places: &'static [&'static str],
    instead: &'static str,
}

const ONLY: [Only; 4] = [
    Only {
        text: "Federated::verified(",
        places: &["crates/access/", "crates/policy/"],
        instead: "only `access` says for whom an identity provider vouches, after a signature was verified",
    },
    Only {
        text: "Authority::new(",
        places: &[
            "crates/server/",
            "crates/testkit/",
            "crates/policy/tests/",
            "crates/policy/benches/",
            "tests/bench/decisions/",
        ],
        instead: "only the server makes an Authority; take one as an argument",
    },
    Only {
        text: "Authority::observed(",
        places: &["crates/server/", "crates/testkit/", "crates/policy/tests/", "crates/policy/benches/"],
        instead: "only the server makes an Authority; take one as an argument",
    },
    Only {
        text: "Caller::authenticated(",
        places: &["crates/access/", "crates/testkit/", "crates/policy/", "tests/bench/decisions/"],
        instead: "only `access` makes a Caller, after a secret was proved",
    },
];

/// Marks of unfinished work, written apart so that this file has none of them.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("#[ig", "nore"),
    concat!("unimplemented", "!("),
];

/// Paths that exist on one machine only.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/root", "/.")];

/// Hosts of package registries: which one is asked is each machine's own setting.
const REGISTRIES: [&str; 6] = [
    concat!("registry.npmjs", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("pypi.org", "/simple"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("deb.debian", ".org"),
];

/// The violations of one file.
pub(crate) fn check(path: &Path, text: &str) -> Vec<Violation> {
    let name = path.display().to_string();
    let mut violations = Vec::new();
    let mut report = |line: usize, what: String| violations.push(Violation(format!("{name}:{line}: {what}")));
    let is_rust = name.ends_with(".rs");
    if is_rust && text.lines().count() > LINES_MAX {
        report(LINES_MAX, format!("the file has more than {LINES_MAX} lines; split it by noun"));
    }
    if is_rust && (name.ends_with("src/lib.rs") || name.ends_with("src/main.rs")) && !text.starts_with("//!") {
        report(1, "the crate has no header; say what it owns and what may never be in it".to_owned());
    }
    for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line)) {
        if is_rust && !name.starts_with("xtask/") {
            for only in &ONLY {
                if line.contains(only.text) && !only.places.iter().any(|place| name.starts_with(place)) {
                    report(number, format!("`{}` does not belong here: {}", only.text, only.instead));
                }
            }
        }
        for mark in UNFINISHED.iter().filter(|mark| line.contains(**mark)) {
            report(number, format!("`{mark}`: finish it, or say in the documents what is not served"));
        }
        for found in MACHINE_PATHS.iter().filter(|found| line.contains(**found)) {
            report(number, format!("`{found}` is a path of one machine; make it relative"));
        }
        for found in REGISTRIES.iter().filter(|found| line.contains(**found)) {
            report(number, format!("`{found}` is a registry's host; leave it to the machine's settings"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<String> {
        check(Path::new(path), text).into_iter().map(|violation| violation.0).collect()
    }

    #[test]
    fn an_authority_is_made_by_the_server_alone() {
        let text = "let authority = Authority::new(source);\n";
        assert_eq!(lines("crates/server/src/serve.rs", text).len(), 0);
        assert_eq!(lines("crates/broker/src/broker.rs", text).len(), 1);
    }

    #[test]
    fn a_caller_is_made_by_access_alone() {
        let text = "Caller::authenticated(principal)\n";
        assert_eq!(lines("crates/access/src/signing.rs", text).len(), 0);
        assert_eq!(lines("crates/openapi/src/door.rs", text).len(), 1);
    }

    #[test]
    fn unfinished_work_long_files_and_machine_paths_are_found() {
        for mark in UNFINISHED {
            assert_eq!(lines("crates/a/src/b.rs", &format!("// {mark}\n")).len(), 1, "{mark}");
        }
        assert_eq!(lines("README.md", &format!("see {}x\n", MACHINE_PATHS[0])).len(), 1);
        for host in REGISTRIES {
            assert_eq!(lines("tests/node/package-lock.json", &format!("https://{host}/x\n")).len(), 1, "{host}");
        }
        assert_eq!(lines("crates/a/src/b.rs", &"x\n".repeat(LINES_MAX + 1)).len(), 1);
        assert_eq!(lines("crates/a/src/lib.rs", "pub struct A;\n").len(), 1);
    }
}
