//! Files that are written whole or not at all, and such as grow.
//!
//! In: a path, bytes. Out: the file.
//!
//! Must hold: whoever reads the path sees the old file or the new one, whenever the process or the machine ends. What is no file on a disk (a
//! pipe, `/dev/null`) stays what it is, and is written to.

use crate::mistake::broken;
use downhill_runtime::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Writes beside `path`, has it on the disk, then renames it. Missing folders are made.
///
/// # Errors
/// What the system says; nothing is left behind.
///
/// # Examples
/// ```
/// # let folder = std::env::temp_dir().join(format!("downhill-file-{}", std::process::id()));
/// let path = folder.join("names.txt");
/// downhill::file::write(&path, b"Ada\n")?;
/// assert_eq!(std::fs::read(&path).expect("it is there"), b"Ada\n");
/// assert!(downhill::file::write(&folder, b"a folder").is_err());
/// # std::fs::remove_dir_all(folder).ok();
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    let path = path.as_ref();
    whole(path, bytes).map_err(|error| broken(path, format!("cannot be written: {error}")))
}

/// Finds out whether [`write()`] could write there, before the work whose result it is to hold.
///
/// # Errors
/// As [`write()`]; folders that were made stay.
pub fn check(path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let checked = place(path).and_then(|place| match place {
        Place::Stream(_) => Ok(()),
        Place::File(path) => partial(folder_of(&path)).map(|_| ()),
    });
    checked.map_err(|error| broken(path, format!("cannot be written: {error}")))
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

/// What a path leads to.
enum Place {
    File(PathBuf),
    /// A pipe or a device, which a file must not take the place of.
    Stream(PathBuf),
}

fn place(path: &Path) -> io::Result<Place> {
    if path.file_name().is_none() {
        return Err(io::Error::other("the path names no file"));
    }
    // A link stays one: what it points to is written.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match std::fs::metadata(&path) {
        Ok(there) if there.is_dir() => Err(io::Error::other("it is a folder")),
        Ok(there) if !there.is_file() => Ok(Place::Stream(path)),
        _ => {
            std::fs::create_dir_all(folder_of(&path))?;
            Ok(Place::File(path))
        }
    }
}

fn whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = match place(path)? {
        Place::File(path) => path,
        Place::Stream(path) => return std::fs::write(path, bytes),
    };
    let folder = folder_of(&path);
    let mut partial = partial(folder)?;
    partial.write_all(bytes)?;
    partial.as_file().sync_all()?;
    partial.persist(&path)?;
    synced(folder);
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// In the same folder: a file is renamed within a disk only.
fn partial(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    readable(&mut builder);
    builder.prefix(".partial-").tempfile_in(folder)
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
