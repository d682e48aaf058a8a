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
    /// `::2`: each of so many.
    Each(String),
    /// `None`: a new axis.
    New,
    /// `...`: all axes between.
    Rest,
}

/// The calls that take what `name[tokens]` would.
pub(super) fn taken(name: &str, tokens: TokenStream) -> Option<String> {
    let parts = parts(tokens)?;
    let rest = parts.iter().position(|part| *part == Part::Rest);
    let mut text = name.to_owned();
    // From the last to the first: what an axis loses moves no axis before it. Behind a rest, from the first: axes count from the end.
    let (front, back) = parts.split_at(rest.unwrap_or(parts.len()));
    for (axis, part) in front.iter().enumerate().rev() {
        text = part.of(&text, &axis.to_string());
    }
    for (position, part) in back.iter().enumerate().skip(1) {
        text = part.of(&text, &format!("-{}", back.len() - position));
    }
    (text != name).then_some(text)
}

impl Part {
    /// What is taken of `name` along `axis`.
    fn of(&self, name: &str, axis: &str) -> String {
        match self {
            Part::All | Part::Rest => name.to_owned(),
            // A letter is the variable of a loop, as a rule, and a word a tensor of indices.
            Part::One(index) if index.len() > 1 && index.starts_with(char::is_alphabetic) => {
                format!("take({name}, {index}, axis: {axis})")
            }
            Part::One(index) => format!("unstack({name}, {index}, axis: {axis})"),
            Part::Range(start, end) => {
                format!("slice({name}{}{}, axis: {axis})", option("start", start), option("end", end))
            }
            Part::Each(stride) => format!("slice({name}, axis: {axis}, stride: {stride})"),
            Part::New => format!("expand({name}, {axis})"),
        }
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
        "None" | "np.newaxis" | "jnp.newaxis" | "tf.newaxis" => Some(Part::New),
        _ if text.starts_with("::") => Some(Part::Each(text[2..].to_owned())),
        _ => match text.split_once("..").or_else(|| text.split_once(':')) {
            Some((start, end)) => Some(Part::Range(start.into(), end.into())),
            // A mask or a list of indices is another thing.
            None => {
                text.trim_start_matches('-').chars().all(char::is_alphanumeric).then_some(Part::One(text))
            }
        },
    }
}
