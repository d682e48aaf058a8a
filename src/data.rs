//! Data: from files to data sets, split, encoded and scaled.
//!
//! In: files of separated values ([`csv`]), of arrays ([`idx`], [`npy`]), of pictures (`images`); tensors. Out: tensors and data sets. What is random depends on a seed
//! alone. What is broken is an error of one line, with the file and the place; nothing is half read.
//!
//! - A file of columns: [`csv::Csv`] reads it to a [`table::Table`], which gives a data set.
//! - Parts: [`split`] and [`parts`] for training, validation and test, [`folds`] for all of them in turn; [`By`] says what is kept together
//!   or even.
//! - More than memory holds: [`csv::Csv::pieces`], or any iterator of data sets, through [`stream::Shuffled`] and [`stream::ahead`].
//! - Numbers made fit: a [`Transform`] is measured on the training data and applied to all.

mod mistake;
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
pub mod idx;
mod header;
mod archive;
pub mod npy;
#[cfg(feature = "files")]
pub mod images;

pub mod stream;

pub use self::labels::{LabelMap, one_hot};
pub use self::order::By;
pub use self::split::{Fold, folds, parts, split};
pub use self::transform::Transform;
