//! This machine: which vectors it has, and what code is made for that is to run on it.
//!
//! In: the processor, and `DOWNHILL_TARGET`, read here and nowhere else. Out: a [`Target`] that this machine can run.

use crate::error::Error;
use downhill_codegen::error::Error as CodeError;
pub use downhill_codegen::target::InstructionSet;
use downhill_codegen::target::Target;
use std::ffi::OsStr;
use target_lexicon::Triple;

/// The environment variable.
pub const VARIABLE: &str = "DOWNHILL_TARGET";

/// The vectors that this machine has, the best last.
pub fn available() -> Vec<InstructionSet> {
    InstructionSet::ALL.into_iter().filter(|&lanes| missing(lanes).is_none()).collect()
}

/// This machine with the widest vectors it has, or with those that `DOWNHILL_TARGET` names: `portable`, `avx2` or `avx512`.
///
/// # Errors
/// As [`target_with`]; also a `DOWNHILL_TARGET` that is none of these.
pub fn target() -> Result<Target, Error> {
    let name = std::env::var_os(VARIABLE).unwrap_or_default();
    target_with(named(&name)?.or_else(|| available().pop()).unwrap_or(InstructionSet::Portable))
}

/// This machine with these vectors.
///
/// # Errors
/// It has no fused multiply-add, or not such vectors; Cranelift does not know it.
pub fn target_with(lanes: InstructionSet) -> Result<Target, Error> {
    match missing(lanes) {
        Some(missing) => Err(Error::Code(CodeError::UnsupportedCpu { missing })),
        None => Ok(Target::new(Triple::host(), lanes)?),
    }
}

/// The vectors of this name; none where the name is empty.
fn named(name: &OsStr) -> Result<Option<InstructionSet>, Error> {
    let name = name.to_string_lossy();
    let name = name.trim();
    match InstructionSet::ALL.into_iter().find(|lanes| lanes.name() == name) {
        None if !name.is_empty() => Err(Error::Code(CodeError::Unsupported(format!(
            "`{VARIABLE}` is `{name}`; it may be `portable`, `avx2` or `avx512`"
        )))),
        found => Ok(found),
    }
}

/// What this machine lacks for code with these vectors.
fn missing(lanes: InstructionSet) -> Option<String> {
    if !has_fma() {
        return Some("it has no fused multiply-add (on x86-64: FMA3, from Haswell or Zen on)".to_owned());
    }
    let has = match lanes {
        InstructionSet::Portable => true,
        InstructionSet::Avx2 => has_avx2(),
        InstructionSet::Avx512 => has_avx2() && has_avx512(),
    };
    (!has).then(|| format!("the vectors of the target `{}`", lanes.name()))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::is_x86_feature_detected as has;

    pub(super) fn has_fma() -> bool {
        has!("avx") && has!("fma") && has!("popcnt")
    }

    pub(super) fn has_avx2() -> bool {
        has!("avx2") && has!("fma") && has!("bmi2")
    }

    pub(super) fn has_avx512() -> bool {
        has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw")
    }
}

#[cfg(target_arch = "x86_64")]
use x86::{has_avx2, has_avx512, has_fma};

/// Where it is not certain for every processor of an architecture, [`Target::new`] refuses it.
#[cfg(not(target_arch = "x86_64"))]
fn has_fma() -> bool {
    true
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_by_name() {
        assert_eq!(named(OsStr::new("")), Ok(None));
        assert_eq!(named(OsStr::new(" avx2 ")), Ok(Some(InstructionSet::Avx2)));
        let error = named(OsStr::new("sse")).expect_err("no such vectors").to_string();
        assert_eq!(error, "`DOWNHILL_TARGET` is `sse`; it may be `portable`, `avx2` or `avx512`");
    }
}
