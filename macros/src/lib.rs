//! How the user says it: the `network!` macro.
//!
//! Data order: `parse` makes the tree of [`syntax`] from tokens, `check` interprets it over a real graph while rustc runs,
//! `expand` writes the calls of the builder that do the same when a network is built.

mod syntax;

mod diagnose;

mod parse;

mod signature;

mod check;

mod expand;

use proc_macro::TokenStream;

/// Declares networks.
#[proc_macro]
pub fn network(tokens: TokenStream) -> TokenStream {
    let (program, mut diagnostics) = parse::program(tokens.into());
    // What parsed is checked even beside what did not: all mistakes at once.
    check::program(&program, &mut diagnostics);
    if diagnostics.is_empty() {
        return expand::program(&program).into();
    }
    let stubs = expand::stubs(&program);
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #stubs).into()
}
