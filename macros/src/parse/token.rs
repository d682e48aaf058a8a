//! Helpers of all parsers: locations of tokens, mistakes, separators.

use crate::diagnose::MEND;
use crate::syntax::Location;
use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Ident, Token};

/// A mistake with a mend.
pub(super) fn mistake(
    span: Span,
    message: impl std::fmt::Display,
    help: impl std::fmt::Display,
) -> syn::Error {
    syn::Error::new(span, format!("{message}\n= help: {help}"))
}

/// A mistake of a form of another language.
pub(super) fn foreign(
    span: Span,
    message: impl std::fmt::Display,
    help: impl std::fmt::Display,
) -> syn::Error {
    syn::Error::new(span, format!("{message}{MEND}{help}"))
}

/// The span of the next token; of a group, where it opens.
pub(super) fn here(input: ParseStream) -> Span {
    match input.cursor().token_tree() {
        Some((TokenTree::Group(group), _)) => group.span_open(),
        _ => input.cursor().span(),
    }
}

/// Everything from `start` to the token before the cursor, given the last token read.
pub(super) fn since(start: Span, input: ParseStream, before: ParseStream) -> Location {
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
    Location { start, end: last }
}

/// Reads a name, or says that one is missing.
pub(super) fn name(input: ParseStream, help: &str) -> syn::Result<Ident> {
    if input.peek(Ident) {
        return input.parse();
    }
    match input.fork().call(Ident::parse_any) {
        Ok(word) if word == "_" => Err(mistake(here(input), "`_` is no name", help)),
        Ok(word) => Err(mistake(here(input), format!("`{word}` is a word of Rust's own"), help)),
        Err(_) => Err(mistake(here(input), "expected a name", help)),
    }
}

/// Reads `;`, or says behind which token it is missing: `before` is the input where the statement's last part begins.
pub(super) fn semicolon(input: ParseStream, before: ParseStream) -> syn::Result<()> {
    if input.peek(Token![;]) {
        input.parse::<Token![;]>()?;
        return Ok(());
    }
    let last = since(here(before), input, before).end;
    let is_new_line = input.is_empty() || here(input).start().line > last.end().line;
    if is_new_line || input.peek(Ident::peek_any) {
        return Err(mistake(last, "expected `;` behind this", "every statement ends with `;`"));
    }
    Err(syn::Error::new(here(input), "expected `;` or an operator"))
}

/// Refuses what is left inside brackets.
pub(super) fn nothing_left(content: ParseStream, expected: &str) -> syn::Result<()> {
    if content.is_empty() {
        Ok(())
    } else {
        Err(syn::Error::new(here(content), format!("expected {expected}")))
    }
}

/// Refuses what is left behind a part of a list, which began at `before`: a comma is missing.
pub(super) fn separated(content: ParseStream, before: ParseStream) -> syn::Result<()> {
    if content.is_empty() {
        return Ok(());
    }
    if content.peek(Token![for]) {
        let help = "repeat with a loop: `for i in 0..3 { h = relu(linear(h, width)); }`";
        return Err(mistake(here(content), "a list is written part by part", help));
    }
    let last = since(here(before), content, before).end;
    Err(mistake(last, "expected `,` or an operator behind this", "a comma stands between the parts: `a, b`"))
}

/// True when the next token is the word `expected`, which Rust does not reserve.
pub(super) fn word(input: ParseStream, expected: &str) -> bool {
    input.fork().call(Ident::parse_any).is_ok_and(|found| found == expected)
}

/// `part, part, …` with an optional comma at the end.
pub(super) fn comma_separated<T>(
    content: ParseStream,
    mut part: impl FnMut(ParseStream) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    let mut parts = Vec::new();
    while !content.is_empty() {
        let before = content.fork();
        parts.push(part(content)?);
        if content.peek(Token![,]) {
            content.parse::<Token![,]>()?;
        } else {
            separated(content, &before)?;
        }
    }
    Ok(parts)
}
