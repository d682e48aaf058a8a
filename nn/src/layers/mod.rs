//! Layers: what has parameters of its own, or acts otherwise while training.

mod shares;

mod dropout;
mod embedding;
mod linear;

mod sliding;

mod convolution;
mod transposed;

mod pooling;
mod resampling;
mod shuffling;

mod padding;

mod batch_norm;
mod norms;
mod positions;

mod roles;
mod seen;

mod query_blocks;
mod query_parts;

mod scaled_attention;

mod projections;

mod attention;

mod recurrent_operands;

mod recurrent_weights;

mod recurrent;

mod recurrent_rows;

mod gru;
mod lstm;
mod rnn;

use crate::call::families;

pub use recurrent::{Recurred, Recurrent};
pub use seen::Seen;

families!(
    linear,
    embedding,
    convolution,
    transposed,
    pooling,
    resampling,
    shuffling,
    padding,
    batch_norm,
    norms,
    attention,
    scaled_attention,
    positions,
    rnn,
    gru,
    lstm,
    dropout,
);
