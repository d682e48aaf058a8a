//! Pictures: PNG files, and folders of them by class.
//!
//! In: files. Out: tensors of f32 from 0 to 1, channels first. A picture has one channel (grey) or three (red, green, blue); transparency is
//! left out, palettes are looked up, 16 bits become 8. Needs the feature `files`.

use crate::data::labels::LabelMap;
use crate::mistake::{broken, misuse, reserved, unreadable};
use downhill_graph::tensor::Tensor;
use downhill_runtime::dataset::Dataset;
use downhill_runtime::error::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// No deflated stream is longer than this many times itself (zlib's technical details).
const MOST_UNPACKED: u64 = 1032;

/// A picture.
///
/// # Shapes
/// `[channels, height, width]`, f32 from 0 to 1.
///
/// # Errors
/// A file that cannot be read, is no PNG, is broken, or says a size that it cannot hold.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor, Error> {
    let picture = Picture::read(path.as_ref())?;
    let mut pixels = Vec::with_capacity(picture.bytes.len());
    picture.append(&mut pixels);
    Ok(Tensor::new(picture.shape, pixels)?)
}

/// The pictures of a folder that has a folder for each class: a data set of `x`, `[n, channels, height, width]`, and `y`, `[n]`, and the
/// names of the classes. Folders and files are taken in the order of their names; files that do not end in `.png` are left out.
///
/// # Errors
/// As [`read`]; no pictures; pictures of unlike sizes; more than memory holds.
///
/// # Examples
/// ```no_run
/// use downhill::data::images;
/// use downhill::prelude::*;
///
/// # fn main() -> Result<(), downhill::Error> {
/// let (pets, names) = images::folder("pets")?; // pets/cat/….png, pets/dog/….png
/// assert_eq!(names.names(), ["cat", "dog"]);
/// let (training, validation) = split(&pets, 0.2, 1)?;
/// # Ok(())
/// # }
/// ```
pub fn folder(path: impl AsRef<Path>) -> Result<(Dataset, LabelMap), Error> {
    let path = path.as_ref();
    let (files, names) = files(path)?;
    let data = rows(&files)?;
    Ok((data, names))
}

/// The files of a folder as [`folder`] finds them, each with its class, to be read later or in another order ([`rows`]).
///
/// # Errors
/// A folder that cannot be read; one without pictures.
pub fn files(path: impl AsRef<Path>) -> Result<(Vec<(PathBuf, i32)>, LabelMap), Error> {
    let path = path.as_ref();
    let folders: Vec<PathBuf> = listed(path)?.into_iter().filter(|entry| entry.is_dir()).collect();
    let name = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = LabelMap::of(folders.iter().map(|folder| name(folder)))?;

    let mut files = Vec::new();
    for folder in &folders {
        let [class] = *names.encode([name(folder)])?.as_i32()? else { continue };
        let is_picture = |file: &PathBuf| file.extension().is_some_and(|end| end.eq_ignore_ascii_case("png"));
        files.extend(listed(folder)?.into_iter().filter(is_picture).map(|file| (file, class)));
    }
    match files.is_empty() {
        true => Err(broken(path, "has no folders with `.png` files in them, one folder for each class")),
        false => Ok((files, names)),
    }
}

/// These files as a data set of `x` and `y`.
///
/// # Errors
/// As [`folder`].
pub fn rows(files: &[(PathBuf, i32)]) -> Result<Dataset, Error> {
    let Some((first, _)) = files.first() else {
        return Err(misuse("no pictures were given", "give at least one file"));
    };
    let picture = Picture::read(first)?;
    let shape = picture.shape;
    let size = files.len().saturating_mul(picture.bytes.len());
    let mut pixels = reserved(size, || format!("{} pictures of {shape:?}", files.len()))?;
    picture.append(&mut pixels);

    for (file, _) in &files[1..] {
        let picture = Picture::read(file)?;
        if picture.shape != shape {
            let message = format!("has the shape {:?}, {} has {shape:?}", picture.shape, first.display());
            return Err(broken(file, message));
        }
        picture.append(&mut pixels);
    }
    let [channels, height, width] = shape;
    let x = Tensor::new([files.len(), channels, height, width], pixels)?;
    let y: Vec<i32> = files.iter().map(|(_, class)| *class).collect();
    Dataset::new([("x", x), ("y", Tensor::from(y))])
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| unreadable(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    // Hidden files are none of the data's.
    paths.retain(|path| !path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with('.')));
    paths.sort();
    Ok(paths)
}

/// A picture as its file has it: channels last.
struct Picture {
    /// Channels, height, width.
    shape: [usize; 3],
    /// How many bytes a pixel has, transparency included.
    stride: usize,
    bytes: Vec<u8>,
}

impl Picture {
    fn read(path: &Path) -> Result<Picture, Error> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let len = file.metadata().map_err(|error| unreadable(path, &error))?.len();
        let wrong = |error: png::DecodingError| broken(path, format!("is no PNG that can be read: {error}"));
        let mut decoder = png::Decoder::new(BufReader::new(file));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(wrong)?;

        let (width, height) = reader.info().size();
        let size = reader.output_buffer_size().filter(|&size| size as u64 / MOST_UNPACKED <= len);
        let size = size.ok_or_else(|| {
            broken(path, format!("says {width} × {height} pixels, which {len} bytes cannot hold"))
        })?;
        let (stride, channels) = match reader.output_color_type().0 {
            png::ColorType::Grayscale => (1, 1),
            png::ColorType::GrayscaleAlpha => (2, 1),
            png::ColorType::Rgb | png::ColorType::Indexed => (3, 3),
            png::ColorType::Rgba => (4, 3),
        };
        let mut bytes: Vec<u8> = reserved(size, || format!("a picture of {width} × {height}"))?;
        bytes.resize(size, 0);
        reader.next_frame(&mut bytes).map_err(wrong)?;
        Ok(Picture { shape: [channels, height as usize, width as usize], stride, bytes })
    }

    /// Appends its numbers, channel by channel.
    fn append(&self, pixels: &mut Vec<f32>) {
        for channel in 0..self.shape[0] {
            let of_channel = self.bytes.iter().skip(channel).step_by(self.stride);
            pixels.extend(of_channel.map(|&byte| f32::from(byte) / 255.0));
        }
    }
}
