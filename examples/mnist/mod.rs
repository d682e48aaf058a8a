//! Five thousand of MNIST's handwritten digits, which stand in the repository (`data/README.md` says where they are from).

use downhill::prelude::*;
use std::error::Error;
use std::io::Read;

/// Digits of 28×28 pixels from 0 to 1, `image: [5000, 1, 28, 28]`, and which they are, `label: i32[5000]`. A line of the file is 784 numbers
/// from 0 to 255, then the digit.
pub(crate) fn digits() -> Result<Dataset, Box<dyn Error>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(include_bytes!("../../data/mnist_5k.csv.gz").as_slice())
        .read_to_string(&mut text)?;
    let (mut pixels, mut digits) = (Vec::<f32>::new(), Vec::<i32>::new());
    for line in text.lines() {
        let (picture, digit) = line.rsplit_once(',').ok_or("a line without a digit")?;
        for shade in picture.split(',') {
            pixels.push(shade.parse::<u8>()?.into());
        }
        digits.push(digit.parse()?);
    }
    pixels.iter_mut().for_each(|shade| *shade /= 255.0);
    let image = Tensor::new([digits.len(), 1, 28, 28], pixels)?;
    Ok(Dataset::new([("image", image), ("label", Tensor::from(digits))])?)
}
