//! The expansion: a struct of the arguments, and calls of the builder in the order of the declaration.
//!
//! In: a [`Declarations`] without mistakes, or one with mistakes for which only stubs are made. Out: Rust.
//!
//! Must hold:
//! - what the check does with a form, the expansion does with the same function of `nn::language`;
//! - names of the declaration are resolved where the macro is defined (`mixed_site`), so that neither Rust code in `{ … }` nor the
//!   expansion's own names meet them; names of arguments and loop variables exist a second time as plain Rust values, for `{ … }`;
//! - each statement sets its line before it does anything.

mod expander;

mod expression;

mod statement;

mod scan;

#[cfg(test)]
mod tests;

use crate::shapes::Shapes;
use crate::signature::{self, Axis, written};
use crate::syntax::{ArgumentKind, Declarations, ExpressionKind, Gradient, Layer, Network};
use expander::{Expander, builder, layer_function, local, location, optional_element};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use std::collections::{BTreeSet, HashMap};
use syn::Ident;

/// The whole expansion.
pub(crate) fn program(program: &Declarations, shapes: &Shapes) -> TokenStream {
    let types: TokenStream = program.networks.iter().map(network_type).collect();
    let layers: TokenStream =
        program.layers.iter().map(|layer| Expander::new(program, shapes).layer(layer)).collect();

    let networks: TokenStream =
        program.networks.iter().map(|network| Expander::new(program, shapes).network(network)).collect();
    let unused = shapes.unused.iter().map(unused_input);
    quote! {
        #types
        #(#unused)*
        #[allow(
            unused_mut, unused_variables, unused_assignments, unused_imports, unused_braces, dead_code, non_snake_case,
            non_upper_case_globals,
            clippy::all
        )]
        const _: () = {
            use ::downhill::__private::{graph as __graph, nn as __nn};
            use __nn::composite::Argument as __Argument;
            use __nn::language as __language;
            #layers
            #networks
        };
    }
}

/// What has rustc warn of an input or a target that nothing uses: something deprecated that stands where the name does. A macro, since
/// rustc calls it by its name alone and suggests nothing of its own.
fn unused_input(name: &Ident) -> TokenStream {
    let about = format!("no output and no loss uses it: leave it out, or call it `_{name}`");
    quote_spanned! {name.span()=>
        const _: () = {
            #[deprecated(note = #about)]
            macro_rules! #name { () => {} }
            #name!();
        };
    }
}

/// The types alone, so that a mistake in the declaration gives no second message where they are used.
pub(crate) fn stubs(program: &Declarations) -> TokenStream {
    let stub = |network: &Network| {
        let (ty, name) = (network_type(network), &network.name);
        let text = name.to_string();
        quote! {
            #ty
            impl ::downhill::__private::nn::network::Network for #name {
                fn name(&self) -> &str {
                    #text
                }
                fn declare(&self, _: &::downhill::__private::nn::builder::Builder) {}
            }
        }
    };

    let mut seen = BTreeSet::new();
    program.networks.iter().filter(|network| seen.insert(network.name.to_string())).map(stub).collect()
}

fn network_type(network: &Network) -> TokenStream {
    let Network { attributes, visibility, name, arguments, .. } = network;
    // One declared twice is refused already, and left out of the stub.
    let mut seen = BTreeSet::new();
    let arguments: Vec<_> =
        arguments.iter().filter(|argument| seen.insert(argument.name.to_string())).collect();
    let names: Vec<&Ident> = arguments.iter().map(|argument| &argument.name).collect();
    let types: Vec<&syn::Type> = arguments.iter().map(|argument| &argument.ty).collect();

    let fields = arguments.iter().map(|argument| {
        let (attributes, name, ty) = (&argument.attributes, &argument.name, &argument.ty);
        let about = format!("Argument `{name}` of the network.");
        let about = if attributes.is_empty() { quote!(#[doc = #about]) } else { quote!() };
        quote!(#(#attributes)* #about pub #name: #ty)
    });

    let about = format!("The network `{name}` with these arguments.");
    quote! {
        #(#attributes)*
        #[derive(Clone, Debug)]
        #visibility struct #name {
            #(#fields),*
        }
        #[allow(dead_code, clippy::new_without_default, clippy::too_many_arguments)]
        impl #name {
            #[doc = #about]
            #visibility fn new(#(#names: #types),*) -> Self {
                Self { #(#names),* }
            }
        }
    }
}

impl<'a> Expander<'a> {
    fn network(&mut self, network: &'a Network) -> TokenStream {
        let name = &network.name;
        let (text, builder) = (name.to_string(), builder());
        self.rust = network.arguments.iter().map(|argument| argument.name.to_string()).collect();
        let arguments: TokenStream = network.arguments.iter().map(bind_argument).collect();
        let sizes = self.run_sizes(&network.body);
        self.typed = signature::typed_inputs(&network.body);

        let body = self.statements(&network.body);
        quote! {
            impl __nn::network::Network for #name {
                fn name(&self) -> &str {
                    #text
                }
                fn declare(&self, #builder: &__nn::builder::Builder) {
                    #arguments
                    #sizes
                    #body
                }
            }
        }
    }

    fn layer(&mut self, layer: &'a Layer) -> TokenStream {
        let builder = builder();
        let function = layer_function(&layer.name);
        let locals: Vec<Ident> = layer.arguments.iter().map(|argument| local(&argument.name)).collect();
        let texts: Vec<String> = layer.arguments.iter().map(|argument| argument.name.to_string()).collect();
        self.typed = signature::typed(layer);
        let head = self.head(layer);
        let body = self.statements(&layer.body);
        let location = location(layer.value.location);
        let value = self.expression(&layer.value);

        let returned = self.returned(layer);
        let gradient = self.own_gradient(layer);
        let attributes = &layer.attributes;
        quote! {
            #(#attributes)*
            fn #function(
                #builder: &__nn::builder::Builder,
                #(#locals: __Argument),*
            ) -> __Argument {
                __language::layer(#builder, &[#((#texts, &#locals)),*], || {
                    #(let mut #locals = #locals.clone();)*
                    #head
                    #body
                    #builder.at(#location);
                    let __result = #value;
                    #returned
                    #gradient
                    __language::gives(#builder, &__result);
                    __result
                })
            }
        }
    }

    /// Gives the result of a layer the gradient that it writes.
    fn own_gradient(&self, layer: &'a Layer) -> TokenStream {
        let Some(Gradient { name, body, value }) = &layer.gradient else { return TokenStream::new() };
        let (builder, text, arriving) = (builder(), layer.name.to_string(), local(name));
        let texts = layer.arguments.iter().map(|argument| argument.name.to_string());
        let locals = layer.arguments.iter().map(|argument| local(&argument.name));
        let location = location(value.location);

        // A block of its own: what it declares ends with it.
        let mut inside = self.clone();
        inside.instances.push(HashMap::new());
        let (body, value) = (inside.statements(body), inside.expression(value));
        quote! {
            let __arguments = [#((#texts, &#locals.clone())),*];
            let __result = __language::own_gradient(#builder, #text, &__arguments, &__result, |#arriving| {
                #body
                let __share = #value;
                #builder.at(#location);
                __share
            });
        }
    }

    /// Checks what a layer gives against its head.
    fn returned(&self, layer: &'a Layer) -> TokenStream {
        let (builder, name, count) = (builder(), layer.name.to_string(), layer.results.len());
        if count == 0 {
            return TokenStream::new();
        }
        let checks = layer.results.iter().enumerate().map(|(number, ty)| {
            let element = optional_element(ty.element);
            let dims = ty.dims.iter().map(|dim| match dim.kind {
                ExpressionKind::Whatever => quote!(::core::option::Option::None),
                _ => {
                    let dim = self.expression(dim);
                    quote!(::core::option::Option::Some(#dim))
                }
            });
            quote!(__language::returned(#builder, #name, &__parts[#number], #element, &[#(#dims),*]);)
        });
        quote! {
            let __parts = __language::parts(#builder, #name, &__result, #count);
            #(#checks)*
        }
    }

    /// Binds the sizes that the head of a layer names, and checks the others.
    fn head(&mut self, layer: &'a Layer) -> TokenStream {
        // All sizes are bound before any is checked: a check may use a size that a later argument binds.
        let (mut bound, mut checked) = (TokenStream::new(), TokenStream::new());
        let builder = builder();
        for (position, axes) in signature::axes(layer) {
            let argument = &layer.arguments[position];
            let Some(ty) = &argument.ty else { continue };
            let (name, word, value) =
                (layer.name.to_string(), argument.name.to_string(), local(&argument.name));
            let given = format_ident!("__{}", argument.name, span = Span::mixed_site());
            let (texts, element) = (ty.dims.iter().map(written), optional_element(ty.element));
            let input = quote!(__language::LayerInput { layer: #name, name: #word, argument: &#value });
            bound.extend(quote!(let #given = __language::given(#builder, #input, #element, &[#(#texts),*]);));
            for (number, axis) in axes.iter().enumerate() {
                match axis {
                    Axis::Binds(symbol) => {
                        let symbol = local(symbol);
                        bound.extend(quote!(let mut #symbol = #given[#number].clone();));
                    }
                    Axis::Equals(expression) => {
                        let (text, expected) = (written(expression), self.expression(expression));
                        checked.extend(quote! {
                            __language::fits(#builder, #input, #number, &#given[#number], #text, &#expected);
                        });
                    }
                }
            }
        }

        quote!(#bound #checked)
    }
}

fn bind_argument(argument: &crate::syntax::Argument) -> TokenStream {
    let (name, value, builder) = (&argument.name, local(&argument.name), builder());
    let text = name.to_string();
    match argument.kind {
        ArgumentKind::Size => quote! {
            let #name = self.#name;
            let #value = __Argument::Dim(#builder.argument(#text, #name));
        },
        ArgumentKind::Number | ArgumentKind::Bool => quote! {
            let #name = self.#name;
            let #value = __Argument::from(#name);
        },
        ArgumentKind::Sizes => quote! {
            let #name = &self.#name;
            let #value = __Argument::from(#name);
        },
        ArgumentKind::Rust => quote!(let #name = &self.#name;),
    }
}
