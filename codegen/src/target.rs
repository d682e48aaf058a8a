//! The processor that code is made for. In: an architecture and a set of vector instructions. Out: [`Target`], chosen once and passed on.
//!
//! A target describes a machine, which need not be this one: nothing here asks what this machine has. Who wants to run the code asks
//! that (`downhill_runtime::host`).
//!
//! Must hold: a target has a fused multiply-add. Results are the same bits on every machine because each `Fma` of a
//! lane program is rounded once; a processor that would need a library call for it is refused here.
//!
//! # Decisions
//!
//! - Cranelift's optimizer is off (`opt_level none`): lane programs come with invariants hoisted, in an order that keeps few
//!   registers live; the optimizer moves loads to the head of a block and spills in the loops that matter: 8 rows at 50 GFLOP/s
//!   without, less with it.

use std::fmt;
use std::sync::Arc;

use cranelift_codegen::isa::{self, CallConv, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use target_lexicon::{Architecture, Triple};

use crate::abi::LEAST_WORK;
use crate::caches::Caches;
use crate::error::Error;

/// What vectors the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// AVX2, FMA and BMI2: 16 registers of 8 lanes.
    Avx2,
    /// AVX-512 F, VL, DQ and BW: 32 registers of 16 lanes, masks.
    Avx512,
}

impl Extension {
    /// Bytes of a vector.
    pub(crate) fn vector_bytes(self) -> u32 {
        match self {
            Extension::Avx2 => 32,
            Extension::Avx512 => 64,
        }
    }

    /// Elements of 32 bits in a vector.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Extension::Avx2 => 8,
            Extension::Avx512 => 16,
        }
    }

    pub(crate) fn registers(self) -> usize {
        match self {
            Extension::Avx2 => 16,
            Extension::Avx512 => 32,
        }
    }
}

/// Of wide functions, on every system: where callers keep to another one, Cranelift saves what theirs has them save.
pub(crate) const WIDE_CONVENTION: CallConv = CallConv::SystemV;

/// How lane programs become machine code. The bits of their results are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstructionSet {
    /// By Cranelift, with vectors of 128 bits, on every machine.
    Portable,
    /// Vectors of 256 bits: x86-64 with AVX2, FMA and BMI2.
    Avx2,
    /// Vectors of 512 bits: x86-64 with AVX-512 F, VL, DQ and BW.
    Avx512,
}

impl InstructionSet {
    /// All of them, the best last.
    pub const ALL: [InstructionSet; 3] =
        [InstructionSet::Portable, InstructionSet::Avx2, InstructionSet::Avx512];

    /// Its name in reports and options: `portable`, `avx2`, `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Portable => "portable",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Avx512 => "avx512",
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
            InstructionSet::Avx2 => 6,
            InstructionSet::Portable | InstructionSet::Avx512 => 8,
        }
    }

    /// Lanes of a vector, and how many vectors of columns such a block of rows has.
    pub(crate) fn block_columns(self) -> (i64, i64) {
        match self {
            InstructionSet::Portable => (4, 2),
            InstructionSet::Avx2 => (8, 2),
            InstructionSet::Avx512 => (16, 3),
        }
    }

    /// The most elements of a right operand that is read well in place, one strip of columns after another. Measured: strips of one cache
    /// line are slower to fetch than wider ones, and there are more of them.
    pub(crate) fn near(self) -> i64 {
        match self {
            InstructionSet::Portable | InstructionSet::Avx2 => 1 << 15,
            InstructionSet::Avx512 => 1 << 19,
        }
    }

    /// Rows of a square tile that is transposed in registers; 1: there is none.
    pub(crate) fn tile(self) -> u32 {
        self.level().map_or(1, |level| level.lanes() as u32)
    }

    /// The level of the wide lowering, unless it is the portable one.
    pub(crate) fn level(self) -> Option<Extension> {
        match self {
            InstructionSet::Portable => None,
            InstructionSet::Avx2 => Some(Extension::Avx2),
            InstructionSet::Avx512 => Some(Extension::Avx512),
        }
    }
}

/// What Cranelift may use on every x86-64 target: what each processor has that has FMA3, from Haswell and Zen on.
const X86_FEATURES: [&str; 7] =
    ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt", "has_avx", "has_fma"];

/// A description of the processor, and how code is to be made for it.
#[derive(Clone)]
pub struct Target {
    isa: OwnedTargetIsa,
    instructions: InstructionSet,
    threads: usize,
    worth: i64,
    caches: Caches,
}

impl Target {
    /// A processor of this architecture and system with these vectors.
    ///
    /// Cranelift's optimizer is off: lane programs are lowered with their invariants already hoisted and in an order
    /// that keeps few registers live. The optimizer would move every pure instruction down to its first
    /// use and all loads of a block up to its head, which costs spills in exactly the loops that matter, and
    /// compile time.
    ///
    /// # Errors
    /// [`Error::UnsupportedCpu`] for architectures without a fused multiply-add that Cranelift knows of, and where vectors are
    /// asked for that belong to another architecture.
    pub fn new(triple: Triple, instructions: InstructionSet) -> Result<Target, Error> {
        let unsupported = |missing: String| Error::UnsupportedCpu { missing };
        let is_x86 = triple.architecture == Architecture::X86_64;
        if !is_x86 && instructions != InstructionSet::Portable {
            return Err(unsupported(format!("the vectors of the target `{}`", instructions.name())));
        }
        let backend = |error: &dyn fmt::Display| Error::Backend(error.to_string());
        let mut builder = isa::lookup(triple).map_err(|error| unsupported(error.to_string()))?;
        for feature in X86_FEATURES.iter().filter(|_| is_x86) {
            builder.enable(feature).map_err(|error| backend(&error))?;
        }
        let isa = builder.finish(flags()?).map_err(|error| backend(&error))?;
        if !isa.has_native_fma() {
            return Err(unsupported("it has no fused multiply-add".to_owned()));
        }
        Ok(Target { isa, instructions, threads: 1, worth: 2 * LEAST_WORK, caches: Caches::default() })
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

    /// The same with these caches; unless said, small ones.
    #[must_use]
    pub fn with_caches(self, caches: Caches) -> Target {
        Target { caches, ..self }
    }

    /// The caches of a core.
    pub fn caches(&self) -> Caches {
        self.caches
    }

    /// How kernels are called.
    pub(crate) fn kernel_convention(&self) -> CallConv {
        self.instructions.level().map_or_else(|| self.isa.default_call_conv(), |_| WIDE_CONVENTION)
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
    pub fn instructions(&self) -> InstructionSet {
        self.instructions
    }

    /// What Cranelift's modules are built with.
    pub fn isa(&self) -> &OwnedTargetIsa {
        &self.isa
    }

    /// The processor's name and features, for reports.
    pub fn describe(&self) -> String {
        let name = TargetIsa::name(Arc::as_ref(&self.isa));
        format!("{} through {name}, {} vectors", self.isa.triple(), self.instructions.name())
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
