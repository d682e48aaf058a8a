//! The home of machine code: one reservation of address space a module, its owner, and functions that keep it alive.
//!
//! In: a module that has been filled. Out: [`Function`]s, which hold their code by an `Arc`.
//!
//! Must hold:
//! - a reservation is one mapping, so every callee is in reach of a relative call. It has three parts — code, constants, data — that
//!   grow page by page;
//! - a page is writable or executable, never both: it is writable until [`JITMemoryProvider::finalize`] and, if it
//!   holds code, never again;
//! - the mapping is unmapped when its last owner goes: the module while it is filled, then the functions' [`Code`].

use crate::error::Error;
use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::{FuncId, ModuleError, ModuleResult, default_libcall_names};
use downhill_codegen::abi::Context;
use downhill_codegen::target::Target;
use region::Protection;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Address space for code; only touched pages cost memory.
const CODE_BYTES: usize = 48 << 20;
/// Address space for constants, and as much for data.
const DATA_BYTES: usize = 8 << 20;
/// Pages are made writable in lots of this many bytes: a system call costs more than a few spare pages.
const LOT: usize = 64 << 10;

/// Pages of one protection within the reservation.
#[derive(Debug)]
struct Part {
    /// First byte, as an offset in the reservation.
    start: usize,
    /// One past the last byte.
    end: usize,
    /// Everything below has its last protection.
    sealed: usize,
    /// The next free byte.
    next: usize,
    /// Everything from `sealed` up to here is writable.
    writable: usize,
    protection: Protection,
}

/// One mapping.
struct Reservation {
    pages: region::Allocation,
    parts: [Part; 3],
}

// SAFETY: the mapping belongs to the process, not to a thread; it is reached through a lock only.
unsafe impl Send for Reservation {}

impl Reservation {
    fn new() -> io::Result<Reservation> {
        let pages = region::alloc(CODE_BYTES + 2 * DATA_BYTES, Protection::NONE).map_err(io::Error::other)?;
        let part = |start, bytes, protection| Part {
            start,
            end: start + bytes,
            sealed: start,
            next: start,
            writable: start,
            protection,
        };
        let parts = [
            part(0, CODE_BYTES, Protection::READ_EXECUTE),
            part(CODE_BYTES, DATA_BYTES, Protection::READ),
            part(CODE_BYTES + DATA_BYTES, DATA_BYTES, Protection::READ_WRITE),
        ];
        Ok(Reservation { pages, parts })
    }

    fn allocate(&mut self, size: usize, align: usize, kind: &JITMemoryKind) -> io::Result<*mut u8> {
        let base: *mut u8 = self.pages.as_mut_ptr();
        let part = &mut self.parts[match kind {
            JITMemoryKind::Executable => 0,
            JITMemoryKind::ReadOnly => 1,
            JITMemoryKind::Writable => 2,
        }];
        let start = part.next.next_multiple_of(align.max(1));
        let end = start.checked_add(size).filter(|&end| end <= part.end);
        let end = end.ok_or_else(|| io::Error::other("the room reserved for machine code is used up"))?;
        if end > part.writable {
            let writable = end.next_multiple_of(LOT).min(part.end);
            // SAFETY: the pages lie inside this reservation and hold nothing yet.
            unsafe {
                region::protect(
                    base.wrapping_add(part.writable),
                    writable - part.writable,
                    Protection::READ_WRITE,
                )
            }
            .map_err(io::Error::other)?;
            part.writable = writable;
        }
        part.next = end;
        Ok(base.wrapping_add(start))
    }

    fn seal(&mut self) -> io::Result<()> {
        let base: *mut u8 = self.pages.as_mut_ptr();
        for part in &mut self.parts {
            let (start, length) = (base.wrapping_add(part.sealed), part.writable - part.sealed);
            if length == 0 {
                continue;
            }
            if part.protection == Protection::READ_EXECUTE {
                // SAFETY: the range is mapped: it was made writable by `allocate`.
                unsafe { wasmtime_internal_jit_icache_coherence::clear_cache(start.cast(), length) }?;
            }
            // SAFETY: the pages lie inside this reservation; nobody holds a reference to them, and code in them has not
            // been handed out yet.
            unsafe { region::protect(start, length, part.protection) }.map_err(io::Error::other)?;
            (part.sealed, part.next) = (part.writable, part.writable);
        }
        wasmtime_internal_jit_icache_coherence::pipeline_flush_mt()
    }
}

/// Keeps machine code mapped.
#[derive(Clone)]
pub struct Code(Arc<Mutex<Reservation>>);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

/// What the module allocates from.
struct Provider(Code);

impl JITMemoryProvider for Provider {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        let align = usize::try_from(align).map_err(io::Error::other)?;
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).allocate(size, align, &kind)
    }

    unsafe fn free_memory(&mut self) {
        // The owners' `Drop` does it: a function may outlive the module.
    }

    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        // Without branch protection on its pages, code made for it runs all the same.
        let mut reservation = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        reservation.seal().map_err(|err| ModuleError::Allocation { err })
    }
}

/// A module being filled, with the home of its code.
pub struct Assembly {
    /// What the code generator defines functions in.
    pub module: JITModule,
    code: Code,
}

impl Assembly {
    /// An empty module for this target.
    ///
    /// # Errors
    /// No address space.
    pub fn new(target: &Target) -> Result<Assembly, Error> {
        let reservation = Reservation::new().map_err(|error| Error::Memory {
            what: format!("machine code: {error}"),
            bytes: CODE_BYTES + 2 * DATA_BYTES,
        })?;
        let code = Code(Arc::new(Mutex::new(reservation)));
        let mut builder = JITBuilder::with_isa(target.isa().clone(), default_libcall_names());
        builder.memory_provider(Box::new(Provider(code.clone())));
        Ok(Assembly { module: JITModule::new(builder), code })
    }

    /// Bytes of code defined so far.
    pub fn code_bytes(&self) -> usize {
        let reservation = self.code.0.lock().unwrap_or_else(PoisonError::into_inner);
        reservation.parts[0].next - reservation.parts[0].start
    }

    /// Makes the code executable and ends the module.
    ///
    /// # Errors
    /// The system refuses to change a page's protection.
    pub fn finish(mut self) -> Result<Finished, Error> {
        self.module.finalize_definitions().map_err(|error| Error::Code(error.into()))?;
        Ok(Finished { module: self.module, code: self.code })
    }
}

/// A module whose code can run.
pub struct Finished {
    module: JITModule,
    code: Code,
}

impl Finished {
    /// A handle on an entry's function.
    ///
    /// # Safety
    /// The function was defined with the signature `extern "C" fn(*mut Context)`.
    pub unsafe fn function(&self, id: FuncId) -> Function {
        let address = self.module.get_finalized_function(id);
        // SAFETY: the caller promises the signature, and the address is that of finished code.
        let entry = unsafe { std::mem::transmute::<*const u8, extern "C" fn(*mut Context)>(address) };
        Function { entry, code: self.code.clone() }
    }
}

/// An entry's function. It keeps its code alive.
#[derive(Clone, Debug)]
pub struct Function {
    entry: extern "C" fn(*mut Context),
    #[expect(dead_code, reason = "held, not read: dropping the last one unmaps the code")]
    code: Code,
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
