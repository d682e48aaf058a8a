//! A file of rows, a piece at a time.
//!
//! In: a file behind its header, and how elements are read from it. Out: tensors of some rows each.

use crate::data::input::Input;
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;

/// The rows that are left of a file.
pub(crate) struct Pieces<R> {
    input: Input,
    /// Of the whole array; its first size is how many rows are left.
    shape: Vec<usize>,
    rows: usize,
    read: R,
    ended: bool,
}

impl<R: FnMut(&mut Input, &[usize]) -> Result<Tensor, Error>> Pieces<R> {
    /// `read` reads a tensor of a shape.
    pub(crate) fn new(input: Input, shape: Vec<usize>, rows: usize, read: R) -> Result<Pieces<R>, Error> {
        if rows == 0 || shape.is_empty() {
            return Err(misuse(
                format!("pieces of {rows} rows of {}, an array of shape {shape:?}", input.path.display()),
                "a piece has a row or more, and an array has a first axis that counts them",
            ));
        }
        Ok(Pieces { input, shape, rows, read, ended: false })
    }

    fn piece(&mut self) -> Result<Option<Tensor>, Error> {
        let left = self.shape[0];
        if left == 0 {
            return self.input.end().map(|()| None);
        }
        let rows = left.min(self.rows);
        self.shape[0] = rows;
        let piece = (self.read)(&mut self.input, &self.shape);
        self.shape[0] = left - rows;
        piece.map(Some)
    }
}

impl<R: FnMut(&mut Input, &[usize]) -> Result<Tensor, Error>> Iterator for Pieces<R> {
    type Item = Result<Tensor, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let piece = self.piece().transpose();
        self.ended = !matches!(piece, Some(Ok(_)));
        piece
    }
}
