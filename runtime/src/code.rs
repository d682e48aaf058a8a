//! The home of machine code: one mapping an image, its owner, and functions that keep it alive.
//!
//! In: an image of machine code. Out: [`Function`]s, which hold their code by an `Arc`.
//!
//! Must hold:
//! - an image lies in one mapping, from the begin of a page on;
//! - a page is writable or executable, never both: it is writable while the image is copied there, and never again;
//! - the mapping is unmapped when its last owner goes.

use crate::error::Error;
use downhill_codegen::abi::Context;
use downhill_codegen::code::{Code, FunctionId};
use region::Protection;
use std::io;
use std::sync::Arc;

/// An image in executable memory.
#[derive(Clone)]
pub struct Executable {
    pages: Arc<Pages>,
}

/// The mapping, which nothing writes to any more.
struct Pages(region::Allocation);

// SAFETY: the mapping belongs to the process, not to a thread, and is only read and run.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Executable {
    /// Copies an image to executable memory.
    ///
    /// # Errors
    /// No memory; a system that refuses to make pages executable.
    pub fn load(code: &Code) -> Result<Executable, Error> {
        let failed = |error: io::Error| Error::Memory {
            what: format!("machine code: {error}"),
            bytes: code.bytes.len(),
        };
        let mut pages = region::alloc(code.bytes.len().max(1), Protection::READ_WRITE)
            .map_err(|error| failed(io::Error::other(error)))?;
        let (start, length) = (pages.as_mut_ptr::<u8>(), code.bytes.len());
        // SAFETY: the mapping is new, writable, at least as long as the image, and elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(code.bytes.as_ptr(), start, length) };
        // SAFETY: the range is mapped.
        unsafe { wasmtime_internal_jit_icache_coherence::clear_cache(start.cast(), length) }
            .map_err(failed)?;
        // SAFETY: the pages are this mapping's own; nobody holds a reference to them, and no code in them has been handed out.
        unsafe { region::protect(start, pages.len(), Protection::READ_EXECUTE) }
            .map_err(|error| failed(io::Error::other(error)))?;
        wasmtime_internal_jit_icache_coherence::pipeline_flush_mt().map_err(failed)?;
        Ok(Executable { pages: Arc::new(Pages(pages)) })
    }

    /// The address of a function of the image that was loaded, `code`. It holds as long as this lives.
    pub fn address(&self, code: &Code, function: FunctionId) -> *const u8 {
        self.pages.0.as_ptr::<u8>().wrapping_add(code.symbol(function).offset)
    }

    /// A handle on an entry's function.
    ///
    /// # Safety
    /// `code` is what was loaded, and the function was defined in it with the signature `extern "C" fn(*mut Context)`.
    pub unsafe fn function(&self, code: &Code, function: FunctionId) -> Function {
        // SAFETY: the caller promises the signature, and the address is that of finished code.
        let entry = unsafe {
            std::mem::transmute::<*const u8, extern "C" fn(*mut Context)>(self.address(code, function))
        };
        Function { entry, code: self.clone() }
    }
}

impl std::fmt::Debug for Executable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Executable")
    }
}

/// An entry's function. It keeps its code alive.
#[derive(Clone, Debug)]
pub struct Function {
    entry: extern "C" fn(*mut Context),
    #[expect(dead_code, reason = "held, not read: dropping the last one unmaps the code")]
    code: Executable,
}

impl Function {
    /// Calls it.
    ///
    /// # Safety
    /// Every pointer in `context` is valid for what the entry it was compiled from reads and writes there, for the whole
    /// call, and nobody else writes there meanwhile.
    pub unsafe fn call(&self, context: &mut Context) {
        (self.entry)(context);
    }
}
