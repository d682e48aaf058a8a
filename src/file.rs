//! Files that are written whole or not at all, and such as grow.
//!
//! In: a path, bytes. Out: the file.
//!
//! Must hold of whole ones: whoever reads the path sees the old file or the new one, whenever the process or the machine ends.

use crate::mistake::broken;
use downhill_runtime::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use tempfile::Builder;

/// Writes beside `path`, has it on the disk, then renames it. Missing folders are made.
///
/// # Errors
/// What the system says; nothing is left behind.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    whole(path, bytes).map_err(|error| broken(path, format!("cannot be written: {error}")))
}

/// Opens a file to write behind what is there. Missing folders are made.
///
/// # Errors
/// What the system says.
pub(crate) fn append(path: &Path) -> Result<File, Error> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let file = folder.and_then(|()| File::options().create(true).append(true).open(path));
    file.map_err(|error| broken(path, format!("cannot be written: {error}")))
}

fn whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.file_name().is_none() {
        return Err(io::Error::other("the path names no file"));
    }
    // A link stays one: what it points to is written.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut builder = Builder::new();
    readable(&mut builder);
    // In the same folder: a file is renamed within a disk only.
    let mut partial = builder.prefix(".partial-").tempfile_in(folder)?;
    partial.write_all(bytes)?;
    partial.as_file().sync_all()?;
    partial.persist(path)?;
    synced(folder);
    Ok(())
}

/// With the permissions that other new files have: temporary ones are their owner's alone.
#[cfg(unix)]
fn readable(builder: &mut Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable(_: &mut Builder<'_, '_>) {}

/// Has the new name on the disk too, where the file system knows of that. The file is whole either way.
#[cfg(unix)]
fn synced(folder: &Path) {
    _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(not(unix))]
fn synced(_: &Path) {}
