//! Expressions: each becomes a Rust expression of type `Argument`.

use super::expander::{Expander, SharedCall, builder, layer_function, local};
use crate::callee::{Callee, Function};
use crate::syntax::{Arguments, Choice, Connective, Expression, ExpressionKind, Location};
use downhill_nn::composite::{Head, Kind, Parameter, Spot, find_initializer};
use proc_macro2::{Group, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Ident;

impl<'a> Expander<'a> {
    pub(super) fn expression(&self, expression: &'a Expression) -> TokenStream {
        let builder = builder();
        match &expression.kind {
            ExpressionKind::Integer(number) => {
                let number = Literal::i64_suffixed(*number);
                quote!(__Argument::Integer(#number))
            }
            ExpressionKind::Number(number) => quote!(__Argument::Number(#number)),
            ExpressionKind::Bool(flag) => quote!(__Argument::Bool(#flag)),
            ExpressionKind::Text(text) => quote!(__Argument::from(#text)),
            ExpressionKind::Name(name) => {
                let name = local(name);
                quote!(#name.clone())
            }
            ExpressionKind::Parameter(path) => {
                let name = path.join(".");
                quote!(__Argument::from(__language::stored(#builder, #name)))
            }
            ExpressionKind::Negate(operand) => {
                let operand = self.reference(operand);
                quote!(__language::negate(#builder, #operand))
            }
            ExpressionKind::Not(operand) => {
                let operand = self.reference(operand);
                quote!(__language::not(#builder, #operand))
            }
            ExpressionKind::Logical(connective, left, right) => {
                let (left, right) = (self.reference(left), self.expression(right));
                let function = match connective {
                    Connective::And => quote!(and),
                    Connective::Or => quote!(or),
                };
                quote!(__language::#function(#builder, #left, || #right))
            }
            ExpressionKind::If(choice) => self.choice(choice, None),
            ExpressionKind::Binary(operator, left, right) => {
                let (left, right) = (self.reference(left), self.reference(right));
                let operator = Ident::new(&format!("{operator:?}"), proc_macro2::Span::call_site());
                quote!(__language::binary(#builder, __language::Operator::#operator, #left, #right))
            }
            ExpressionKind::Call { function, arguments } => self.call(function, arguments),
            ExpressionKind::PathCall { path, arguments } => {
                self.path_call(path, arguments, expression.location)
            }
            ExpressionKind::Shape(parts) => {
                let parts = self.list(parts);
                quote!(__language::list(#builder, &#parts))
            }
            ExpressionKind::Tuple(parts) => {
                let parts = self.list(parts);
                quote!(__language::together(#builder, &#parts))
            }
            ExpressionKind::Scan(scan) => self.scan(scan, expression.location),
            ExpressionKind::Rust(tokens) => {
                let span = Span::call_site().located_at(expression.location.start);
                quote_spanned!(span=> __language::of_rust({ #tokens }))
            }
            // Stands only where it is never evaluated.
            ExpressionKind::Whatever => quote!(__Argument::Unknown),
        }
    }

    /// The branch that is taken, as an argument of `kind`; neither after a mistake.
    fn choice(&self, choice: &'a Choice, kind: Option<Kind>) -> TokenStream {
        let (builder, condition) = (builder(), self.reference(&choice.condition));
        let (then, otherwise) = (self.argument(&choice.then, kind), self.argument(&choice.otherwise, kind));
        quote! {
            match __language::condition(#builder, "if", #condition) {
                ::core::option::Option::Some(true) => #then,
                ::core::option::Option::Some(false) => #otherwise,
                ::core::option::Option::None => __Argument::Unknown,
            }
        }
    }

    /// A reference to an expression's result.
    pub(super) fn reference(&self, expression: &'a Expression) -> TokenStream {
        if let ExpressionKind::Name(name) = &expression.kind {
            let name = local(name);
            return quote!(&#name);
        }
        let expression = self.expression(expression);
        quote!(&#expression)
    }

    /// `[a, b, …]` of `Argument`s.
    pub(super) fn list(&self, expressions: &'a [Expression]) -> TokenStream {
        let expressions = expressions.iter().map(|expression| self.expression(expression));
        quote!([#(#expressions),*])
    }

    /// What a Rust function gets: plain values as they are, tensors by reference.
    fn rust_argument(&self, expression: &'a Expression) -> TokenStream {
        match &expression.kind {
            ExpressionKind::Integer(number) => Literal::i64_unsuffixed(*number).into_token_stream(),
            ExpressionKind::Number(number) => Literal::f64_unsuffixed(*number).into_token_stream(),
            ExpressionKind::Bool(flag) => quote!(#flag),
            ExpressionKind::Text(text) => quote!(#text),
            ExpressionKind::Rust(tokens) => quote!({ #tokens }),
            ExpressionKind::If(choice) if self.is_plain(expression) => {
                let (builder, condition) = (builder(), self.reference(&choice.condition));
                let (then, otherwise) =
                    (self.rust_argument(&choice.then), self.rust_argument(&choice.otherwise));
                // After a mistake it does not matter which is taken.
                quote!(if __language::condition(#builder, "if", #condition) == ::core::option::Option::Some(true) {
                    #then
                } else {
                    #otherwise
                })
            }
            ExpressionKind::Name(name) if self.rust.iter().any(|known| name == known) => quote!(#name),
            _ => {
                let (value, builder) = (self.reference(expression), builder());
                quote!(&__language::tensor(#builder, #value))
            }
        }
    }

    /// A Rust function by its path. Types that do not fit are told at the call or the argument, not at the whole macro.
    fn path_call(&self, path: &syn::Path, arguments: &'a [Expression], location: Location) -> TokenStream {
        let at = |span: Span| Span::call_site().located_at(span);
        let arguments = arguments.iter().map(|argument| {
            let value = self.rust_argument(argument);
            match &argument.kind {
                ExpressionKind::Rust(_) => value,
                _ => relocated(value, at(argument.location.start)),
            }
        });
        let (builder, span) = (builder(), at(location.start));
        let call = quote_spanned!(span=> __language::of_rust(#path(#(#arguments),*)));
        quote!(#builder.layer(|| {
            let __result = #call;
            __language::gives(#builder, &__result);
            __result
        }))
    }

    /// Whether it is a plain value of Rust, in each branch.
    fn is_plain(&self, expression: &Expression) -> bool {
        match &expression.kind {
            ExpressionKind::If(choice) => self.is_plain(&choice.then) && self.is_plain(&choice.otherwise),
            ExpressionKind::Name(name) => self.rust.iter().any(|known| name == known),
            ExpressionKind::Integer(_)
            | ExpressionKind::Number(_)
            | ExpressionKind::Bool(_)
            | ExpressionKind::Text(_)
            | ExpressionKind::Rust(_) => true,
            _ => false,
        }
    }

    fn call(&self, function: &'a Ident, arguments: &'a Arguments) -> TokenStream {
        let name = function.to_string();
        if let Some(shared) = self.instances.iter().rev().find_map(|block| block.get(&name)) {
            let (builder, instance) = (builder(), local(function));
            let SharedCall { function, positional, named } = shared;
            let (all, words) = self.arguments(function, arguments, 0);
            // Evaluated before the use begins: `g(g(x))` is two uses, one after the other.
            let values: Vec<TokenStream> =
                all.iter().chain(words.iter().map(|(_, value)| value)).cloned().collect();
            let hand_over = |number: usize| {
                let number = Literal::usize_unsuffixed(number);
                quote!(__given.#number.clone())
            };
            let count = all.len();
            let mut all: Vec<TokenStream> = (0..count).map(hand_over).collect();
            let words = words.iter().enumerate();
            let mut words: Vec<_> =
                words.map(|(number, (name, _))| (*name, hand_over(count + number))).collect();
            all.extend((0..*positional).map(|number| quote!(#instance.1[#number].clone())));
            let own = named.iter().enumerate().map(|(number, name)| (*name, positional + number));
            words.extend(own.map(|(name, number)| (name, quote!(#instance.1[#number].clone()))));
            let call = self.plain_call(function, all, words);
            return quote!({
                let __given = (#(#values,)*);
                #builder.shared(#instance.0, || #call)
            });
        }

        let (positional, named) = self.arguments(function, arguments, 0);
        self.plain_call(function, positional, named)
    }

    /// Arguments of a call of `function` whose first positional one is the parameter at `first`.
    #[allow(clippy::type_complexity)]
    pub(super) fn arguments(
        &self,
        function: &Ident,
        arguments: &'a Arguments,
        first: usize,
    ) -> (Vec<TokenStream>, Vec<(&'a Ident, TokenStream)>) {
        let callee = Callee::find(self.program, function);
        let parameters = callee.as_ref().map(Callee::parameters).unwrap_or_default();
        let head = Head { name: "", parameters: &parameters };
        let positional = arguments.positional.iter().enumerate();
        let positional = positional
            .map(|(position, expression)| self.argument(expression, head.kind_at(first + position)));
        let named = arguments
            .named
            .iter()
            .map(|(name, expression)| (name, self.argument(expression, head.kind_of(&name.to_string()))));
        (positional.collect(), named.collect())
    }

    fn argument(&self, expression: &'a Expression, kind: Option<Kind>) -> TokenStream {
        match (&expression.kind, kind) {
            (ExpressionKind::Call { function, arguments }, Some(Kind::Initializer)) => {
                let initializer = self.initializer(function, arguments);
                quote!(__Argument::Initializer(#initializer))
            }
            (ExpressionKind::If(choice), _) => self.choice(choice, kind),
            (ExpressionKind::Name(name), Some(kind)) if is_word(name, kind) => {
                let word = name.to_string();
                quote!(__Argument::Word(#word))
            }
            _ => self.expression(expression),
        }
    }

    pub(super) fn initializer(&self, function: &'a Ident, arguments: &'a Arguments) -> TokenStream {
        let (name, builder) = (function.to_string(), builder());
        // Nothing is expanded that the check has refused.
        let parameters = find_initializer(&name).map_or(&[][..], |known| known.parameters);
        let head = Head { name: "", parameters };
        let positional = arguments.positional.iter().enumerate();
        let positional = positional.map(|(n, expression)| self.argument(expression, head.kind_at(n)));
        let names = arguments.named.iter().map(|(name, _)| name);
        let pointer = pointer(&quote!(manual::initializers), function, names, parameters);
        let named = arguments.named.iter().map(|(name, expression)| {
            let name = name.to_string();
            let value = self.argument(expression, head.kind_of(&name));
            quote!((#name, #value))
        });
        quote!({ #pointer __language::initializer(#builder, #name, &[#(#positional),*], &[#(#named),*]) })
    }

    fn plain_call(
        &self,
        function: &Ident,
        positional: Vec<TokenStream>,
        named: Vec<(&'a Ident, TokenStream)>,
    ) -> TokenStream {
        let builder = builder();
        let words: Vec<String> = named.iter().map(|(name, _)| name.to_string()).collect();

        let callee = Callee::find(self.program, function);
        if let Some(callee) = &callee
            && let Function::Layer(layer) = callee.function
        {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let parameters = callee.parameters();
            let head = Head { name: &callee.name, parameters: &parameters };
            // Nothing is expanded that the check has refused.
            let spots = head.assign(positional.len(), &words).unwrap_or_default();
            let given = spots.into_iter().flatten().filter_map(|spot| match spot {
                Spot::Positional(position) => positional.get(position),
                Spot::Named(position) => named.get(position).map(|(_, value)| value),
                Spot::Call | Spot::Name(_) => None,
            });
            let mut called = layer_function(&layer.name);
            called.set_span(called.span().located_at(function.span()));
            return quote!(#called(#builder, #(#given),*));
        }

        let name = function.to_string();
        let parameters = callee.as_ref().map(Callee::parameters).unwrap_or_default();
        let pointer = pointer(&quote!(manual), function, named.iter().map(|(name, _)| *name), &parameters);
        let named = words.iter().zip(&named).map(|(name, (_, value))| quote!((#name, #value)));
        quote!({ #pointer __language::call(#builder, #name, &[#(#positional),*], &[#(#named),*]) })
    }
}

/// An import that brings nothing: it leads editors from a call, and from the names of its arguments, to what the manual says of them.
fn pointer<'n>(
    manual: &TokenStream,
    function: &Ident,
    words: impl Iterator<Item = &'n Ident>,
    parameters: &[Parameter<'_>],
) -> TokenStream {
    let at = |name: &str, span: Span| Ident::new(name, Span::call_site().located_at(span));
    let words = words.filter_map(|word| {
        let parameter = parameters.iter().find(|parameter| parameter.answers_to(&word.to_string()))?;
        Some(at(parameter.name, word.span()))
    });
    let function = at(&function.to_string(), function.span());
    quote!(use __nn::#manual::#function::{self as _, #(#words as _),*};)
}

/// Tokens at another place of the source, where messages of rustc about them stand; names mean what they meant.
fn relocated(tokens: TokenStream, span: Span) -> TokenStream {
    let relocated = |mut tree: TokenTree| {
        if let TokenTree::Group(group) = &tree {
            tree = TokenTree::Group(Group::new(group.delimiter(), relocated(group.stream(), span)));
        }
        let located = tree.span().located_at(span);
        tree.set_span(located);
        tree
    };
    tokens.into_iter().map(relocated).collect()
}

/// Whether a parameter of this kind takes a name for a word.
fn is_word(name: &Ident, kind: Kind) -> bool {
    kind.vocabulary().iter().any(|word| name == word)
}
