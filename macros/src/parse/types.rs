//! Types of tensors.

use super::expression;
use super::token::{comma_separated, here, mistake, since};
use crate::syntax::{Expression, ExpressionKind, Location, TensorType};
use downhill_graph::types::ElementType;
use syn::parse::ParseStream;
use syn::{Ident, Token, bracketed, parenthesized, token};

/// `[dims]` or `i32[dims]`.
pub(super) fn tensor_type(input: ParseStream) -> syn::Result<TensorType> {
    typed(input, |input| {
        if input.peek(Token![_]) {
            let help = "name the size, as in `[batch, n]`";
            return Err(mistake(here(input), "`_` stands only in the shape that a layer gives", help));
        }
        expression::expression(input)
    })
}

/// What a layer gives: one type, or several in parentheses.
pub(super) fn result_types(input: ParseStream) -> syn::Result<Vec<TensorType>> {
    if !input.peek(token::Paren) {
        return Ok(vec![result_type(input)?]);
    }
    let content;
    let parens = parenthesized!(content in input);
    let types = comma_separated(&content, result_type)?;
    if types.is_empty() {
        return Err(mistake(
            parens.span.open(),
            "a layer gives a value",
            "write its shape: `-> [batch, units]`",
        ));
    }
    Ok(types)
}

/// The same as a type, where `_` is whatever comes out.
fn result_type(input: ParseStream) -> syn::Result<TensorType> {
    typed(input, |input| {
        if !input.peek(Token![_]) {
            return expression::expression(input);
        }
        let location = Location::at(input.parse::<Token![_]>()?.span);
        Ok(Expression { kind: ExpressionKind::Whatever, location })
    })
}

fn typed(
    input: ParseStream,
    dim: impl FnMut(ParseStream) -> syn::Result<Expression>,
) -> syn::Result<TensorType> {
    let (start, before) = (here(input), input.fork());
    let element = if input.peek(Ident) { Some(element_type(&input.parse()?)?) } else { None };
    if !input.peek(token::Bracket) {
        return Err(mistake(
            here(input),
            "expected a shape in brackets",
            "write `[batch, 2]` or `i32[batch]`",
        ));
    }

    let content;
    bracketed!(content in input);
    let dims = comma_separated(&content, dim)?;
    Ok(TensorType { element, dims, location: since(start, input, &before) })
}

fn element_type(name: &Ident) -> syn::Result<ElementType> {
    let all = [ElementType::F32, ElementType::F64, ElementType::I32, ElementType::U32, ElementType::Bool];
    all.into_iter().find(|element| name == element.name()).ok_or_else(|| {
        mistake(
            name.span(),
            format!("`{name}` is no element type"),
            "f32 (which need not be written), f64, i32, u32 or bool",
        )
    })
}
