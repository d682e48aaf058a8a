//! Numbers by a seed alone: those of data, not of a storage.

use super::source::Source;

/// What keeps these numbers apart from those of every storage: no storage has an empty name.
const NO_STORAGE: &str = "";

/// Uniform in 0..1, one after another.
pub fn uniforms(seed: u64) -> impl Iterator<Item = f64> {
    let source = Source::new(seed, NO_STORAGE);
    (0..).map(move |index| source.uniforms::<1>(index)[0])
}

/// Of mean 0 and deviation 1, one after another.
pub fn normals(seed: u64) -> impl Iterator<Item = f64> {
    let source = Source::new(seed, NO_STORAGE);
    (0..).map(move |index| source.normal(index))
}
