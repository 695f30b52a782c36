//! Brings what the pages load: `npm ci` of `ui/package-lock.json`, in OUT_DIR, so that the source tree stays clean.
//!
//! Runs again only when the lock file changes. What the crate embeds is copied to `OUT_DIR/assets`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, exit},
};

/// Files of the packages that the binary embeds: where in `node_modules`, and under which name.
const EMBEDDED: [(&str, &str); 1] = [("@tabler/core/dist/css/tabler.min.css", "tabler.min.css")];

/// What to do when npm is missing or fails; the last line of every message here.
const WITHOUT: &str = "the console needs npm (Node 20 or later) at build; install it, or build without the console: \
     cargo build --no-default-features";

fn main() {
    println!("cargo::rerun-if-changed=ui/package-lock.json");
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(why) = bring() {
        println!("cargo::error={why}");
        println!("cargo::error={WITHOUT}");
        exit(1);
    }
}

fn bring() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let ui = out.join("ui");
    fs::create_dir_all(&ui).map_err(|error| format!("cannot make {}: {error}", ui.display()))?;
    for file in ["package.json", "package-lock.json"] {
        copy(&Path::new("ui").join(file), &ui.join(file))?;
    }
    npm_ci(&ui)?;
    let assets = out.join("assets");
    fs::create_dir_all(&assets).map_err(|error| format!("cannot make {}: {error}", assets.display()))?;
    for (from, name) in EMBEDDED {
        copy(&ui.join("node_modules").join(from), &assets.join(name))?;
    }
    Ok(())
}

fn npm_ci(ui: &Path) -> Result<(), String> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let run = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(ui)
        .output();
    match run {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            let last = told.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Err(format!("`npm ci` failed ({}): {last}", output.status))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("npm was not found".to_owned()),
        Err(error) => Err(format!("npm did not start: {error}")),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))
}
