//! Statements: each becomes one or a few Rust statements.

use super::expander::{Expander, SharedCall, builder, element, local, location};
use crate::syntax::{Expression, ExpressionKind, Output, Over, Statement, StatementKind, TensorType};
use downhill_graph::graph::StorageKind;
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::{BTreeSet, HashMap};
use syn::Ident;

impl<'a> Expander<'a> {
    pub(super) fn statements(&mut self, statements: &'a [Statement]) -> TokenStream {
        statements
            .iter()
            .map(|statement| {
                let (builder, location) = (builder(), location(statement.location));
                let code = self.statement(&statement.kind);
                quote!(#builder.at(#location); #code)
            })
            .collect()
    }

    /// The sizes that inputs bring: each is the symbol of its name.
    pub(super) fn run_sizes(&self, statements: &'a [Statement]) -> TokenStream {
        let mut known: BTreeSet<String> = self.rust.iter().cloned().collect();
        let mut sizes = TokenStream::new();
        for statement in statements {
            let StatementKind::Input { ty, .. } = &statement.kind else { continue };
            ty.dims.iter().for_each(|dim| symbols(dim, &mut known, &mut sizes));
        }
        sizes
    }

    fn statement(&mut self, statement: &'a StatementKind) -> TokenStream {
        let builder = builder();
        match statement {
            StatementKind::Input { target, name, ty } => {
                let (variable, text) = (local(name), name.to_string());
                let (dims, element) = (self.list(&ty.dims), element(ty.element.unwrap_or_default()));
                let function = if *target { quote!(target) } else { quote!(input) };
                let shape = self.shape_of(name);
                quote!(let mut #variable = __language::#function(#builder, #text, #element, &#dims); #shape)
            }
            StatementKind::Let { names, value } => {
                let (variables, value) = (names.iter().map(local), self.bound_to(names, value));
                let number = 0..names.len();
                let shapes = names.iter().map(|name| self.shape_of(name));
                quote!(#(#shapes)* let __given = #value; #(let mut #variables = __given[#number].clone();)*)
            }
            StatementKind::Rebind { names, value } => {
                let (variables, value) = (names.iter().map(local), self.bound_to(names, value));
                let number = 0..names.len();
                let shapes = names.iter().map(|name| self.shape_of(name));
                quote!(#(#shapes)* let __given = #value; #(#variables = __given[#number].clone();)*)
            }
            StatementKind::Yield(value) => {
                let value = self.expression(value);
                quote!(__yields.push(#builder.scope("yield", || #value));)
            }
            StatementKind::Shared { name, function, arguments } => {
                let (variable, text) = (local(name), name.to_string());
                let (positional, named) = self.arguments(function, arguments, 1);
                let call = SharedCall {
                    function,
                    positional: positional.len(),
                    named: named.iter().map(|(name, _)| *name).collect(),
                };
                let values: Vec<TokenStream> =
                    positional.into_iter().chain(named.into_iter().map(|(_, value)| value)).collect();
                let count = values.len();
                if let Some(block) = self.instances.last_mut() {
                    block.insert(text.clone(), call);
                }
                quote! {
                    let #variable: (_, [__Argument; #count]) = (#builder.instance(#text), [#(#values),*]);
                }
            }
            StatementKind::Storage { kind, name, ty, initializer, arguments } => {
                let initializer = self.initializer(initializer, arguments);
                self.storage(*kind, name, ty, &initializer)
            }
            StatementKind::Update { name, value } => {
                let (variable, text, value) = (local(name), name.to_string(), self.expression(value));
                quote! {
                    let __next = #builder.scope(#text, || #value);
                    __language::update(#builder, &#variable, &__next);
                }
            }
            StatementKind::Output(outputs) => outputs.iter().map(|output| self.output(output)).collect(),
            StatementKind::Loss { name, over, value } => self.loss(name.as_ref(), over, value),
            // Nothing is expanded where something could not be read.
            StatementKind::Broken(_) => TokenStream::new(),
            StatementKind::For { variable, over, body } => self.for_loop(variable.as_ref(), over, body),
        }
    }

    /// The value of a binding, inside its scope.
    fn bound(&self, name: &Ident, value: &'a Expression) -> TokenStream {
        let (text, builder, value) = (name.to_string(), builder(), self.expression(value));
        quote!(__language::named(#builder, #text, #builder.scope(#text, || #value)))
    }

    /// A list with the value of each name of a binding.
    pub(super) fn bound_to(&self, names: &[Ident], value: &'a Expression) -> TokenStream {
        let first = &names[0];
        if names.len() == 1 {
            let value = self.bound(first, value);
            return quote!([#value]);
        }
        let (builder, text, value) = (builder(), first.to_string(), self.expression(value));
        let texts = names.iter().map(Ident::to_string);
        quote!(__language::unpack(#builder, &[#(#texts),*], &#builder.scope(#text, || #value)))
    }

    fn storage(
        &self,
        kind: StorageKind,
        name: &Ident,
        ty: &'a TensorType,
        initializer: &TokenStream,
    ) -> TokenStream {
        let (variable, text, builder) = (local(name), name.to_string(), builder());
        let dims = self.list(&ty.dims);
        let call = match kind {
            StorageKind::Parameter => quote!(param(#builder, #text, &#dims, #initializer)),
            StorageKind::State => {
                let element = element(ty.element.unwrap_or_default());
                quote!(state(#builder, #text, #element, &#dims, #initializer))
            }
        };
        let shape = self.shape_of(name);
        quote!(let mut #variable = __language::#call; #shape)
    }

    fn output(&self, output: &'a Output) -> TokenStream {
        let (variable, text, builder) = (local(&output.name), output.name.to_string(), builder());
        let binding = output.value.as_ref().map(|value| {
            let (value, shape) = (self.bound(&output.name, value), self.shape_of(&output.name));
            quote!(let mut #variable = #value; #shape)
        });
        quote!(#binding __language::output(#builder, #text, &#variable);)
    }

    fn loss(&self, name: Option<&Ident>, over: &[Ident], value: &'a Expression) -> TokenStream {
        let builder = builder();
        let name = name.cloned().unwrap_or_else(|| Ident::new("loss", value.location.start));
        let (text, value) = (name.to_string(), self.bound(&name, value));

        let over = if over.is_empty() {
            quote!(::core::option::Option::None)
        } else {
            let instances = over.iter().map(local);
            quote!(::core::option::Option::Some([#(#builder.storages_of(#instances.0)),*].concat()))
        };

        quote! {
            let __loss = #value;
            __language::loss(#builder, #text, &__loss, #over);
        }
    }

    fn for_loop(
        &mut self,
        variable: Option<&'a Ident>,
        over: &'a Over,
        body: &'a [Statement],
    ) -> TokenStream {
        let builder = builder();
        // Each iteration's number, the variable as a number of Rust, and as what the language makes of it.
        let iterations = match over {
            Over::Range { from, to } => {
                let (from, to) = (self.reference(from), self.reference(to));
                quote! {
                    __language::turns(#builder, #from, #to)
                        .map(|__turn| (__turn, (__turn, __Argument::Integer(__turn as i64))))
                }
            }
            Over::List(list) => {
                let list = self.reference(list);
                quote!(__language::elements(#builder, #list).into_iter().enumerate())
            }
        };
        self.instances.push(HashMap::new());
        let known = self.rust.len();
        self.rust.extend(variable.map(Ident::to_string));
        let body = self.statements(body);
        self.rust.truncate(known);
        self.instances.pop();

        // The variable twice: for Rust in `{ … }`, and for the language.
        let variable = variable.map(|name| {
            let value = local(name);
            quote!(let #name = __number; let #value = __value;)
        });

        quote! {
            for (__turn, (__number, __value)) in #iterations {
                #builder.turn(__turn, || {
                    #variable
                    #body
                });
            }
        }
    }
}

fn symbols(dim: &Expression, known: &mut BTreeSet<String>, sizes: &mut TokenStream) {
    match &dim.kind {
        ExpressionKind::Name(name) => {
            let text = name.to_string();
            if known.insert(text.clone()) {
                let symbol = local(name);
                sizes.extend(quote! {
                    let #symbol = __Argument::Dim(__graph::dim::Dim::symbol(#text));
                });
            }
        }
        ExpressionKind::Negate(operand) => symbols(operand, known, sizes),
        ExpressionKind::Binary(_, left, right) => {
            symbols(left, known, sizes);
            symbols(right, known, sizes);
        }
        _ => {}
    }
}
