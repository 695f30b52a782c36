//! What the log asks of a folder: a few calls, so that tests can put a folder in its place that breaks.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A folder of files, without folders in it.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// The names of its files, in no order.
    ///
    /// # Errors
    /// The disk's.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new file. It is found after a power cut when it and the [folder](Disk::sync_dir) were synced.
    ///
    /// # Errors
    /// The disk's; [`io::ErrorKind::AlreadyExists`].
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to write in it.
    ///
    /// # Errors
    /// The disk's.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// A file's content from a place on: at most so many bytes, fewer only at its end.
    ///
    /// # Errors
    /// The disk's.
    fn read(&self, name: &str, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>>;

    /// All of a file, in the place of what was in the buffer: a buffer that is used again saves the memory that another 64 MiB
    /// cost to map.
    ///
    /// # Errors
    /// The disk's.
    fn read_whole(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()>;

    /// Gives a file another name.
    ///
    /// # Errors
    /// The disk's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The disk's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Waits until what was made, renamed and removed is so after a power cut as well.
    ///
    /// # Errors
    /// The disk's.
    fn sync_dir(&self) -> io::Result<()>;

    /// Bytes that may still be written.
    ///
    /// # Errors
    /// The disk's.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// A file that is open for writing.
pub trait DiskFile: Send + fmt::Debug {
    /// Writes at a place, and says how many of the bytes it took.
    ///
    /// # Errors
    /// The disk's.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until the content is on the disk.
    ///
    /// # Errors
    /// The disk's. What is on the disk is not known then, and a later success says nothing about it.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Cuts it, or makes it longer with zeros.
    ///
    /// # Errors
    /// The disk's.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;
}

/// Writes all bytes at a place.
pub(super) fn write_all_at(file: &mut dyn DiskFile, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => {
                offset += taken as u64;
                bytes = &bytes[taken.min(bytes.len())..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A folder of the machine.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
}

impl RealDisk {
    /// A folder, made where it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::File::open(parent)?.sync_all()?;
        }
        Ok(Self { folder: folder.to_owned() })
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // A name that is no text is not ours.
            if let (Ok(name), true) = (entry.file_name().into_string(), entry.file_type()?.is_file()) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(fs::OpenOptions::new().write(true).create_new(true).open(self.folder.join(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(fs::OpenOptions::new().write(true).open(self.folder.join(name))?))
    }

    fn read(&self, name: &str, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let file = fs::File::open(self.folder.join(name))?;
        let left = file.metadata()?.len().saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(bytes_max)];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn read_whole(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        fs::File::open(self.folder.join(name))?.read_to_end(into)?;
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        fs::File::open(&self.folder)?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.folder)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

impl DiskFile for fs::File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        fs::File::sync_data(self)
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        fs::File::set_len(self, bytes)
    }
}
