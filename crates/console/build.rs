//! Brings what the pages load: `npm ci` of `ui/package-lock.json`, in OUT_DIR, so that the source tree stays clean.
//!
//! Runs again only when the lock file or the editor's source changes. What the crate embeds is copied to `OUT_DIR/assets`;
//! `editor.js` is bundled there with what it imports.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, exit},
};

/// Files of the packages that the binary embeds: where in `node_modules`, and under which name.
const EMBEDDED: [(&str, &str); 2] =
    [("@tabler/core/dist/css/tabler.min.css", "tabler.min.css"), ("htmx.org/dist/htmx.min.js", "htmx.min.js")];

/// Our own script that imports packages, and is bundled with them.
const BUNDLED: &str = "editor.js";

/// What to do when npm is missing or fails; the last line of every message here.
const WITHOUT: &str = "the console needs npm (Node 20 or later) at build; install it, or build without the console: \
     cargo build --no-default-features";

fn main() {
    println!("cargo::rerun-if-changed=ui/package-lock.json");
    println!("cargo::rerun-if-changed=ui/{BUNDLED}");
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
    for file in ["package.json", "package-lock.json", BUNDLED] {
        copy(&Path::new("ui").join(file), &ui.join(file))?;
    }
    npm_ci(&ui)?;
    let assets = out.join("assets");
    fs::create_dir_all(&assets).map_err(|error| format!("cannot make {}: {error}", assets.display()))?;
    for (from, name) in EMBEDDED {
        copy(&ui.join("node_modules").join(from), &assets.join(name))?;
    }
    bundle(&ui, &assets.join(BUNDLED))
}

/// One file of the script and its imports, so that a page loads nothing else.
fn bundle(ui: &Path, to: &Path) -> Result<(), String> {
    let run = Command::new("node")
        .arg("node_modules/esbuild/bin/esbuild")
        .args([BUNDLED, "--bundle", "--minify", "--format=iife", "--target=es2022", "--log-level=warning"])
        .arg(format!("--outfile={}", to.display()))
        .current_dir(ui)
        .output();
    ended_well("the bundling of editor.js", run)
}

fn npm_ci(ui: &Path) -> Result<(), String> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let run = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(ui)
        .output();
    ended_well("npm", run)
}

/// Whether a program did what it was started for; its last line when not.
fn ended_well(what: &str, run: io::Result<Output>) -> Result<(), String> {
    match run {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            let last = told.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Err(format!("{what} failed ({}): {last}", output.status))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!("{what}: the program was not found")),
        Err(error) => Err(format!("{what} did not start: {error}")),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))
}
