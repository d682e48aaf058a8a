//! Data larger than memory: pieces, shuffled within a window, made ready ahead on another thread.
//!
//! In: pieces, one data set after another, from any iterator. Out: batches.
//!
//! Must hold: what comes out depends on the pieces and the seed alone, never on threads; an error ends the stream and is told; a panic of the
//! other thread goes on in the one that asks.
//!
//! # Decisions
//!
//! - Files are read piece by piece and not mapped into memory: reading goes on while steps run ([`ahead`]), asks for no `unsafe`, and a file that
//!   somebody shortens meanwhile is an error instead of a signal. Nor is it slower: a GiB of f32s that the system has in its cache, in pieces of
//!   64 MiB, took 2.6 to 3.3 s to read through a buffer and 2.8 to 3.2 s to copy out of a map, in turns on two shared Zen 3 cores. A map is
//!   twice as fast at rows from anywhere (2.5 µs instead of 4.5 for one of 3 KB), which a window makes unnecessary.

use crate::mistake::misuse;
use downhill_runtime::dataset::Dataset;
use downhill_runtime::epoch::shuffle;
use downhill_runtime::error::Error;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Batches of rows that are drawn at random from a window over the pieces.
///
/// The window is filled with rows of the pieces; then half of it, drawn at random, leaves in batches, the other half stays, and new rows come
/// in. So a row can move by about a window, and a window as long as all rows shuffles them all. Every row comes out once.
///
/// # Examples
/// ```
/// use downhill::data::stream::{Shuffled, ahead};
/// use downhill::prelude::*;
///
/// # fn main() -> Result<(), downhill::Error> {
/// let piece = |from: i32| Dataset::new([("x", Tensor::from((from..from + 100).collect::<Vec<i32>>()))]);
/// let pieces = (0..10).map(move |number| piece(100 * number)); // of a file, for one
/// let batches = Shuffled::new(pieces, 64, 400, 7)?; // of 64 rows, from a window of 400, by seed 7
///
/// let mut rows = 0;
/// for batch in ahead(2, batches.map(|batch| batch /* and what changes pictures */)) {
///     rows += batch?.rows(); // meanwhile two more are made
/// }
/// assert_eq!(rows, 1000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Shuffled<I> {
    pieces: I,
    batch: usize,
    window: usize,
    seed: u64,
    /// Rows that wait.
    waiting: Vec<Dataset>,
    /// Rows that leave, in their order, and how many have left.
    leaving: Option<(Dataset, usize)>,
    /// How many windows there were.
    turn: u64,
    ended: bool,
}

impl<I: Iterator<Item = Result<Dataset, Error>>> Shuffled<I> {
    /// Batches of `batch` rows (the last may have fewer), from a window of `window` rows or more.
    ///
    /// # Errors
    /// Batches of no rows; a window smaller than a batch.
    pub fn new(
        pieces: impl IntoIterator<IntoIter = I>,
        batch: usize,
        window: usize,
        seed: u64,
    ) -> Result<Shuffled<I>, Error> {
        if batch == 0 || window < batch {
            return Err(misuse(
                format!("batches of {batch} from a window of {window}"),
                "a batch has a row or more, and a window is as large as a batch or larger",
            ));
        }
        let (pieces, waiting) = (pieces.into_iter(), Vec::new());
        Ok(Shuffled { pieces, batch, window, seed, waiting, leaving: None, turn: 0, ended: false })
    }

    /// The next batch, if there are rows left.
    fn batch(&mut self) -> Result<Option<Dataset>, Error> {
        loop {
            if let Some((rows, left)) = &mut self.leaving {
                let end = rows.rows().min(*left + self.batch);
                if *left < end {
                    // Rows are numbered by u32s.
                    let numbers: Vec<u32> = (*left as u32..end as u32).collect();
                    *left = end;
                    return rows.select(&numbers).map(Some);
                }
                self.leaving = None;
            }
            if !self.turn()? {
                return Ok(None);
            }
        }
    }

    /// Fills the window and lets rows leave. False where there are none.
    fn turn(&mut self) -> Result<bool, Error> {
        let mut count: usize = self.waiting.iter().map(Dataset::rows).sum();
        while !self.ended && count < self.window {
            match self.pieces.next() {
                None => self.ended = true,
                Some(piece) => {
                    let piece = piece?;
                    count += piece.rows();
                    self.waiting.push(piece);
                }
            }
        }
        if count == 0 {
            return Ok(false);
        }

        let all = Dataset::concat(&self.waiting.iter().collect::<Vec<_>>())?;
        self.waiting.clear();
        let mut order: Vec<u32> = (0..count as u32).collect();
        shuffle(&mut order, self.seed.wrapping_add(self.turn.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        self.turn += 1;

        // Whole batches leave, half of the window or a little more; at the end all do.
        let leave = match self.ended {
            true => count,
            false => (count / 2).next_multiple_of(self.batch).min(count - count % self.batch),
        };
        let (leaving, staying) = order.split_at(leave);
        self.leaving = Some((all.select(leaving)?, 0));
        if !staying.is_empty() {
            self.waiting.push(all.select(staying)?);
        }
        Ok(true)
    }
}

impl<I: Iterator<Item = Result<Dataset, Error>>> Iterator for Shuffled<I> {
    type Item = Result<Dataset, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batch().transpose();
        if matches!(batch, Some(Err(_))) {
            // Nothing comes behind an error.
            (self.ended, self.leaving) = (true, None);
            self.waiting.clear();
        }
        batch
    }
}

/// What an iterator gives, made by another thread up to `depth` items ahead of the one that asks. What changes pictures at random stands in the
/// iterator, and runs there.
pub fn ahead<T, I>(depth: usize, items: I) -> Ahead<T>
where
    T: Send + 'static,
    I: Iterator<Item = T> + Send + 'static,
{
    let (sender, receiver) = sync_channel(depth);
    let thread = std::thread::spawn(move || {
        for item in items {
            // Nobody asks any more.
            if sender.send(item).is_err() {
                return;
            }
        }
    });
    Ahead { receiver: Some(receiver), thread: Some(thread) }
}

/// Items that another thread makes: see [`ahead`].
#[derive(Debug)]
pub struct Ahead<T> {
    receiver: Option<Receiver<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let item = self.receiver.as_ref()?.recv().ok();
        if item.is_none() {
            self.receiver = None;
            if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                std::panic::resume_unwind(panic);
            }
        }
        item
    }
}

impl<T> Drop for Ahead<T> {
    /// Waits for the item that is being made.
    fn drop(&mut self) {
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            // Its panic is of no use to anybody who no longer asks.
            _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_graph::tensor::Tensor;

    fn piece(rows: std::ops::Range<i32>) -> Result<Dataset, Error> {
        Dataset::new([("x", Tensor::from(rows.collect::<Vec<i32>>()))])
    }

    fn values(batches: impl Iterator<Item = Result<Dataset, Error>>) -> Vec<Vec<i32>> {
        let of = |batch: Dataset| batch.column("x").expect("x").as_i32().expect("i32").to_vec();
        batches.map(|batch| of(batch.expect("a batch"))).collect()
    }

    fn pieces() -> impl Iterator<Item = Result<Dataset, Error>> + Send + 'static {
        [0..30, 30..30, 30..31, 31..90, 90..103].into_iter().map(piece)
    }

    #[test]
    fn every_row_comes_once_in_an_order_of_the_seed() {
        let shuffled = |seed| values(Shuffled::new(pieces(), 8, 20, seed).expect("a stream"));
        let batches = shuffled(1);
        assert!(batches[..batches.len() - 1].iter().all(|batch| batch.len() == 8));
        let mut all = batches.concat();
        assert_ne!(all, (0..103).collect::<Vec<_>>());
        all.sort_unstable();
        assert!(all.into_iter().eq(0..103));
        assert_eq!(shuffled(1), batches);
        assert_ne!(shuffled(2), batches);
        assert_eq!(values(ahead(1, Shuffled::new(pieces(), 8, 20, 1).expect("a stream"))), batches);
        // A row does not come far before the window reaches it.
        assert!(batches[0].iter().all(|&row| row < 90));
    }

    #[test]
    fn errors_and_panics_come_through() {
        let broken = pieces().take(3).chain([Err(misuse("broken", "mend it"))]).chain(pieces());
        let mut batches = Shuffled::new(broken, 4, 40, 0).expect("a stream");
        assert!(batches.by_ref().any(|batch| batch.is_err()));
        assert!(batches.next().is_none());
        assert!(Shuffled::new(pieces(), 0, 4, 0).is_err() && Shuffled::new(pieces(), 5, 4, 0).is_err());

        let mut items = ahead(1, (0..3).inspect(|&item| assert!(item < 2, "no more")));
        assert_eq!((items.next(), items.next()), (Some(0), Some(1)));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| items.next())).is_err());
        assert_eq!(items.next(), None);
        // Whoever stops asking waits for nothing but the item that is being made.
        drop(ahead(1, 0..));
    }
}
