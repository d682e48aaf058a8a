//! Collects mistakes and says them all at once, each on its tokens.
//!
//! On stable Rust a macro can only give an error's text, so notes and help are further lines of it.

use crate::syntax::Location;
use downhill_graph::error::Error;
use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, TokenStream, TokenTree};

/// Stands, in a parser's error, before a mend that says how a form of another language is written here: the mend of more around it may
/// take its place.
pub(crate) const MEND: &str = "\n= mend: ";

/// Mistakes so far, at most one for each location: the first is the cause, others follow from it.
#[derive(Default, Debug)]
pub(crate) struct Diagnostics {
    found: Vec<(Location, Error)>,
}

impl Diagnostics {
    /// Records a mistake, unless the same tokens have one.
    pub(crate) fn add(&mut self, location: Location, error: Error) {
        let position = |location: &Location| {
            let (start, end) = (location.start.start(), location.end.end());
            (start.line, start.column, end.line, end.column)
        };
        if !self.found.iter().any(|(known, _)| position(known) == position(&location)) {
            self.found.push((location, error));
        }
    }

    /// Records what a parser of Rust's own syntax refused.
    pub(crate) fn add_syn(&mut self, error: &syn::Error) {
        for part in error.clone() {
            self.add(Location::at(part.span()), Error::new(part.to_string().replace(MEND, "\n= help: ")));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.found.iter().map(|(_, error)| error.message.clone()).collect()
    }

    /// The mistakes as one of a parser, if there are any.
    pub(crate) fn into_syn(self) -> Option<syn::Error> {
        let errors = self.found.iter().map(|(location, error)| syn::Error::new(location.start, text(error)));
        errors.reduce(|mut all, error| {
            all.combine(error);
            all
        })
    }

    /// One `compile_error!` a mistake, in the order of the source.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        self.found.sort_by_key(|(location, _)| {
            let start = location.start.start();
            (start.line, start.column)
        });
        self.found.iter().flat_map(|(location, error)| compile_error(*location, &text(error))).collect()
    }
}

fn text(error: &Error) -> String {
    let mut text = error.message.clone();
    for note in &error.notes {
        text.push_str(&format!("\n= {note}"));
    }
    if let Some(help) = &error.help {
        text.push_str(&format!("\n= help: {help}"));
    }
    text
}

/// `::core::compile_error! { "…" }` that rustc shows from the start to the end of `location`: it takes the first and the last
/// token's span.
fn compile_error(location: Location, text: &str) -> TokenStream {
    let Location { start, end } = location;
    let punct = |symbol, spacing| {
        let mut punct = Punct::new(symbol, spacing);
        punct.set_span(start);
        TokenTree::from(punct)
    };

    let mut literal = Literal::string(text);
    literal.set_span(end);
    let mut group = Group::new(Delimiter::Brace, TokenStream::from(TokenTree::from(literal)));
    group.set_span(end);

    [
        punct(':', Spacing::Joint),
        punct(':', Spacing::Alone),
        Ident::new("core", start).into(),
        punct(':', Spacing::Joint),
        punct(':', Spacing::Alone),
        Ident::new("compile_error", start).into(),
        punct('!', Spacing::Alone),
        group.into(),
    ]
    .into_iter()
    .collect()
}
