//! Files that are written whole or not at all.

use downhill_runtime::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the files of this process, so that no two threads share one that is half written.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Writes beside `path`, then renames: whoever reads `path` sees the old file or the new one. Missing folders are made.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    whole(path, bytes).map_err(|error| Error::Usage {
        message: format!("`{}` could not be written: {error}", path.display()),
        help: "give the path of a file in a folder that may be written to".into(),
    })
}

fn whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial(path)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // Whatever went wrong is what is told, not that nothing was there to be removed.
        _ = std::fs::remove_file(&partial);
    }
    written
}

/// A name of its own in the same folder: a file is renamed within a disk only.
fn partial(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let count = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.{count}", std::process::id()));
    Ok(path.with_file_name(partial))
}
