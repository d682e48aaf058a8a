//! Models as files: safetensors, with PyTorch's names and layouts; `.pt` files are read too.
//!
//! In: a model and a path. Out: a file that holds a [`State`](crate::state::State), or a model that goes on from one.
//!
//! - `net.save(path)` writes all that the model has learned and where it is; `net.load(path)` goes on from there with the same bits.
//! - `net.load_parameters(path)` takes what inference reads, from such a file or from one that PyTorch's `safetensors.torch.save_file`
//!   or `torch.save` wrote of a `state_dict`: weights of linear layers, convolutions, recurrences and attention are turned as PyTorch has
//!   them. A state dict within another dictionary (`{"model": net.state_dict(), …}`) is found, and so is one whose names begin with
//!   `module.`. Nothing of a `.pt` file is executed: one that names more than tensors need is an error which tells the name.
//! - A file is written beside its place, brought to the disk and renamed: whenever the process ends, the old file or the new one is there.
//!
//! # Examples
//! ```
//! use downhill::prelude::*;
//!
//! network! {
//!     Line() {
//!         input  x: [batch, 2];
//!         target y: [batch, 1];
//!         let h = linear(x, 1);
//!         output h;
//!         loss squared_error(h, y);
//!     }
//! }
//!
//! fn main() -> Result<(), downhill::Error> {
//! #   let folder = std::env::temp_dir().join(format!("downhill-doc-{}", std::process::id()));
//!     let path = folder.join("line.safetensors");
//!     let mut net = Line::new().seed(1).optimizer(adam(0.1)).build()?;
//!     net.step(&[[1.0, 2.0]], &[[3.0]])?;
//!     net.save_with(&path, &[("epoch", "1")])?;
//!     let ahead = net.step(&[[1.0, 2.0]], &[[3.0]])?;
//!
//!     let mut resumed = Line::new().optimizer(adam(0.1)).build()?;
//!     let notes = resumed.load(&path)?;
//!     assert_eq!(notes["epoch"], "1");
//!     assert_eq!(resumed.step(&[[1.0, 2.0]], &[[3.0]])?, ahead);
//!
//!     let mut served = Line::new().build()?; // no optimizer: for inference
//!     served.load_parameters(&path)?;
//! #   std::fs::remove_dir_all(folder).ok();
//!     Ok(())
//! }
//! ```

mod tensors;
mod exchange;
mod pickle;
mod torch;
mod format;
mod saving;

pub use self::format::{Checkpoint, read};
pub use self::saving::{Notes, Saving};
pub(crate) use self::saving::{save_training, taken};
