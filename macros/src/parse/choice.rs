//! What loops run over, and the refusal of an `if` that stands for itself.

use super::expression;
use super::token::{here, mistake};
use crate::diagnose::Diagnostics;
use crate::signature::written;
use crate::syntax::{ExpressionKind, Over, StatementKind};
use proc_macro2::TokenTree;
use syn::parse::ParseStream;
use syn::{Token, token};

/// `from..to`, or a list.
pub(super) fn over(input: ParseStream) -> syn::Result<Over> {
    let first = expression::expression(input)?;
    if let ExpressionKind::Call { function, arguments } = &first.kind
        && function == "range"
    {
        let bounds: Vec<String> = arguments.positional.iter().map(written).collect();
        let help = match bounds.as_slice() {
            [from, to, ..] => format!("write `{from}..{to}`"),
            [to] => format!("write `0..{to}`"),
            [] => "write `0..depth`".into(),
        };
        return Err(mistake(function.span(), "a range is written with dots", help));
    }
    if input.peek(Token![..=]) {
        return Err(mistake(here(input), "a loop ends before its bound", "write `from..to + 1`"));
    }
    if input.peek(Token![..]) {
        input.parse::<Token![..]>()?;
        return Ok(Over::Range { from: first, to: expression::bound(input)? });
    }

    let is_number = matches!(first.kind, ExpressionKind::Integer(_) | ExpressionKind::Number(_));
    if is_number || !input.peek(token::Brace) {
        let message =
            if is_number { "expected `..`" } else { "expected `..`, or `{` with the body of the loop" };
        let help = "write `for _ in 0..depth { … }`, or a list: `for width in [16, 32] { … }`";
        return Err(mistake(here(input), message, help));
    }
    Ok(Over::List(first))
}

/// Refuses an `if` that stands for itself, with all of its branches.
pub(super) fn conditional(input: ParseStream, diagnostics: &mut Diagnostics) -> StatementKind {
    let help = "write `let name = if … { … } else { … };`, or `name = …` for a name that is there; where each run decides, by a tensor, `name = select(mask, a, b);`";
    diagnostics.add_syn(&mistake(here(input), "an `if` is a value, not a statement", help));

    let mut behind_branch = false;
    while !input.is_empty() && (!behind_branch || input.peek(Token![else])) {
        behind_branch = input.peek(token::Brace);
        if input.parse::<TokenTree>().is_err() {
            break;
        }
        // Another `if` follows, or the last branch.
        if input.peek(Token![;]) {
            break;
        }
    }
    if input.peek(Token![;]) {
        let _ = input.parse::<Token![;]>();
    }
    StatementKind::Broken(Vec::new())
}
