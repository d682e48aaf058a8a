//! Parsing: the tokens of `network! { … }` to a [`Declarations`] and the mistakes of form.
//!
//! Must hold: every token is read or skipped, so that one mistake hides no other; after a mistake parsing goes on with the next
//! statement or item.
//!
//! ```text
//! program     = (layer | network)*
//! layer       = attributes "layer" NAME "(" [layer_arg ("," layer_arg)*] ")" ["->" result] "{" statement* expression "}"
//! layer_arg   = NAME [":" type]
//! network     = attributes visibility NAME ["(" [NAME ":" RUST_TYPE ("," …)*] ")"] "{" statement* "}"
//! type        = [f32 | f64 | i32 | u32 | bool] "[" [expression ("," expression)*] "]"
//! result      = a type, with "_" for any of its sizes, or "(" result ("," result)* ")"
//!
//! statement   = ("input" | "target") NAME ":" type ";"
//!             | "let" names "=" expression ";"
//!             | names "=" expression ";"
//!             | "shared" NAME "=" NAME [arguments] ";"
//!             | ("param" | "state") NAME ":" type "=" NAME arguments ";"
//!             | "update" NAME "=" expression ";"
//!             | "output" NAME ["=" expression] ("," NAME ["=" expression])* ";"
//!             | "loss" [NAME] ["over" NAME ("," NAME)*] ["="] expression ";"    -- "=" where a name or "over" stands
//!             | "for" (NAME | "_") "in" expression [".." expression] "{" statement* "}"
//!             | "yield" expression [";"]                                        -- the last one of a body needs no ";"
//! names       = NAME | "(" NAME ("," NAME)* ")"
//!
//! expression  = both ("||" both)*
//! both        = comparison ("&&" comparison)*
//! comparison  = sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
//! sum         = product (("+" | "-") product)*
//! product     = unary (("*" | "/" | "@") unary)*
//! unary       = ("-" | "!") unary | primary
//! primary     = INTEGER | FLOAT | BOOL | NAME | NAME ("." (NAME | INTEGER))+ | NAME arguments | PATH "(" … ")"
//!             | "(" expression ")" | "[" [expression ("," expression)*] "]" | "{" RUST "}"
//!             | "(" expression "," [expression ("," expression)*] ")"
//!             | if | scan
//! scan        = "scan" ["reverse"] slices ("," slices)* ("," names "=" expression)* "{" statement* "}"
//! slices      = NAME "in" expression ["along" (NAME | ["-"] INTEGER)]           -- left out, it is that of the next one
//! if          = "if" expression "{" expression "}" "else" (if | "{" expression "}")
//! arguments   = "(" [expression ("," expression)*] ["," NAME ":" expression …] ")"
//! ```

mod token;

mod foreign;
mod index;

mod calls;

mod translate;

mod mend;
mod members;

mod behind;

mod named;

mod expression;

mod arguments;

mod types;

mod binding;

mod declaration;

mod choice;

mod statement;

mod scan;

mod item;

#[cfg(test)]
mod tests;

use crate::diagnose::Diagnostics;
use crate::syntax::Declarations;
use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};

/// Reads everything that can be read.
pub(crate) fn program(tokens: TokenStream) -> (Declarations, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let mut program = Declarations::default();
    let parsed = (|input: ParseStream| {
        item::items(input, &mut program, &mut diagnostics);
        Ok(())
    })
    .parse2(tokens);
    // Skipped tokens make syn complain at the end; where a mistake is known already, that says nothing new.
    if let (Err(error), true) = (parsed, diagnostics.is_empty()) {
        diagnostics.add_syn(&error);
    }
    (program, diagnostics)
}
