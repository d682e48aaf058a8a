//! What training did, written down while it goes on.
//!
//! In: the [`Record`](crate::fit::Record) of each epoch, or numbers of your own. Out: files that other programs read and follow: [`Lines`] of
//! CSV or JSON, and [`TensorBoard`]'s.
//!
//! Each epoch is on the disk's way when its call returns. All of them at once are in [`History::to_csv`](crate::fit::History::to_csv).
//!
//! # Examples
//! ```
//! use downhill::fit::Verdict;
//! use downhill::logs::{Lines, TensorBoard};
//! use downhill::prelude::*;
//!
//! network! {
//!     Line() {
//!         input  x: [batch, 1];
//!         target y: [batch, 1];
//!         output p = linear(x, 1);
//!         loss squared_error(p, y);
//!     }
//! }
//!
//! fn main() -> Result<(), downhill::Error> {
//!     # let folder = std::env::temp_dir().join(format!("downhill-logs-{}", std::process::id()));
//!     let mut board = TensorBoard::create(folder.join("runs/first"))?; // then: tensorboard --logdir runs
//!     let mut lines = Lines::json(folder.join("first.jsonl"))?;
//!     let mut log = |net: &mut Model, record: &downhill::fit::Record| {
//!         board.record(record)?;
//!         board.scalar("weight", record.steps, net.parameter("p.weight")?.to_f64_vec()[0])?;
//!         lines.record(record)?;
//!         Ok(Verdict::Continue)
//!     };
//!
//!     let mut net = Line::new().optimizer(sgd(0.1)).build()?;
//!     let data = Dataset::of(&[("x", &[[0.5_f32], [1.0]]), ("y", &[[1.0_f32], [2.0]])])?;
//!     net.fit(&data, Fit { epochs: 3, each_epoch: Some(&mut log), ..Fit::default() })?;
//!     # let text = std::fs::read_to_string(folder.join("first.jsonl")).expect("lines");
//!     # assert!(text.starts_with("{\"epoch\":0,\"loss\":") && text.lines().count() == 3);
//!     # std::fs::remove_dir_all(folder).ok();
//!     Ok(())
//! }
//! ```

mod lines;
mod tensorboard;

pub use self::lines::Lines;
pub use self::tensorboard::TensorBoard;
