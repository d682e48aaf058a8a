//! Calls of other libraries whose arguments stand otherwise here: PyTorch's, for the most part.
//!
//! In: a name with its arguments as text. Out: the call here, as text. What differs by its name or by names of arguments alone needs no row:
//! `spellings` has those.

use super::likely::{argument_advice, plain};

/// A call there, with the names of its arguments, and what does the same here. A row counts where each of its arguments is given, and
/// no other.
pub(super) const FORMS: &[(&str, &str)] = &[
    ("clamp_max(input, max)", "minimum({input}, {max})"),
    ("clamp_min(input, min)", "maximum({input}, {min})"),
    ("cosine_similarity(a, b)", "sum(normalize({a}) * normalize({b}), axes: [1])"),
    (
        "cosine_similarity(a, b, dim)",
        "sum(normalize({a}, axis: {dim}) * normalize({b}, axis: {dim}), axes: [{dim}])",
    ),
    ("gather(input, dim, index)", "gather({input}, {index}, axis: {dim})"),
    ("index_select(input, dim, index)", "take({input}, {index}, axis: {dim})"),
    ("isnan(input)", "not_equal({input}, {input})"),
    ("layer_norm(input, normalized_shape)", "layer_norm({input})"),
    ("masked_fill(input, mask, value)", "select({mask}, {value}, {input})"),
    ("max(input, dim)", "max({input}, axes: {dim})"),
    ("max(input, dim, keepdim)", "max({input}, axes: {dim}, keep: {keepdim})"),
    ("min(input, dim)", "min({input}, axes: {dim})"),
    ("min(input, dim, keepdim)", "min({input}, axes: {dim}, keep: {keepdim})"),
    ("mean(input, dim, keepdim)", "mean({input}, axes: {dim}, keep: {keepdim})"),
    ("sum(input, dim, keepdim)", "sum({input}, axes: {dim}, keep: {keepdim})"),
    ("rmse(p, y)", "sqrt(squared_error({p}, {y}))"),
    ("squeeze(input, dim)", "unstack({input}, 0, axis: {dim})"),
    ("where(condition, input, other)", "select({condition}, {input}, {other})"),
];

/// How a call of another library is written here, where its arguments stand otherwise: `gather(x, 1, i)` as `gather(x, i, axis: 1)`.
pub fn form(name: &str, positional: &[String], named: &[(String, String)]) -> Option<String> {
    FORMS
        .iter()
        .filter(|(head, _)| called(head).is_some_and(|(known, _)| plain(known) == plain(name)))
        .find_map(|(head, text)| filled(called(head)?.1.split(", ").collect(), text, positional, named))
}

/// The name and the list of arguments of `name(a, b)`.
fn called(head: &str) -> Option<(&str, &str)> {
    head.strip_suffix(')')?.split_once('(')
}

fn filled(
    parameters: Vec<&str>,
    text: &str,
    positional: &[String],
    named: &[(String, String)],
) -> Option<String> {
    // What no call takes here is left out.
    let named: Vec<_> = named.iter().filter(|(word, _)| argument_advice(word).is_none()).collect();
    if parameters.len() != positional.len() + named.len() {
        return None;
    }
    let (by_place, by_name) = parameters.split_at(positional.len());
    let mut text = text.to_owned();
    for (parameter, value) in by_place.iter().zip(positional) {
        text = text.replace(&format!("{{{parameter}}}"), value);
    }
    for parameter in by_name {
        let is_it =
            |word: &str| plain(word) == plain(parameter) || *parameter == "dim" && plain(word) == "axis";
        let (_, value) = named.iter().find(|(word, _)| is_it(word))?;
        text = text.replace(&format!("{{{parameter}}}"), value);
    }
    Some(text)
}

/// The calls of other libraries that [`form`] knows, each with the form here: for tests of what is told.
#[doc(hidden)]
pub fn forms() -> impl Iterator<Item = (&'static str, &'static str)> {
    FORMS.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::composite::find;

    #[test]
    fn forms_call_what_is_there() {
        for (head, text) in FORMS {
            let (_, parameters) = called(head).expect("a call");
            for parameter in parameters.split(", ") {
                assert!(
                    text.contains(&format!("{{{parameter}}}")) || *parameter == *"normalized_shape",
                    "{head}: {parameter}"
                );
            }
            let functions = text.split('(').filter_map(|part| part.rsplit([' ', '(']).next());
            for function in
                functions.filter(|word| word.chars().all(|letter| letter.is_alphabetic() || letter == '_'))
            {
                assert!(function.is_empty() || find(function).is_some(), "{head}: {function}");
            }
        }
    }

    #[test]
    fn arguments_are_told_apart_by_place_and_by_name() {
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let named = vec![("dim".to_owned(), "1".to_owned()), ("index".to_owned(), "i".to_owned())];
        assert_eq!(form("gather", &text(&["x"]), &named).as_deref(), Some("gather(x, i, axis: 1)"));
        assert_eq!(form("gather", &text(&["x", "1", "i"]), &[]).as_deref(), Some("gather(x, i, axis: 1)"));
        assert_eq!(form("gather", &text(&["x", "i"]), &[]), None);
    }
}
