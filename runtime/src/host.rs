//! This machine: which vectors it has, and what code is made for that is to run on it.
//!
//! In: the processor, and `DOWNHILL_TARGET`, read here and nowhere else. Out: a [`Target`] that this machine can run.

use crate::error::Error;
use downhill_codegen::caches::{Cache, Caches};
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
        None => Ok(Target::new(Triple::host(), lanes)?.with_caches(caches())),
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

/// The caches of a core: what the processor says, else small ones.
pub fn caches() -> Caches {
    let (own, small) = (own_caches(), Caches::default());
    let level = |level: u32| own.iter().find(|(of, _)| *of == level).map(|(_, cache)| *cache);
    let within = |cache: Option<Cache>, least: u64, most: u64| cache.map(|cache| clamped(cache, least, most));
    Caches {
        first: within(level(1), 4 << 10, 1 << 20).unwrap_or(small.first),
        second: within(level(2), 32 << 10, 64 << 20).unwrap_or(small.second),
    }
}

/// What a virtual machine says may be anything.
fn clamped(cache: Cache, least: u64, most: u64) -> Cache {
    Cache { bytes: cache.bytes.clamp(least, most), ways: cache.ways.clamp(1, 64) }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use downhill_codegen::caches::Cache;
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::is_x86_feature_detected as has;

    /// The caches for data, each with its level: Intel's leaf 4, which AMD has as 0x8000001d ("Cache Topology Information").
    pub(super) fn own_caches() -> Vec<(u32, Cache)> {
        let (vendor, extended) = (__cpuid(0), __cpuid(0x8000_0000));
        // "AuthenticAMD" and "HygonGenuine" have `ntel` nowhere.
        let is_intel = vendor.ecx == u32::from_le_bytes(*b"ntel");
        let leaf = if is_intel { 4 } else { 0x8000_001d };
        if is_intel && vendor.eax < leaf || !is_intel && extended.eax < leaf {
            return Vec::new();
        }
        let all = (0..16).map(|number| __cpuid_count(leaf, number));
        let caches = all.take_while(|found| found.eax & 31 != 0).filter(|found| found.eax & 31 != 2);
        let cache = |found: std::arch::x86_64::CpuidResult| {
            let field = |word: u32, from: u32, bits: u32| u64::from(word >> from & ((1 << bits) - 1)) + 1;
            let (line, parts, ways) =
                (field(found.ebx, 0, 12), field(found.ebx, 12, 10), field(found.ebx, 22, 10));
            let sets = u64::from(found.ecx) + 1;
            (found.eax >> 5 & 7, Cache { bytes: (line * parts * ways).saturating_mul(sets), ways })
        };
        caches.map(cache).collect()
    }

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
use x86::{has_avx2, has_avx512, has_fma, own_caches};

/// Other architectures have no instruction that tells.
#[cfg(not(target_arch = "x86_64"))]
fn own_caches() -> Vec<(u32, downhill_codegen::caches::Cache)> {
    Vec::new()
}

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
    fn caches_are_of_a_size() {
        let Caches { first, second } = caches();
        assert!((4 << 10..=1 << 20).contains(&first.bytes) && (1..=64).contains(&first.ways), "{first:?}");
        assert!((32 << 10..=64 << 20).contains(&second.bytes), "{second:?}");
        let absurd = Cache { bytes: u64::MAX, ways: u64::MAX };
        assert_eq!(clamped(absurd, 1, 100), Cache { bytes: 100, ways: 64 });
        assert_eq!(clamped(Cache { bytes: 0, ways: 0 }, 1, 100), Cache { bytes: 1, ways: 1 });
    }

    #[test]
    fn vectors_by_name() {
        assert_eq!(named(OsStr::new("")), Ok(None));
        assert_eq!(named(OsStr::new(" avx2 ")), Ok(Some(InstructionSet::Avx2)));
        let error = named(OsStr::new("sse")).expect_err("no such vectors").to_string();
        assert_eq!(error, "`DOWNHILL_TARGET` is `sse`; it may be `portable`, `avx2` or `avx512`");
    }
}
