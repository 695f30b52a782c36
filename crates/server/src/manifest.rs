//! `manifest.json` of a backup: what belongs to it, with sizes and SHA-256. Written last, so that a copy without it is none.
//!
//! It holds no account's name and no secret. Its own checksum is that of the same text with an empty `sha256`.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::private;

/// The manifest's name in the copy.
pub(crate) const NAME: &str = "manifest.json";
/// The database's name, in the copy as in a data folder.
pub(crate) const DATABASE: &str = "sluice.db";
/// The folder of the message log, in the copy as in a data folder.
pub(crate) const LOG: &str = "log";
/// The form of backups that this program writes, and the newest that it reads.
const FORMAT: u64 = 1;
/// Longest manifest that is read: some 500,000 files.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What is read at once.
const READ_BYTES: usize = 256 * 1024;

/// Why a copy is not used. Each names the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyFault {
    #[error("`{0}` is not a complete backup: it has no {NAME}")]
    NoManifest(PathBuf),
    #[error("`{path}` is damaged: {fault}")]
    Manifest { path: PathBuf, fault: String },
    #[error(
        "the backup was made by a newer sluice: its format is {found}, this program knows up to {FORMAT}; use the newer program"
    )]
    NewerFormat { found: u64 },
    #[error(
        "the backup was made by a newer sluice: its database has schema {found}, this program knows up to {known}; \
         use the newer program"
    )]
    NewerSchema { found: i64, known: i64 },
    #[error("the backup is incomplete: `{0}` is missing")]
    Missing(PathBuf),
    #[error("the backup is damaged: `{0}` is not what was written (its size or its SHA-256 differs)")]
    Damaged(PathBuf),
    #[error("cannot read `{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Its path in the copy, with `/`.
    pub(crate) name: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Lower-case hex.
    pub(crate) sha256: String,
}

/// What a backup is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: u64,
    /// The version of the program that made it.
    pub(crate) sluice: String,
    /// When, as in `2026-01-31T12:34:56Z`.
    pub(crate) created: String,
    /// The database's schema step.
    schema: i64,
    /// What it needs besides, in words.
    needs: String,
    /// The message log first, the database last.
    pub(crate) files: Vec<Entry>,
    /// Of the manifest itself.
    sha256: String,
}

impl Manifest {
    /// Of these files, at this time.
    pub(crate) fn new(created: String, schema: i64, files: Vec<Entry>) -> Self {
        let needs = "the master key of the data folder; it is not in this copy".to_owned();
        let sluice = env!("CARGO_PKG_VERSION").to_owned();
        let unsealed = Self { format: FORMAT, sluice, created, schema, needs, files, sha256: String::new() };
        Self { sha256: unsealed.own_sum(), ..unsealed }
    }

    /// Writes it into the copy, whole or not at all, and syncs it and the folder.
    pub(crate) fn write(&self, copy: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        let (part, whole) = (copy.join("manifest.part"), copy.join(NAME));
        private::write_synced(&part, text.as_bytes())?;
        std::fs::rename(&part, &whole)?;
        private::sync_folder(copy)
    }

    /// Reads and checks the manifest of a copy: that it is whole, and that this program knows its format and schema.
    pub(crate) fn read(copy: &Path) -> Result<Self, CopyFault> {
        let path = copy.join(NAME);
        let mut text = Vec::new();
        match File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CopyFault::NoManifest(copy.to_owned()));
            }
            Err(source) => return Err(CopyFault::Io { path, source }),
        }
        Self::parse(&text, &path)
    }

    fn parse(text: &[u8], path: &Path) -> Result<Self, CopyFault> {
        let wrong = |fault: String| CopyFault::Manifest { path: path.to_owned(), fault };
        // A newer format may have other fields: its number is read before anything else.
        let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if found > FORMAT => return Err(CopyFault::NewerFormat { found }),
            Some(_) => {}
            None => return Err(wrong("it has no format".to_owned())),
        }
        let manifest: Self = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        if manifest.own_sum() != manifest.sha256 {
            return Err(wrong("its SHA-256 differs".to_owned()));
        }
        let known = sluice_store::schema_known();
        if manifest.schema > known {
            return Err(CopyFault::NewerSchema { found: manifest.schema, known });
        }
        if let Some(entry) = manifest.files.iter().find(|entry| !is_name(&entry.name)) {
            return Err(wrong(format!("it names `{}`", entry.name)));
        }
        if manifest.files.iter().filter(|entry| entry.name == DATABASE).count() != 1 {
            return Err(wrong(format!("it does not name `{DATABASE}` once")));
        }
        Ok(manifest)
    }

    fn own_sum(&self) -> String {
        let unsealed = Self { sha256: String::new(), ..self.clone() };
        let text = serde_json::to_vec(&unsealed).expect("texts and numbers");
        hex::encode(Sha256::digest(text))
    }

    /// How many bytes its files have together.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|entry| entry.bytes).sum()
    }
}

impl Entry {
    /// Reads a file of the copy through.
    pub(crate) fn of(copy: &Path, name: String) -> std::io::Result<Self> {
        let (bytes, sha256) = sum(File::open(copy.join(&name))?, |_| Ok(()))?;
        Ok(Self { name, bytes, sha256 })
    }

    /// Whether the copy still has it as it was written.
    pub(crate) fn verify(&self, copy: &Path) -> Result<(), CopyFault> {
        self.read_through(copy, |_| Ok(()))
    }

    /// Copies it into `target` beside checking it; not synced.
    pub(crate) fn copy_into(&self, copy: &Path, target: &mut File) -> Result<(), CopyFault> {
        self.read_through(copy, |part| std::io::Write::write_all(target, part))
    }

    fn read_through(&self, copy: &Path, each: impl FnMut(&[u8]) -> std::io::Result<()>) -> Result<(), CopyFault> {
        let path = copy.join(&self.name);
        // A link would lead out of the copy.
        let open = |path: &Path| match std::fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => Err(CopyFault::Damaged(path.to_owned())),
            Ok(_) => File::open(path).map_err(|source| CopyFault::Io { path: path.to_owned(), source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(CopyFault::Missing(path.to_owned())),
            Err(source) => Err(CopyFault::Io { path: path.to_owned(), source }),
        };
        let (bytes, sha256) = sum(open(&path)?, each).map_err(|source| CopyFault::Io { path: path.clone(), source })?;
        if (bytes, &sha256) == (self.bytes, &self.sha256) { Ok(()) } else { Err(CopyFault::Damaged(path)) }
    }
}

/// Whether a copy may have a file of this name: the database, or a plain name in the folder of the log.
fn is_name(name: &str) -> bool {
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    name == DATABASE || name.split_once('/').is_some_and(|(folder, name)| folder == LOG && plain(name))
}

/// Size and SHA-256 of what is read, each part of it handed on.
fn sum(mut from: impl Read, mut each: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<(u64, String)> {
    let (mut hash, mut bytes, mut part) = (Sha256::new(), 0, vec![0; READ_BYTES]);
    loop {
        let read = match from.read(&mut part) {
            Ok(0) => return Ok((bytes, hex::encode(hash.finalize()))),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes += u64::try_from(read).unwrap_or(u64::MAX);
        hash.update(&part[..read]);
        each(&part[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str) -> Manifest {
        let database = Entry { name: DATABASE.to_owned(), bytes: 1, sha256: "ab".to_owned() };
        let other = Entry { name: name.to_owned(), ..database.clone() };
        Manifest::new("2026-01-31T12:34:56Z".to_owned(), 1, vec![other, database])
    }

    fn parse(text: &[u8]) -> Result<Manifest, CopyFault> {
        Manifest::parse(text, Path::new("m"))
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_no_byte_of_it_changes_unseen() {
        let written = manifest("log/00000001.segment");
        let text = serde_json::to_vec(&written).unwrap();
        assert_eq!(parse(&text).unwrap(), written);
        for index in 0..text.len() {
            let mut flipped = text.clone();
            flipped[index] ^= 1;
            assert!(parse(&flipped).is_err(), "byte {index}");
        }
    }

    #[test]
    fn a_newer_format_and_a_newer_schema_are_refused_with_a_sentence() {
        let newer = parse(br#"{"format": 2, "whatever": true}"#).unwrap_err();
        assert!(newer.to_string().contains("use the newer program"), "{newer}");
        let text = serde_json::to_vec(&Manifest::new(String::new(), 999, Vec::new())).unwrap();
        assert!(matches!(parse(&text), Err(CopyFault::NewerSchema { found: 999, .. })));
    }

    #[test]
    fn a_manifest_that_leads_out_of_the_copy_is_refused() {
        for name in ["../x", "/etc/passwd", "log/../x", "log/", "log/.x", "log/a/b", "master.key", "lock", DATABASE] {
            let text = serde_json::to_vec(&manifest(name)).unwrap();
            assert!(matches!(parse(&text), Err(CopyFault::Manifest { .. })), "{name}");
        }
    }
}
