//! How a thread rounds and treats subnormals: the control word of its floating-point unit.
//!
//! In: the thread it is asked on. Out: [`FloatControl`], to be applied on another. Must hold: flags of past exceptions are not
//! carried over.

/// The control word of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FloatControl(u64);

#[cfg(target_arch = "x86_64")]
impl FloatControl {
    /// The first six bits are flags of exceptions.
    const FLAGS: u32 = 0x3f;

    /// This thread's, with subnormals flushed to zero.
    #[cfg(test)]
    pub(crate) fn flushing() -> FloatControl {
        FloatControl(FloatControl::current().0 | 1 << 15)
    }

    /// That of this thread.
    pub(crate) fn current() -> FloatControl {
        let mut word = 0_u32;
        // SAFETY: stores the MXCSR register into `word`.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        FloatControl(u64::from(word & !Self::FLAGS))
    }

    /// Makes it this thread's.
    pub(crate) fn apply(self) {
        let word = self.0 as u32;
        // SAFETY: the value came from `current`, so no reserved bit is set; this thread runs no Rust arithmetic that
        // relies on another rounding than its caller's.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags))
        };
    }
}

#[cfg(target_arch = "aarch64")]
impl FloatControl {
    /// That of this thread.
    pub(crate) fn current() -> FloatControl {
        let word: u64;
        // SAFETY: reads the FPCR register, which has no flags.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
        FloatControl(word)
    }

    /// Makes it this thread's.
    pub(crate) fn apply(self) {
        // SAFETY: the value came from `current`; what the callers run under it is native code, and they put back what was
        // there.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) self.0, options(nomem, nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl FloatControl {
    /// Not known on this machine, whose threads all begin alike.
    pub(crate) fn current() -> FloatControl {
        FloatControl(0)
    }

    /// Nothing.
    pub(crate) fn apply(self) {}
}
