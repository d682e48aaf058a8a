//! Files of arrays and pictures, and what happens to files that are broken.

use downhill::Error;
use downhill::data::csv::Csv;
use downhill::data::{idx, images, npy};
use downhill::prelude::*;
use downhill::types::ElementType;
use std::path::{Path, PathBuf};

/// A folder of this test's own, which goes when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("downhill-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A PNG of a width, with a line of bytes for each row.
fn png(color: png::ColorType, width: u32, bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let height = (bytes.len() / color.samples() / width as usize) as u32;
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(bytes)).expect("a picture");
    file
}

#[test]
fn arrays_are_numpys() {
    for file in ["arrays.npz", "arrays_packed.npz"] {
        let arrays = npy::read_npz(golden(file)).expect("arrays");
        assert_eq!(arrays.len(), 17);
        for (name, array) in arrays {
            let count: Vec<f64> = (0..24).map(f64::from).collect();
            let (element, shape, values) = match &*name {
                "f4" | "fortran" => (ElementType::F32, vec![2, 3, 4], count),
                "f8" | "big_f8" => (ElementType::F64, vec![2, 3, 4], count),
                "f2" => (ElementType::F32, vec![2, 3, 4], count.iter().map(|n| n / 8.0).collect()),
                "u4" => (ElementType::U32, vec![2, 3, 4], count),
                "flags" => (ElementType::Bool, vec![2, 3, 4], count.iter().map(|n| 1.0 - n % 2.0).collect()),
                "scalar" => (ElementType::F32, vec![], vec![5.0]),
                "empty" => (ElementType::F32, vec![0, 3], vec![]),
                _ => (ElementType::I32, vec![2, 3, 4], count),
            };
            assert_eq!((array.element(), array.shape()), (element, &*shape), "{name}");
            assert_eq!(array.to_f64_vec(), values, "{name}");
        }
    }
}

#[test]
fn arrays_are_written_as_they_are_read() {
    let folder = Folder::new("npy");
    for tensor in [
        Tensor::from([[1.5_f32, -0.0], [f32::INFINITY, 1e-40]]),
        Tensor::from([1.0_f64 / 3.0]),
        Tensor::from(-7_i32),
        Tensor::from([u32::MAX]),
        Tensor::from([true, false]),
        Tensor::new([2, 0, 3], Vec::<i32>::new()).expect("empty"),
    ] {
        let file = folder.0.join("x.npy");
        npy::write(&file, &tensor).expect("written");
        assert_eq!(npy::read(&file).expect("read"), tensor);
    }
    let wide = golden("arrays.npz");
    assert!(
        npy::read(wide).expect_err("an archive").to_string().ends_with("it does not begin with `\\x93NUMPY`")
    );
}

#[test]
fn pictures_have_channels_first() {
    let folder = Folder::new("png");
    let write = |name: &str, color, bytes: &[u8]| folder.write(name, &png(color, 2, bytes));
    let rgb = write("a.png", png::ColorType::Rgb, &[255, 0, 51, 0, 255, 102]);
    assert_eq!(
        images::read(rgb).expect("a picture"),
        Tensor::new([3, 1, 2], vec![1.0_f32, 0.0, 0.0, 1.0, 0.2, 0.4]).expect("a tensor")
    );
    let clear = write("b.png", png::ColorType::GrayscaleAlpha, &[255, 7, 51, 7]);
    assert_eq!(images::read(clear).expect("a picture").to_f64_vec(), [1.0, f64::from(0.2_f32)]);

    write("pets/dog/2.png", png::ColorType::Grayscale, &[0, 255]);
    write("pets/dog/1.PNG", png::ColorType::Grayscale, &[255, 0]);
    write("pets/cat/1.png", png::ColorType::Grayscale, &[255, 255]);
    folder.write("pets/cat/notes.txt", b"none");
    folder.write("pets/.hidden/1.png", b"none");
    let (pets, names) = images::folder(folder.0.join("pets")).expect("pictures");
    assert_eq!(names.names(), ["cat", "dog"]);
    assert_eq!(pets.column("x").expect("x").shape(), [3, 1, 1, 2]);
    assert_eq!(pets.column("x").expect("x").to_f64_vec(), [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
    assert_eq!(pets.column("y").expect("y"), &Tensor::from([0, 1, 1]));

    write("pets/dog/3.png", png::ColorType::Rgb, &[0; 6]);
    let error = images::folder(folder.0.join("pets")).expect_err("unlike").to_string();
    assert!(error.contains("3.png: has the shape [3, 1, 2]") && error.ends_with("has [1, 1, 2]"), "{error}");
    let error = images::folder(folder.0.join("pets/cat")).expect_err("no folders").to_string();
    assert!(error.contains("has no folders with `.png` files"), "{error}");
}

/// Words from a seed (Steele, Lea, Flood: SplittableRandom, 2014).
struct Words(u64);

impl Words {
    fn below(&mut self, range: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ word >> 31) % range as u64) as usize
    }
}

/// Cuts, flips, doubles or overwrites a part of a file.
fn broken(bytes: &[u8], words: &mut Words) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=words.below(3) {
        let at = words.below(bytes.len().max(1));
        match words.below(5) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << words.below(8),
            2 if !bytes.is_empty() => bytes[at] = [0, 255, b'"', b'\n'][words.below(4)],
            3 => bytes.extend_from_within(at..),
            _ => bytes.extend(std::iter::repeat_n(255, 4.min(bytes.len() - at))),
        }
    }
    bytes
}

#[test]
fn broken_files_are_errors_of_one_line() {
    let folder = Folder::new("broken");
    let csv = "name,\"a \"\"b\"\"\",c\r\nx,1.5,\"q,\nr\"\r\nö,NA,s\r\n".as_bytes().to_vec();
    let array = golden("arrays.npz");
    let tensor = Tensor::new([2, 3], (0..6).map(f64::from).collect::<Vec<_>>()).expect("a tensor");
    npy::write(folder.0.join("whole.npy"), &tensor).expect("written");
    let read = |name: &str| std::fs::read(folder.0.join(name)).expect("bytes");
    let packed = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3]).expect("bytes");
        encoder.finish().expect("a member")
    };

    type Reader = fn(&Path) -> Result<(), Error>;
    let kinds: [(&str, Vec<u8>, Reader); 6] = [
        ("a.csv", csv, |path| {
            Csv::new(path).read().and_then(|table| table.inputs(&table.names_but(&[])?)).map(drop)
        }),
        ("a.idx", vec![0, 0, 13, 2, 0, 0, 0, 1, 0, 0, 0, 2, 63, 128, 0, 0, 0, 0, 0, 0], |path| {
            idx::read(path).map(drop)
        }),
        ("a.idx.gz", packed, |path| idx::read(path).map(drop)),
        ("a.npy", read("whole.npy"), |path| npy::read(path).map(drop)),
        ("a.npz", std::fs::read(array).expect("bytes"), |path| npy::read_npz(path).map(drop)),
        ("a.png", png(png::ColorType::Rgb, 2, &[1; 24]), |path| images::read(path).map(drop)),
    ];
    let mut words = Words(1);
    for (name, whole, reader) in kinds {
        reader(&folder.write(name, &whole)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut refused = 0;
        for _ in 0..200 {
            let file = folder.write(name, &broken(&whole, &mut words));
            let Err(error) = reader(&file) else { continue };
            refused += 1;
            let error = error.to_string();
            assert!(error.contains(name) || error.contains("= help"), "{error}");
            assert!(error.lines().count() <= 2, "{error}");
        }
        // A text has few ways to be broken.
        assert!(refused > if name == "a.csv" { 20 } else { 100 }, "{name}: only {refused} were refused");
    }
}

#[test]
fn sizes_that_a_file_cannot_hold_ask_for_no_memory() {
    let folder = Folder::new("sizes");
    let mut picture = png(png::ColorType::Grayscale, 2, &[0, 0]);
    picture[16..24].copy_from_slice(&[0, 0, 255, 255, 0, 0, 255, 255]);
    let crc = flate2_crc(&picture[12..29]);
    picture[29..33].copy_from_slice(&crc.to_be_bytes());
    let error = images::read(folder.write("a.png", &picture)).expect_err("too large").to_string();
    assert!(error.contains("says 65535 × 65535 pixels, which"), "{error}");

    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 4000000000), }\n";
    let array = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    let error = npy::read(folder.write("a.npy", &array)).expect_err("too large").to_string();
    assert!(error.ends_with("which has more elements than memory can hold"), "{error}");
}

fn flate2_crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
