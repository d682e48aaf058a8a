//! Indices of other languages, `x[0]`, `x[:, 1:3]`, `x[..., None]`, as calls.

use proc_macro2::{TokenStream, TokenTree};

/// What stands for an axis.
#[derive(PartialEq, Eq)]
enum Part {
    /// `:`, `..`: all of it.
    All,
    /// `0`: one element.
    One(String),
    /// `1:3`, `1..3`: a range; either end may be left out.
    Range(String, String),
    /// `None`: a new axis.
    New,
    /// `...`: all axes between.
    Rest,
}

/// The call that takes what `name[tokens]` would, where one part says more than all.
pub(super) fn mend(name: &str, tokens: TokenStream) -> Option<String> {
    let parts = parts(tokens)?;
    let mut saying = parts.iter().enumerate().filter(|(_, part)| !matches!(part, Part::All | Part::Rest));
    let (position, part) = saying.next()?;
    if saying.next().is_some() {
        return None;
    }

    let rest = parts.iter().position(|part| *part == Part::Rest);
    let axis = if rest.is_some_and(|rest| rest < position) {
        format!("-{}", parts.len() - position)
    } else {
        position.to_string()
    };
    match part {
        Part::All | Part::Rest => None,
        Part::One(index) => Some(format!("write `unstack({name}, {index}, axis: {axis})`")),
        Part::Range(start, end) => Some(format!(
            "write `slice({name}{}{}, axis: {axis})`",
            option("start", start),
            option("end", end)
        )),
        Part::New => Some(format!("write `expand({name}, {axis})`")),
    }
}

fn option(word: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(", {word}: {value}") }
}

/// The parts between commas; nothing where one is of another form.
fn parts(tokens: TokenStream) -> Option<Vec<Part>> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let is_comma = |tree: &TokenTree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ',');
    trees.split(is_comma).map(part).collect()
}

fn part(trees: &[TokenTree]) -> Option<Part> {
    let text: String = trees.iter().map(ToString::to_string).collect();
    match text.as_str() {
        "" => None,
        ":" | ".." => Some(Part::All),
        "..." => Some(Part::Rest),
        "None" => Some(Part::New),
        _ => match text.split_once("..").or_else(|| text.split_once(':')) {
            Some((start, end)) => Some(Part::Range(start.into(), end.into())),
            // A mask or a list of indices is another thing.
            None => {
                text.trim_start_matches('-').chars().all(char::is_alphanumeric).then_some(Part::One(text))
            }
        },
    }
}
