//! The mend of a form of another language: the value that holds it, as it is written here.
//!
//! In: a mistake, and where the value begins. Out: the mistake with the mend of the whole value where all of it has one, else of the part.

use super::translate::{self, is_sign};
use crate::diagnose::MEND;
use downhill_nn::composite;
use proc_macro2::{LineColumn, TokenStream, TokenTree};
use syn::parse::ParseStream;

/// Stands before what does the same for a number, which is Rust.
pub(super) const OF_NUMBER: &str = "; of an argument of the network ";

/// Longer mends are harder to read than the form alone that is mended.
const SHORT: usize = 100;

/// `error` about a part of the value that begins `before`, with all methods, indices and calls behind it, as it is written here.
pub(super) fn of_operand(error: syn::Error, before: ParseStream) -> syn::Error {
    let trees = rest(before);
    let error = remended(error, |at| {
        let (mend, read) = translate::first(&trees)?;
        // The form that is mended is a part of what was read.
        let last = trees[..read].last()?.span().end();
        let (at, last) = ((at.line, at.column), (last.line, last.column));
        (at < last).then_some(mend)
    });
    // A function that has no counterpart has advice.
    match trees.as_slice() {
        [TokenTree::Ident(name), TokenTree::Group(_), ..] => advised(error, &name.to_string()),
        _ => error,
    }
}

/// `error` about a part of the value that begins `before` and ends with its statement, as it is written here.
pub(super) fn of_expression(error: syn::Error, before: ParseStream) -> syn::Error {
    remended(error, |_| {
        let trees = rest(before);
        let ends = |tree: &TokenTree| is_sign(tree, ';') || is_sign(tree, ',');
        let end = trees.iter().position(ends).unwrap_or(trees.len());
        translate::whole(&trees[..end])
    })
}

/// `error`, which [`super::token::foreign`] has made, with the mend of more around it.
fn remended(error: syn::Error, mend: impl Fn(LineColumn) -> Option<String>) -> syn::Error {
    let remend = |part: syn::Error| {
        let text = part.to_string();
        let (message, help) = text.split_once(MEND)?;
        let mend = mend(part.span().start()).filter(|mend| mend.chars().count() <= SHORT)?;
        // What follows the mend stays, and what is said of numbers.
        let behind = match help.strip_prefix("write `").and_then(|help| help.split_once('`')) {
            Some((_, rest)) => rest,
            None => help.find(OF_NUMBER).map_or("", |at| &help[at..]),
        };
        Some(syn::Error::new(part.span(), format!("{message}{MEND}write `{mend}`{behind}")))
    };
    let parts = error.into_iter().map(|part| remend(part.clone()).unwrap_or(part));
    parts
        .reduce(|mut all, part| {
            all.combine(part);
            all
        })
        .unwrap_or_else(|| syn::Error::new(proc_macro2::Span::call_site(), "an error without a message"))
}

/// `error` about an argument of `function`, which takes none where it has no counterpart.
fn advised(error: syn::Error, function: &str) -> syn::Error {
    let advice = composite::advice(function);
    let advice = advice.filter(|_| composite::likely(function, composite::names()).is_none());
    match (error.to_string().split_once(MEND), advice) {
        (Some((message, help)), Some(advice)) if help.ends_with("…`") => {
            syn::Error::new(error.span(), format!("{message}\n= help: {advice}"))
        }
        _ => error,
    }
}

fn rest(before: ParseStream) -> Vec<TokenTree> {
    before.fork().parse::<TokenStream>().map_or_else(|_| Vec::new(), |tokens| tokens.into_iter().collect())
}
