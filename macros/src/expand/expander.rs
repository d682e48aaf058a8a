//! The state of an expansion: the names in scope, and helpers that write the tokens used everywhere.

use crate::shapes::Shapes;
use crate::signature::Typed;
use crate::syntax::{Declarations, Location};
use downhill_graph::types::ElementType;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use std::collections::HashMap;
use syn::Ident;

/// Writes the code of one network or layer.
#[derive(Clone)]
pub(super) struct Expander<'a> {
    pub(super) program: &'a Declarations,
    /// What values are, by the names that declare them.
    shapes: &'a Shapes,
    /// What instances in sight stand for, by block.
    pub(super) instances: Vec<HashMap<String, SharedCall<'a>>>,
    /// Names that Rust code in `{ … }` can use: arguments of the network, variables of loops.
    pub(super) rust: Vec<String>,
    /// The axes that names in sight were declared with.
    pub(super) typed: Typed<'a>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(program: &'a Declarations, shapes: &'a Shapes) -> Expander<'a> {
        Expander { program, shapes, instances: vec![HashMap::new()], rust: Vec::new(), typed: Typed::new() }
    }
}

impl Expander<'_> {
    /// An item that says what the value called `name` is, where editors look for it: at the name.
    pub(super) fn shape_of(&self, name: &Ident) -> TokenStream {
        let Some(ty) = self.shapes.of(name) else { return TokenStream::new() };
        let about = format!("`{name}`: {ty}");
        let mut item = name.clone();
        item.set_span(Span::call_site().located_at(name.span()));
        quote!({
            #[doc = #about]
            const #item: () = ();
        })
    }
}

/// `shared g = function(…)`: `g` is a pair of the instance and an array of its arguments, positional ones first.
#[derive(Clone)]
pub(super) struct SharedCall<'a> {
    pub(super) function: &'a Ident,
    pub(super) positional: usize,
    pub(super) named: Vec<&'a Ident>,
}

pub(super) fn builder() -> Ident {
    Ident::new("__builder", Span::mixed_site())
}

/// A name of the declaration, seen only by what the macro writes.
pub(super) fn local(name: &Ident) -> Ident {
    // A copy, since a raw name (`r#in`) cannot be made from its text.
    let mut local = name.clone();
    local.set_span(Span::mixed_site().located_at(name.span()));
    local
}

/// The function of a layer. It lies where the layer's name does, so that editors find one by the other.
pub(super) fn layer_function(name: &Ident) -> Ident {
    format_ident!("__layer_{name}", span = Span::call_site().located_at(name.span()))
}

/// The user's line, for the messages of `build`.
pub(super) fn location(location: Location) -> TokenStream {
    let start = location.start.start();
    let (line, column) = (start.line as u32, start.column as u32 + 1);
    quote!(__language::place(file!(), #line, #column))
}

pub(super) fn element(element: ElementType) -> TokenStream {
    let variant = match element {
        ElementType::F32 => quote!(F32),
        ElementType::F64 => quote!(F64),
        ElementType::I32 => quote!(I32),
        ElementType::U32 => quote!(U32),
        ElementType::Bool => quote!(Bool),
    };
    quote!(__graph::types::ElementType::#variant)
}

pub(super) fn optional_element(written: Option<ElementType>) -> TokenStream {
    match written.map(element) {
        Some(element) => quote!(::core::option::Option::Some(#element)),
        None => quote!(::core::option::Option::None),
    }
}
