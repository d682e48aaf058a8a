//! Arguments of calls: by position, then by name.

use super::expression::expression;
use super::token::{foreign, here, mistake, separated};
use crate::signature::spelled;
use crate::syntax::{Arguments, Expression, ExpressionKind};
use downhill_nn::composite;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Token, parenthesized};

// A trait of the tree, since what stands behind a value may be a call with arguments.
impl Parse for Arguments {
    fn parse(input: ParseStream) -> syn::Result<Arguments> {
        arguments(input)
    }
}

/// The mistake of `name = value`.
fn named_by_equals(content: ParseStream) -> syn::Error {
    let (name, span) = (content.parse::<Ident>(), here(content));
    let name = name.map_or_else(|_| "name".to_owned(), |name| name.to_string());
    foreign(span, "an argument is named with `:`", format!("write `{name}: …`"))
}

/// The mistake of `0..1` as an argument.
fn range(content: ParseStream, from: &Expression) -> syn::Error {
    let help = match from.kind {
        ExpressionKind::Integer(_) => "say where it starts and ends: `slice(x, start: 0, end: 2, axis: 1)`",
        _ => "its ends are two arguments: `uniform(-0.1, 0.1)`",
    };
    mistake(here(content), "an argument is no range", help)
}

/// The mistake of an argument without a name behind one with a name.
fn behind_named(value: &Expression) -> syn::Error {
    let text = spelled(value);
    let help = match &value.kind {
        ExpressionKind::Name(name) if composite::is_activation(&name.to_string()) => {
            format!("an activation is called around it: `{text}(linear(x, 8))`")
        }
        _ => format!("arguments without a name come first; give `{text}` its name too: `name: {text}`"),
    };
    mistake(value.location.start, "an argument without a name behind one with a name", help)
}

/// `(positional, …, name: named, …)`.
pub(super) fn arguments(input: ParseStream) -> syn::Result<Arguments> {
    let content;
    parenthesized!(content in input);

    let mut arguments = Arguments::default();
    while !content.is_empty() {
        if content.peek(Ident) && content.peek2(Token![=]) && !content.peek2(Token![==]) {
            return Err(named_by_equals(&content));
        }
        let before = content.fork();
        if content.peek(Ident::peek_any) && content.peek2(Token![:]) && !content.peek2(Token![::]) {
            let name = content.call(Ident::parse_any)?;
            content.parse::<Token![:]>()?;
            arguments.named.push((name, expression(&content)?));
        } else {
            let value = expression(&content)?;
            if content.peek(Token![..]) {
                return Err(range(&content, &value));
            }
            if !arguments.named.is_empty() {
                return Err(behind_named(&value));
            }
            arguments.positional.push(value);
        }
        if content.peek(Token![,]) {
            content.parse::<Token![,]>()?;
        } else {
            separated(&content, &before)?;
        }
    }

    Ok(arguments)
}
