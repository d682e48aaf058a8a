//! The processor that code is made for. In: the machine this runs on. Out: [`Target`], chosen once and passed on.
//!
//! Must hold: a target has a fused multiply-add. Results are the same bits on every machine because each `Fma` of a
//! lane program is rounded once; a processor that would need a library call for it is refused here.

use std::sync::Arc;

use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};

use crate::error::Error;

/// A description of the processor, and how Cranelift is to make code for it.
#[derive(Clone)]
pub struct Target {
    isa: OwnedTargetIsa,
}

impl Target {
    /// The processor this program runs on.
    ///
    /// Cranelift's optimizer is off: lane programs are lowered with their invariants already hoisted and in an order
    /// that keeps few registers live. The optimizer would move every pure instruction down to its first
    /// use and all loads of a block up to its head, which costs spills in exactly the loops that matter, and
    /// compile time.
    ///
    /// # Errors
    /// [`Error::UnsupportedCpu`] when Cranelift does not know the processor or it has no fused multiply-add.
    pub fn host() -> Result<Target, Error> {
        let unsupported = |missing: &str| Error::UnsupportedCpu { missing: missing.to_string() };
        let builder = cranelift_native::builder().map_err(unsupported)?;
        let isa = builder.finish(flags()?).map_err(|error| Error::Backend(error.to_string()))?;
        if !isa.has_native_fma() {
            return Err(unsupported(
                "it has no fused multiply-add (on x86-64: FMA3, from Haswell or Zen on)",
            ));
        }
        Ok(Target { isa })
    }

    /// What Cranelift's modules are built with.
    pub fn isa(&self) -> &OwnedTargetIsa {
        &self.isa
    }

    /// The processor's name and features, for reports.
    pub fn describe(&self) -> String {
        format!("{} through {}", self.isa.triple(), TargetIsa::name(Arc::as_ref(&self.isa)))
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
    ] {
        flags.set(name, value).map_err(|error| Error::Backend(error.to_string()))?;
    }
    Ok(settings::Flags::new(flags))
}
