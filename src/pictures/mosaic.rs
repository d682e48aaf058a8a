//! Grids of pictures, as PNG.

use super::ink;
use crate::file;
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use std::path::Path;

/// How a [`grid`] of pictures is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// How many pictures stand in a row.
    pub columns: usize,
    /// How many pixels of the file are between and around pictures.
    pub padding: usize,
    /// The side of a pixel in the file; such that a picture is some 56 pixels wide, unless given.
    pub scale: Option<usize>,
    /// The shade between pictures, from 0 to 1.
    pub background: f32,
}

impl Default for Grid {
    fn default() -> Self {
        Grid { columns: 8, padding: 2, scale: None, background: 0.0 }
    }
}

/// A PNG beyond this is more than viewers open.
const MOST_PIXELS: usize = 1 << 28;

/// Writes pictures side by side into a PNG file. As in torchvision's `save_image`, 0 is black, 1 is white or the full colour, and numbers
/// beyond are taken for the nearest of the two. A pixel with a NaN is magenta.
///
/// # Shapes
/// `[n, h, w]` or `[n, 1, h, w]` in grey, `[n, 3, h, w]` in red, green and blue; f32.
///
/// # Errors
/// Other shapes and types, or nothing to see; no columns, or a scale of 0; more pixels than 2²⁸; a file that cannot be written.
///
/// # Examples
/// ```
/// use downhill::pictures::{Grid, grid};
/// use downhill::prelude::*;
///
/// # fn main() -> Result<(), downhill::Error> {
/// # let path = std::env::temp_dir().join("downhill").join("grid.png");
/// let shades: Vec<f32> = (0..12 * 8 * 8).map(|pixel| (pixel % 64) as f32 / 63.0).collect();
/// grid(&path, &Tensor::new([12, 8, 8], shades)?, Grid { columns: 6, ..Grid::default() })?;
/// # Ok(())
/// # }
/// ```
pub fn grid(path: impl AsRef<Path>, pictures: &Tensor, options: Grid) -> Result<(), Error> {
    let shape @ Shape { count, channels, height, width } = Shape::of(pictures)?;
    let shades = pictures.as_f32()?;
    let scale = options.scale.unwrap_or_else(|| 56_usize.div_ceil(width));
    if options.columns == 0 || scale == 0 {
        return Err(misuse(
            format!("{} columns at a scale of {scale}", options.columns),
            "give 1 or more of each",
        ));
    }

    let columns = options.columns.min(count);
    let sheet = sheet(shape, columns, scale, options.padding).ok_or_else(|| {
        misuse(
            format!("a grid of {count} pictures of {height}×{width} at a scale of {scale} is too large"),
            "draw fewer pictures or a smaller scale: a file has at most 2²⁸ pixels",
        )
    })?;

    let mut pixels = vec![byte(options.background); sheet.0 * sheet.1 * 3];
    for picture in 0..count {
        let left = options.padding + picture % columns * (width * scale + options.padding);
        let top = options.padding + picture / columns * (height * scale + options.padding);
        for (row, column) in
            (0..height * scale).flat_map(|row| (0..width * scale).map(move |column| (row, column)))
        {
            let shade = |channel: usize| {
                let plane = (picture * channels + channel.min(channels - 1)) * height;
                shades[(plane + row / scale) * width + column / scale]
            };
            let at = ((top + row) * sheet.0 + left + column) * 3;
            pixels[at..at + 3].copy_from_slice(&colour([shade(0), shade(1), shade(2)]));
        }
    }
    file::write(path.as_ref(), &encode(sheet, &pixels)?)
}

#[derive(Clone, Copy)]
struct Shape {
    count: usize,
    channels: usize,
    height: usize,
    width: usize,
}

impl Shape {
    fn of(pictures: &Tensor) -> Result<Shape, Error> {
        let shape = match *pictures.shape() {
            [count, height, width] => Some(Shape { count, channels: 1, height, width }),
            [count, channels @ (1 | 3), height, width] => Some(Shape { count, channels, height, width }),
            _ => None,
        };
        shape.filter(|_| !pictures.is_empty()).ok_or_else(|| {
            misuse(
                format!("pictures of shape {:?} were to be drawn", pictures.shape()),
                "give one or more as [n, height, width], or [n, channels, height, width] with 1 or 3 channels",
            )
        })
    }
}

/// Width and height of the file in pixels.
fn sheet(shape: Shape, columns: usize, scale: usize, padding: usize) -> Option<(usize, usize)> {
    let along = |pictures: usize, pixels: usize| {
        pixels.checked_mul(scale)?.checked_add(padding)?.checked_mul(pictures)?.checked_add(padding)
    };
    let size = (along(columns, shape.width)?, along(shape.count.div_ceil(columns), shape.height)?);
    size.0.checked_mul(size.1).filter(|&pixels| pixels <= MOST_PIXELS)?;
    Some(size)
}

fn colour(shades: [f32; 3]) -> [u8; 3] {
    if shades.iter().any(|shade| shade.is_nan()) {
        return [ink::BROKEN.0, ink::BROKEN.1, ink::BROKEN.2];
    }
    shades.map(byte)
}

/// torchvision's rounding: ⌊255·x + ½⌋, from 0 to 255.
fn byte(shade: f32) -> u8 {
    (shade * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}

fn encode((width, height): (usize, usize), pixels: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    // Both sides are below 2²⁸.
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    written.map_err(|error| {
        misuse(format!("no PNG could be made: {error}"), "this is a bug of downhill's; please report it")
    })?;
    Ok(bytes)
}
