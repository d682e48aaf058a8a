//! Collects mistakes and says them all at once, each on its tokens.
//!
//! On stable Rust a macro can only give an error's text, so notes and help are further lines of it.

use crate::syntax::Place;
use downhill_graph::error::Error;
use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, TokenStream, TokenTree};

/// Mistakes so far, at most one a place: the first is the cause, others follow from it.
#[derive(Default, Debug)]
pub(crate) struct Diagnostics {
    found: Vec<(Place, Error)>,
}

impl Diagnostics {
    /// Records a mistake, unless the same tokens have one.
    pub(crate) fn add(&mut self, place: Place, error: Error) {
        let position = |place: &Place| {
            let (start, end) = (place.start.start(), place.end.end());
            (start.line, start.column, end.line, end.column)
        };
        if !self.found.iter().any(|(known, _)| position(known) == position(&place)) {
            self.found.push((place, error));
        }
    }

    /// Records what a parser of Rust's own syntax refused.
    pub(crate) fn add_syn(&mut self, error: &syn::Error) {
        for part in error.clone() {
            self.add(Place::at(part.span()), Error::new(part.to_string()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.found.iter().map(|(_, error)| error.message.clone()).collect()
    }

    /// One `compile_error!` a mistake, in the order of the source.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        self.found.sort_by_key(|(place, _)| {
            let start = place.start.start();
            (start.line, start.column)
        });
        self.found.iter().flat_map(|(place, error)| compile_error(*place, &text(error))).collect()
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

/// `::core::compile_error! { "…" }` that rustc shows from the start to the end of `place`: it takes the first and the last
/// token's span.
fn compile_error(place: Place, text: &str) -> TokenStream {
    let Place { start, end } = place;
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
