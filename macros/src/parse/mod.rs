//! Parsing: the tokens of `network! { … }` to a [`Program`] and the mistakes of form.
//!
//! Must hold: every token is read or skipped, so that one mistake hides no other; after a mistake parsing goes on with the next
//! statement or item.
//!
//! ```text
//! program     = (layer | network)*
//! layer       = attributes "layer" NAME "(" [layer_arg ("," layer_arg)*] ")" ["->" type] "{" statement* expression "}"
//! layer_arg   = NAME [":" type]
//! network     = attributes visibility NAME ["(" [NAME ":" RUST_TYPE ("," …)*] ")"] "{" statement* "}"
//! type        = [f32 | f64 | i32 | u32 | bool] "[" [expression ("," expression)*] "]"
//!
//! statement   = ("input" | "target") NAME ":" type ";"
//!             | "let" NAME "=" expression ";"
//!             | NAME "=" expression ";"
//!             | "shared" NAME "=" NAME [arguments] ";"
//!             | ("param" | "state") NAME ":" type "=" NAME arguments ";"
//!             | "output" NAME ["=" expression] ("," NAME ["=" expression])* ";"
//!             | "loss" [NAME] ["over" NAME ("," NAME)*] ["="] expression ";"    -- "=" where a name or "over" stands
//!             | "for" (NAME | "_") "in" expression ".." expression "{" statement* "}"
//!
//! expression  = sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
//! sum         = product (("+" | "-") product)*
//! product     = unary (("*" | "/" | "@") unary)*
//! unary       = "-" unary | primary
//! primary     = INTEGER | FLOAT | BOOL | NAME | NAME ("." (NAME | INTEGER))+ | NAME arguments | PATH "(" … ")"
//!             | "(" expression ")" | "[" [expression ("," expression)*] "]" | "{" RUST "}"
//! arguments   = "(" [expression ("," expression)*] ["," NAME ":" expression …] ")"
//! ```

mod expression;
mod item;
mod statement;
#[cfg(test)]
mod tests;

use crate::diagnose::Diagnostics;
use crate::syntax::{Place, Program};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};

/// Reads everything that can be read.
pub(crate) fn program(tokens: TokenStream) -> (Program, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let mut program = Program::default();
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

/// A mistake with a mend.
fn mistake(span: Span, message: impl std::fmt::Display, help: impl std::fmt::Display) -> syn::Error {
    syn::Error::new(span, format!("{message}\n= help: {help}"))
}

/// The span of the next token; of a group, where it opens.
fn here(input: ParseStream) -> Span {
    match input.cursor().token_tree() {
        Some((TokenTree::Group(group), _)) => group.span_open(),
        _ => input.cursor().span(),
    }
}

/// Everything from `start` to the token before the cursor, given the last token read.
fn since(start: Span, input: ParseStream, before: ParseStream) -> Place {
    let mut cursor = before.cursor();
    let end_of_read = input.cursor();
    let mut last = start;
    while cursor != end_of_read {
        let Some((tree, next)) = cursor.token_tree() else { break };
        last = match tree {
            TokenTree::Group(group) => group.span_close(),
            other => other.span(),
        };
        cursor = next;
    }
    Place { start, end: last }
}

/// Reads `;`, or says that it is missing.
fn semicolon(input: ParseStream) -> syn::Result<()> {
    if input.is_empty() {
        return Err(syn::Error::new(here(input), "expected `;` at the end of the statement"));
    }
    if !input.peek(syn::Token![;]) {
        return Err(syn::Error::new(here(input), "expected `;` or an operator"));
    }
    input.parse::<syn::Token![;]>()?;
    Ok(())
}

/// Refuses what is left inside brackets.
fn nothing_left(content: ParseStream, expected: &str) -> syn::Result<()> {
    if content.is_empty() {
        Ok(())
    } else {
        Err(syn::Error::new(here(content), format!("expected {expected}")))
    }
}
