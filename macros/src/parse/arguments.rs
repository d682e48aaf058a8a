//! Arguments of calls: by position, then by name.

use super::expression::expression;
use super::token::{foreign, here, mistake, separated};
use crate::syntax::Arguments;
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
        if content.peek(Ident) && content.peek2(Token![:]) && !content.peek2(Token![::]) {
            let name = content.parse()?;
            content.parse::<Token![:]>()?;
            arguments.named.push((name, expression(&content)?));
        } else {
            let value = expression(&content)?;
            if content.peek(Token![..]) {
                let help = "say where it starts and ends: `slice(x, start: 0, end: 2, axis: 1)`";
                return Err(mistake(here(&content), "an argument is no range", help));
            }
            if !arguments.named.is_empty() {
                let help = "positional arguments come first";
                return Err(mistake(value.location.start, "a positional argument behind a named one", help));
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
