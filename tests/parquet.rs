//! Parquet files: what they say is what the same table says as text; broken files are errors of one line.
//!
//! `tests/golden/parquet.py` writes the files with pyarrow.
#![cfg(feature = "parquet")]

use downhill::data::csv;
use downhill::data::parquet::{self, Parquet};
use downhill::data::table::{Table, Values};
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Remembers the largest memory that was asked for at once.
struct Largest;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Largest = Largest;

// SAFETY: every request is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parquet").join(name)
}

/// Equal, where NaN is itself.
fn assert_same(found: &Table, expected: &Table, name: &str) {
    assert_eq!(found.schema(), expected.schema(), "{name}");
    for column in expected.schema().names() {
        match [found, expected].map(|table| table.column(column).expect("a column")) {
            [Values::Numbers(a), Values::Numbers(b)] => {
                let bits = |numbers: &[f64]| numbers.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(a), bits(b), "{name}: {column}: {a:?} {b:?}");
            }
            [a, b] => assert_eq!(a, b, "{name}: {column}"),
        }
    }
}

#[test]
fn files_say_what_the_text_says() {
    let text = csv::read(golden("table.csv")).expect("a table");
    for codec in ["snappy", "gzip", "brotli", "lz4", "plain"] {
        let path = golden(&format!("{codec}.parquet"));
        assert_same(&parquet::read(&path).expect("a table"), &text, codec);

        // By row groups, with the columns and the categories of the whole, in another order.
        let names = ["kind", "price", "day"];
        let known = text.schema().without(&[]).expect("a schema");
        let known = known.columns().filter(|(name, _)| names.contains(name));
        let known = downhill::data::schema::Schema::new(known.map(|(name, kind)| (name, kind.clone())));
        let known = known.expect("a schema");
        let pieces = Parquet::new(&path).schema(&known).pieces().expect("pieces");
        let pieces: Vec<Table> = pieces.map(|piece| piece.expect("a piece")).collect();
        assert_eq!(pieces.iter().map(Table::rows).collect::<Vec<_>>(), [5, 5, 2], "{codec}");
        let (whole, strange) = text.recoded(&known).expect("the same columns");
        assert!(strange.is_empty());
        for (piece, first) in pieces.iter().zip([0, 5, 10]) {
            let rows: Vec<usize> = (first..first + piece.rows()).collect();
            assert_same(piece, &whole.select(&rows).expect("rows"), codec);
        }
    }
}

#[test]
fn columns_are_read_as_said() {
    let file = || Parquet::new(golden("plain.parquet"));
    let table = file().categories(["small"]).skip(["day"]).read().expect("a table");
    assert!(table.schema().position("day").is_err());
    let small = table.schema().categories("small").expect("texts");
    assert!(small.contains(&"-6".to_owned()) && small.len() == 10, "{small:?}");
    let odd = Parquet::new(golden("odd.parquet")).skip(["list", "both", "bytes", "uuid"]);
    let table = odd.numbers(["text"]).read().expect("a table");
    assert_eq!(table.column("text").expect("numbers"), &Values::Numbers(vec![1.0, 2.5]));
}

#[test]
fn mistakes_are_told_in_a_line() {
    let odd = |skip: &[&str]| {
        let skip = skip.iter().copied();
        Parquet::new(golden("odd.parquet")).skip(skip).read().expect_err("a mistake").to_string()
    };
    let told = odd(&[]);
    assert!(
        told.ends_with(
            "odd.parquet: column `list` holds lists or further columns; leave it out: `.skip([\"list\"])`"
        ),
        "{told}"
    );
    assert!(odd(&["list"]).contains("column `both` holds lists or further columns"));
    let told = odd(&["list", "both"]);
    assert!(told.contains("column `uuid` is of type Uuid, neither number nor text"), "{told}");
    let told = odd(&["list", "both", "uuid"]);
    assert!(
        told.contains("row 0 of its row group: column `bytes` holds bytes that are no UTF-8 text"),
        "{told}"
    );
    let told = odd(&["lists"]);
    assert!(told.contains("`lists`") && told.contains("did you mean `list`"), "{told}");

    let message = |file: Parquet| file.read().expect_err("a mistake").to_string();
    let told = message(Parquet::new(golden("zstd.parquet")));
    assert!(
        told.ends_with("its pages are packed by Zstandard; write it with `compression=\"snappy\"`"),
        "{told}"
    );
    let told = message(Parquet::new(golden("snappy.parquet")).numbers(["kind"]));
    assert!(
        told.contains("row 0 of its row group: column `kind` takes numbers, but here is `rose`"),
        "{told}"
    );
    assert!(message(Parquet::new("nowhere.parquet")).starts_with("nowhere.parquet: cannot be read"));
    assert!(message(Parquet::new(golden("table.csv"))).contains("is broken"));
    assert!(Parquet::new(golden("plain.parquet")).pieces().is_err());
}

#[test]
fn broken_files_are_errors() {
    let path = std::env::temp_dir().join(format!("downhill-broken-{}.parquet", std::process::id()));
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("a file");
        parquet::read(&path).err().map(|error| error.to_string())
    };
    let files = ["snappy", "gzip", "brotli", "lz4", "plain"].map(|name| golden(&format!("{name}.parquet")));
    let files = files.map(|path| std::fs::read(path).expect("a file"));
    // What panics within the library is not to be told by hundreds of lines; so nothing is asserted until all is read.
    std::panic::set_hook(Box::new(|_| ()));
    LARGEST.store(0, Ordering::Relaxed);
    let (mut cut, mut flipped) = (Vec::new(), Vec::new());
    for whole in &files {
        cut.extend((0..whole.len()).step_by(397).map(|end| read(&whole[..end])));
        flipped.extend((0..whole.len()).step_by(41).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            read(&bytes)
        }));
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    drop(std::panic::take_hook());
    std::fs::remove_file(&path).ok();

    assert!(cut.iter().all(Option::is_some), "a file that ends too early was read");
    let told: Vec<&String> = cut.iter().chain(&flipped).flatten().collect();
    assert!(
        told.iter().all(|message| message.lines().count() == 1 && message.contains("broken-")),
        "{told:?}"
    );
    // Most of a file is statistics and texts that may say anything.
    let refused = flipped.iter().flatten().count();
    assert!(refused > flipped.len() / 20, "{refused} of {}", flipped.len());
    assert!(largest < 1 << 22, "{largest} bytes at once for files of 10 KB");
}
