//! Data: from files to data sets, split, encoded and scaled.
//!
//! In: files of separated values ([`csv`]), of typed columns (`parquet`, with the feature of that name), of arrays ([`idx`], [`npy`]), of pictures
//! (`images`); tensors. Out: tensors and data sets. What is random depends on a seed
//! alone. What is broken is an error of one line, with the file and the place; nothing is half read.
//!
//! - A file of columns: [`csv::Csv`] or `parquet::Parquet` reads it to a [`table::Table`], which gives a data set.
//! - Arrays of the crate `ndarray`, with the feature of that name: `Dataset::of(&[("x", &array), ("y", &labels)])`.
//! - Parts: [`split`] and [`parts`] for training, validation and test, [`folds`] for all of them in turn; [`By`] says what is kept together
//!   or even.
//! - More than memory holds: [`csv::Csv::pieces`], [`npy::pieces`], [`idx::pieces`], `parquet::Parquet::pieces` or any iterator of data sets, through [`stream::Shuffled`] and [`stream::ahead`].
//! - Numbers made fit: a [`Transform`] is measured on the training data and applied to all.
//!
//! # Examples
//! ```
//! use downhill::data::{By, Transform, csv::Csv, parts};
//! use downhill::prelude::*;
//!
//! network! {
//!     Flowers(inputs: usize, kinds: usize) {
//!         input  x: [batch, inputs];
//!         target y: i32[batch];
//!         output z = linear(relu(linear(x, 16)), kinds);
//!         loss cross_entropy(z, y);
//!     }
//! }
//!
//! fn main() -> Result<(), downhill::Error> {
//!     # let mut text = String::from("length,width,kind\n");
//!     # for n in 0..60 {
//!     #     let (kind, length) = if n % 2 == 0 { ("rose", 3.0) } else { ("tulip", 6.0) };
//!     #     text += &format!("{},{},{kind}\n", length + 0.01 * n as f32, 1.0 + 0.02 * n as f32);
//!     # }
//!     # let read = |csv: Csv| csv.parse(text.clone());
//!     let table = read(Csv::new("flowers.csv"))?; // `Csv::new("flowers.csv").read()?` with a file
//!     let data = table.dataset("kind")?;
//!     let [training, test] = parts(&data, [0.8, 0.2], By::Class("y", 1))?;
//!     let scale = Transform::standard(training.column("x")?)?;
//!     let training = training.map("x", |x| scale.apply(x))?;
//!     let test = test.map("x", |x| scale.apply(x))?;
//!
//!     let kinds = table.schema().categories("kind")?;
//!     let mut net = Flowers::new(2, kinds.len()).seed(7).optimizer(adam(0.01)).build()?;
//!     for seed in 0..30 {
//!         net.epoch(&training, Epoch { batch: 8, seed })?;
//!     }
//!     let scores = net.predict(&test)?;
//!     assert_eq!(accuracy(&scores, test.column("y")?)?, 1.0);
//!     println!("the first is a {}", kinds[scores.argmax()?.as_i32()?[0] as usize]);
//!     Ok(())
//! }
//! ```

mod input;

pub mod schema;
mod labels;
mod order;
mod split;
pub mod transform;

pub mod table;
mod column;
mod records;
mod layout;
pub mod csv;
#[cfg(feature = "parquet")]
pub mod parquet;
mod pieces;
pub mod idx;
mod header;
pub(crate) mod archive;
pub mod npy;
#[cfg(feature = "files")]
pub mod images;

pub mod stream;

pub use self::labels::{LabelMap, one_hot};
pub use self::order::By;
pub use self::split::{Fold, folds, parts, split};
pub use self::transform::Transform;
