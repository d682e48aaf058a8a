//! The processor that code is made for. In: the machine this runs on, `DOWNHILL_TARGET`. Out: [`Target`], chosen once and passed on.
//!
//! Must hold: a target has a fused multiply-add. Results are the same bits on every machine because each `Fma` of a
//! lane program is rounded once; a processor that would need a library call for it is refused here.

use std::sync::Arc;

use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};

use crate::abi::LEAST_WORK;
use crate::error::Error;

/// What vectors the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// AVX2, FMA and BMI2: 16 registers of 8 lanes.
    Avx2,
    /// AVX-512 F, VL, DQ and BW: 32 registers of 16 lanes, masks.
    Avx512,
}

impl Level {
    pub(crate) fn lanes(self) -> usize {
        match self {
            Level::Avx2 => 8,
            Level::Avx512 => 16,
        }
    }

    pub(crate) fn registers(self) -> usize {
        match self {
            Level::Avx2 => 16,
            Level::Avx512 => 32,
        }
    }
}

/// Of wide functions, on every system: where callers keep to another one, Cranelift saves what theirs has them save.
pub(crate) const WIDE_CONVENTION: CallConv = CallConv::SystemV;

/// How lane programs become machine code. The bits of their results are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// By Cranelift, with vectors of 128 bits, on every machine.
    Portable,
    /// Vectors of 256 bits: x86-64 with AVX2, FMA and BMI2.
    Avx2,
    /// Vectors of 512 bits: x86-64 with AVX-512 F, VL, DQ and BW.
    Avx512,
}

impl Lanes {
    /// Those that this machine can run, the best last.
    pub fn available() -> Vec<Lanes> {
        let all = [Lanes::Portable, Lanes::Avx2, Lanes::Avx512];
        all.into_iter().filter(|lanes| lanes.is_available()).collect()
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Lanes::Portable => true,
            Lanes::Avx2 => has_avx2(),
            Lanes::Avx512 => has_avx2() && has_avx512(),
        }
    }

    /// As `DOWNHILL_TARGET` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Lanes::Portable => "portable",
            Lanes::Avx2 => "avx2",
            Lanes::Avx512 => "avx512",
        }
    }

    /// Elements of a vector.
    pub fn elements(self) -> u32 {
        self.level().map_or(4, |level| level.lanes() as u32)
    }

    /// Sums of a product that a block of rows keeps for each vector of columns: with 32 registers 8 by 3 vectors, with 16 of
    /// them 6 by 2.
    pub(crate) fn block_sums(self) -> u32 {
        match self {
            Lanes::Avx2 => 6,
            Lanes::Portable | Lanes::Avx512 => 8,
        }
    }

    /// Lanes of a vector, and how many vectors of columns such a block of rows has.
    pub(crate) fn block_columns(self) -> (i64, i64) {
        match self {
            Lanes::Portable => (4, 2),
            Lanes::Avx2 => (8, 2),
            Lanes::Avx512 => (16, 3),
        }
    }

    /// Elements of a right factor that are read well where they lie, by a strip of its columns after the other. Measured: strips of one
    /// line of the cache are fetched worse than wider ones, and there are more of them.
    pub(crate) fn near(self) -> i64 {
        match self {
            Lanes::Portable | Lanes::Avx2 => 1 << 15,
            Lanes::Avx512 => 1 << 19,
        }
    }

    /// Rows of a square tile that is turned in registers; 1: there is none.
    pub(crate) fn tile(self) -> u32 {
        self.level().map_or(1, |level| level.lanes() as u32)
    }

    /// The level of the wide lowering, unless it is the portable one.
    pub(crate) fn level(self) -> Option<Level> {
        match self {
            Lanes::Portable => None,
            Lanes::Avx2 => Some(Level::Avx2),
            Lanes::Avx512 => Some(Level::Avx512),
        }
    }

    /// What `DOWNHILL_TARGET` says, else the best that this machine has.
    fn chosen() -> Result<Lanes, Error> {
        let name = std::env::var_os("DOWNHILL_TARGET").unwrap_or_default();
        if name.is_empty() {
            return Ok(Lanes::available().pop().unwrap_or(Lanes::Portable));
        }
        let name = name.to_string_lossy().trim().to_owned();
        let all = [Lanes::Portable, Lanes::Avx2, Lanes::Avx512];
        all.into_iter().find(|lanes| lanes.name() == name).ok_or_else(|| {
            Error::Unsupported(format!(
                "`DOWNHILL_TARGET` is `{name}`; it may be `portable`, `avx2` or `avx512`"
            ))
        })
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    use std::is_x86_feature_detected as has;
    has!("avx2") && has!("fma") && has!("bmi2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    use std::is_x86_feature_detected as has;
    has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

/// A description of the processor, and how code is to be made for it.
#[derive(Clone)]
pub struct Target {
    isa: OwnedTargetIsa,
    lanes: Lanes,
    threads: usize,
    worth: i64,
    verify: bool,
}

impl Target {
    /// The processor this program runs on, with the widest vectors it has, or with those that the environment variable
    /// `DOWNHILL_TARGET` names: `portable`, `avx2` or `avx512`.
    ///
    /// # Errors
    /// As [`Target::host_with`]; also a `DOWNHILL_TARGET` that is none of these.
    pub fn host() -> Result<Target, Error> {
        Target::host_with(Lanes::chosen()?)
    }

    /// The processor this program runs on, with these vectors.
    ///
    /// Cranelift's optimizer is off: lane programs are lowered with their invariants already hoisted and in an order
    /// that keeps few registers live. The optimizer would move every pure instruction down to its first
    /// use and all loads of a block up to its head, which costs spills in exactly the loops that matter, and
    /// compile time.
    ///
    /// # Errors
    /// [`Error::UnsupportedCpu`] when Cranelift does not know the processor, it has no fused multiply-add, or not such vectors.
    pub fn host_with(lanes: Lanes) -> Result<Target, Error> {
        let unsupported = |missing: &str| Error::UnsupportedCpu { missing: missing.to_string() };
        let builder = cranelift_native::builder().map_err(unsupported)?;
        let isa = builder.finish(flags()?).map_err(|error| Error::Backend(error.to_string()))?;
        if !isa.has_native_fma() {
            return Err(unsupported(
                "it has no fused multiply-add (on x86-64: FMA3, from Haswell or Zen on)",
            ));
        }
        if !lanes.is_available() {
            return Err(unsupported(&format!("the vectors of the target `{}`", lanes.name())));
        }
        Ok(Target { isa, lanes, threads: 1, worth: 2 * LEAST_WORK, verify: false })
    }

    /// The same for this many threads, 1 or more: with several, large kernels ask the caller to divide them.
    #[must_use]
    pub fn threads(self, threads: usize) -> Target {
        Target { threads: threads.max(1), ..self }
    }

    /// The same, with kernels undivided that are known to do less than this, as [`crate::schedule::cost::Cost::total`] counts. Unless said,
    /// twice [`LEAST_WORK`].
    #[must_use]
    pub fn dividing_from(self, worth: i64) -> Target {
        Target { worth, ..self }
    }

    /// The same, with machine code verified and checked in release builds too; debug builds always do.
    #[must_use]
    pub fn verifying(self, verify: bool) -> Target {
        Target { verify, ..self }
    }

    /// Whether machine code is verified and checked in release builds too.
    pub(crate) fn verifies(&self) -> bool {
        self.verify
    }

    /// How kernels are called.
    pub(crate) fn kernel_convention(&self) -> CallConv {
        self.lanes.level().map_or_else(|| self.isa.default_call_conv(), |_| WIDE_CONVENTION)
    }

    /// For how many threads code is made.
    pub fn thread_count(&self) -> usize {
        self.threads
    }

    /// What a kernel must do to be divided among threads; `None` for one thread.
    pub(crate) fn worth(&self) -> Option<i64> {
        (self.threads > 1).then_some(self.worth)
    }

    /// How lane programs become machine code.
    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// What Cranelift's modules are built with.
    pub fn isa(&self) -> &OwnedTargetIsa {
        &self.isa
    }

    /// The processor's name and features, for reports.
    pub fn describe(&self) -> String {
        let name = TargetIsa::name(Arc::as_ref(&self.isa));
        format!("{} through {name}, {} vectors", self.isa.triple(), self.lanes.name())
    }
}

fn flags() -> Result<settings::Flags, Error> {
    let mut flags = settings::builder();
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", "none"),
        ("regalloc_algorithm", "backtracking"),
        ("enable_verifier", verifier),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("unwind_info", "false"),
        // Frames of more than a page touch each, as those of wide functions do.
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
    ] {
        flags.set(name, value).map_err(|error| Error::Backend(error.to_string()))?;
    }
    Ok(settings::Flags::new(flags))
}
