//! Machine code as a value: functions one by one, then one image of them all.
//!
//! In: functions, as Cranelift IR or as bytes. Out: [`Code`], an image and where its functions begin.
//!
//! Must hold:
//! - a function calls only functions defined before it, by their numbers; code that would call a library is refused;
//! - an image runs wherever a page begins: everything in it is addressed relative to the instruction. So it can be copied to executable
//!   memory, or written to a file, as it is.

use crate::error::Error;
use crate::target::Target;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, FuncRef, Function, Signature, UserExternalName,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_codegen::{Context, FinalizedMachReloc, FinalizedRelocTarget};
use downhill_graph::graph::bug;
use std::fmt;

/// A function of a [`Functions`] and of the image that becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(usize);

#[cfg(test)]
impl FunctionId {
    /// The n-th function.
    pub(crate) fn numbered(n: usize) -> FunctionId {
        FunctionId(n)
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An image of machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The image, to be copied to the start of a page.
    pub bytes: Vec<u8>,
    /// By [`FunctionId`].
    functions: Vec<Symbol>,
}

/// A function within an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Unique within the image.
    pub name: String,
    /// Its first byte.
    pub offset: usize,
    /// How many bytes it has, the constants behind it included.
    pub size: usize,
}

impl Code {
    /// Where a function is.
    pub fn symbol(&self, function: FunctionId) -> &Symbol {
        &self.functions[function.0]
    }
}

impl fmt::Display for Code {
    /// A line for each function: where it is, how long it is, its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Symbol { name, offset, size } in &self.functions {
            writeln!(f, "{offset:08x} {size:8} {name}")?;
        }
        Ok(())
    }
}

/// Functions that are being made.
pub struct Functions<'t> {
    target: &'t Target,
    made: Vec<Made>,
}

/// A function that is made.
struct Made {
    name: String,
    signature: Signature,
    alignment: usize,
    bytes: Vec<u8>,
    references: Vec<Reference>,
}

/// Where a function names another one.
struct Reference {
    kind: Reloc,
    offset: usize,
    target: FunctionId,
    addend: i64,
}

impl<'t> Functions<'t> {
    /// None yet.
    pub fn new(target: &'t Target) -> Functions<'t> {
        Functions { target, made: Vec::new() }
    }

    /// What they are made for.
    pub fn target(&self) -> &'t Target {
        self.target
    }

    /// What Cranelift's frontend asks of the target.
    pub fn config(&self) -> TargetFrontendConfig {
        self.target.isa().frontend_config()
    }

    /// The type of a function of so many words that returns nothing, in the target's own convention.
    pub fn signature(&self, words: usize) -> Signature {
        signature(self.target.isa().default_call_conv(), words)
    }

    /// How `caller` names a function that is made.
    pub fn import(&self, function: FunctionId, caller: &mut Function) -> FuncRef {
        let index = u32::try_from(function.0).unwrap_or_else(|_| bug("more functions than 32 bits count"));
        let name = caller.declare_imported_user_function(UserExternalName { namespace: 0, index });
        let signature = caller.import_signature(self.made[function.0].signature.clone());
        let name = ExternalName::user(name);
        caller.import_function(ExtFuncData { name, signature, colocated: true, patchable: false })
    }

    /// Takes a function as it is: it refers to no other one.
    pub fn define_bytes(
        &mut self,
        name: &str,
        signature: Signature,
        alignment: usize,
        bytes: Vec<u8>,
    ) -> FunctionId {
        self.push(Made { name: name.to_owned(), signature, alignment, bytes, references: Vec::new() })
    }

    /// Compiles a function.
    ///
    /// # Errors
    /// What Cranelift reports, and the name of a library function that would be called.
    pub fn define(&mut self, name: &str, function: Function) -> Result<FunctionId, Error> {
        self.define_in(name, &mut Context::for_function(function))
    }

    /// Compiles the function of a context, in which the compiled code stays.
    ///
    /// # Errors
    /// As [`Functions::define`].
    pub fn define_in(&mut self, name: &str, context: &mut Context) -> Result<FunctionId, Error> {
        let isa = self.target.isa().as_ref();
        let compiled = context.compile(isa, &mut ControlPlane::default());
        compiled.map_err(|error| Error::Backend(format!("{:?}", error.inner)))?;
        let Some(compiled) = context.compiled_code() else {
            return Err(Error::Backend("no code came of a compiled function".to_string()));
        };
        let references = compiled.buffer.relocs().iter().map(|it| reference(it, &context.func));
        let references = references.collect::<Result<_, _>>()?;
        let alignment = u64::from(compiled.buffer.alignment)
            .max(u64::from(isa.function_alignment().minimum))
            .max(isa.symbol_alignment());
        Ok(self.push(Made {
            name: name.to_owned(),
            signature: context.func.signature.clone(),
            alignment: alignment as usize,
            bytes: compiled.code_buffer().to_vec(),
            references,
        }))
    }

    fn push(&mut self, made: Made) -> FunctionId {
        self.made.push(made);
        FunctionId(self.made.len() - 1)
    }

    /// One image of all of them.
    ///
    /// # Errors
    /// A reference of a kind, or over a distance, that an image cannot hold.
    pub fn link(self) -> Result<Code, Error> {
        let mut code = Code { bytes: Vec::new(), functions: Vec::with_capacity(self.made.len()) };
        for made in &self.made {
            let offset = code.bytes.len().next_multiple_of(made.alignment.max(1));
            code.bytes.resize(offset, 0);
            code.bytes.extend_from_slice(&made.bytes);
            code.functions.push(Symbol { name: made.name.clone(), offset, size: made.bytes.len() });
        }

        for (place, made) in self.made.iter().enumerate() {
            for reference in &made.references {
                let at = code.functions[place].offset + reference.offset;
                let to = code.functions[reference.target.0].offset as i64 + reference.addend;
                resolve(&mut code.bytes, at, to, reference.kind)?;
            }
        }
        Ok(code)
    }
}

/// The type of a function of so many words that returns nothing.
pub(crate) fn signature(convention: CallConv, words: usize) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params = vec![AbiParam::new(I64); words];
    signature
}

/// What a relocation of a compiled function refers to: another function by its number.
fn reference(relocation: &FinalizedMachReloc, function: &Function) -> Result<Reference, Error> {
    let target = match &relocation.target {
        FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => {
            FunctionId(function.params.user_named_funcs()[*name].index as usize)
        }
        FinalizedRelocTarget::ExternalName(ExternalName::LibCall(call)) => {
            return Err(Error::Backend(format!("generated code would call the library function `{call}`")));
        }
        other => return Err(Error::Backend(format!("generated code would refer to `{other:?}`"))),
    };
    Ok(Reference {
        kind: relocation.kind,
        offset: relocation.offset as usize,
        target,
        addend: relocation.addend,
    })
}

/// Writes the distance from `at` to `to` into the instruction at `at`, both counted from the image's begin.
fn resolve(bytes: &mut [u8], at: usize, to: i64, kind: Reloc) -> Result<(), Error> {
    let word: &mut [u8; 4] = bytes[at..]
        .first_chunk_mut()
        .ok_or_else(|| Error::Backend("a reference at the end of the code".to_string()))?;
    let far = || Error::Backend(format!("machine code of more bytes than `{kind}` reaches"));
    let distance = to - at as i64;
    let instruction = u32::from_le_bytes(*word);
    let written = match kind {
        Reloc::X86PCRel4 | Reloc::X86CallPCRel4 => i32::try_from(distance).map_err(|_| far())? as u32,
        // `bl`: 26 bits that count instructions.
        Reloc::Arm64Call => {
            let count = distance >> 2;
            if count >> 25 != 0 && count >> 25 != -1 {
                return Err(far());
            }
            instruction | (count as u32 & 0x03ff_ffff)
        }
        // `adrp`: 21 bits that count pages of 4 KiB; two of them lie apart.
        Reloc::Aarch64AdrPrelPgHi21 => {
            let pages = (to >> 12) - (at as i64 >> 12);
            if pages >> 20 != 0 && pages >> 20 != -1 {
                return Err(far());
            }
            let pages = pages as u32;
            instruction | (pages & 3) << 29 | (pages & 0x1f_fffc) << 3
        }
        // `add`: the offset in that page.
        Reloc::Aarch64AddAbsLo12Nc => instruction | (to as u32 & 0xfff) << 10,
        other => return Err(Error::Unsupported(format!("machine code for this processor (`{other}`)"))),
    };
    *word = written.to_le_bytes();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(instruction: u32, at: usize, to: i64, kind: Reloc) -> Result<u32, Error> {
        let mut bytes = vec![0; at + 4];
        bytes[at..].copy_from_slice(&instruction.to_le_bytes());
        resolve(&mut bytes, at, to, kind)?;
        Ok(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    }

    /// Instructions as `llvm-mc -triple=aarch64 -show-encoding` writes them.
    #[test]
    fn references_between_functions_on_aarch64() {
        // bl −8, bl +4.
        assert_eq!(resolved(0x9400_0000, 16, 8, Reloc::Arm64Call), Ok(0x97ff_fffe));
        assert_eq!(resolved(0x9400_0000, 16, 20, Reloc::Arm64Call), Ok(0x9400_0001));
        // adrp x0, of the page before and of the fifth one behind.
        assert_eq!(resolved(0x9000_0000, 0x1000, 0x0ff0, Reloc::Aarch64AdrPrelPgHi21), Ok(0xf0ff_ffe0));
        assert_eq!(resolved(0x9000_0000, 0x1ffc, 0x6000, Reloc::Aarch64AdrPrelPgHi21), Ok(0xb000_0020));
        // add x0, x0, #0xff0.
        assert_eq!(resolved(0x9100_0000, 8, 0x0ff0, Reloc::Aarch64AddAbsLo12Nc), Ok(0x913f_c000));
        assert!(resolved(0x9400_0000, 0, 1 << 28, Reloc::Arm64Call).is_err());
        assert!(resolved(0x9000_0000, 0, 1 << 33, Reloc::Aarch64AdrPrelPgHi21).is_err());
    }

    #[test]
    fn references_between_functions_on_x86() {
        // The distance counts from behind the four bytes.
        assert_eq!(resolved(0, 10, 100 - 4, Reloc::X86CallPCRel4), Ok(86));
        assert_eq!(resolved(0, 10, -4, Reloc::X86PCRel4), Ok(-14_i32 as u32));
        assert!(resolved(0, 10, 1 << 32, Reloc::X86PCRel4).is_err());
        assert!(matches!(resolved(0, 10, 0, Reloc::Abs8), Err(Error::Unsupported(_))));
    }
}
