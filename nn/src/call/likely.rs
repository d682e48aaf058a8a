//! What a name that nobody knows likely means.
//!
//! In: a name as it was written, and those that are known. Out: the known one that is meant, or the mend in words.
//!
//! Names of PyTorch, Keras, JAX (flax, optax) and burn are known by `spellings`, what has no counterpart by `advice`. Case and `_` do not count, nor what those libraries
//! add to a name: `Conv2d`, `conv_2d`, `MSELoss`.

use super::advice::{ARGUMENT_ADVICE, FUNCTION_ADVICE, NAME_ADVICE};
use super::spellings::{ARGUMENTS, FUNCTIONS};
use downhill_graph::error::{Error, nearest};

/// What other libraries put behind a name.
const SUFFIXES: [&str; 7] = ["1d", "2d", "3d", "loss", "layer", "fn", "op"];

/// The known name that `wrong` likely means: the same but for case and `_`, what another library calls so, or else the [`nearest`]. None
/// where [`advice`] says more.
pub fn likely<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.collect();
    meant(wrong, &known).or_else(|| nearest(wrong, known).filter(|_| advice(wrong).is_none()))
}

/// `error` about the unknown function `wrong`, with the mend: what it is called here, or what does its work.
pub fn mended<'a>(error: Error, wrong: &str, known: impl Iterator<Item = &'a str>) -> Result<Error, Error> {
    let known: Vec<&str> = known.collect();
    if let Some(near) = meant(wrong, &known) {
        return Ok(error.help(format!("did you mean `{near}`?")));
    }
    if let Some(advice) = advice(wrong) {
        return Ok(error.help(advice));
    }
    match nearest(wrong, known) {
        Some(near) => Ok(error.help(format!("did you mean `{near}`?"))),
        None => Err(error),
    }
}

/// What stands for a function of other libraries that has no counterpart by name.
pub fn advice(wrong: &str) -> Option<&'static str> {
    forms(wrong).iter().find_map(|form| find(FUNCTION_ADVICE, form))
}

/// What stands for a name that is a value elsewhere; a constant of Rust, which is written in capitals, stands in `{ … }`.
pub fn name_advice(wrong: &str) -> Option<String> {
    let is_constant =
        wrong.len() > 1 && !wrong.contains(char::is_lowercase) && wrong.contains(char::is_alphabetic);
    let constant = || is_constant.then(|| format!("a constant of Rust stands in braces: `{{ {wrong} }}`"));
    find(NAME_ADVICE, wrong).map(str::to_owned).or_else(constant)
}

/// What stands for an argument of other libraries that no call takes.
pub fn argument_advice(wrong: &str) -> Option<&'static str> {
    find(ARGUMENT_ADVICE, &plain(wrong))
}

/// What another library's function or initialiser `wrong` is called here.
pub(super) fn alias(wrong: &str) -> Option<&'static str> {
    find(FUNCTIONS, &plain(wrong))
}

/// What other libraries call functions, each with the name here: for tests of what is told.
#[doc(hidden)]
pub fn aliases() -> impl Iterator<Item = (&'static str, &'static str)> {
    FUNCTIONS.iter().copied()
}

/// The argument, among `known`, that is `wrong` but for case and `_`, or that another library calls so.
pub(super) fn meant_argument<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = plain(wrong);
    let same = known.iter().copied().find(|name| plain(name) == written);
    let mut aliases =
        ARGUMENTS.iter().filter(|(alias, _)| *alias == written).flat_map(|(_, names)| names.iter());
    same.or_else(|| aliases.find_map(|name| known.iter().copied().find(|known| known == name)))
}

/// `error` about the unknown argument `wrong` of a call that takes `known`, with the mend.
pub(super) fn mended_argument(error: Error, wrong: &str, known: &[&str]) -> Error {
    let near = |name: &str| format!("did you mean `{name}`?");
    if let Some(name) = meant_argument(wrong, known) {
        return error.help(near(name));
    }
    if let Some(advice) = argument_advice(wrong) {
        return error.help(advice);
    }
    match nearest(wrong, known.iter().copied()).or_else(|| shortened(wrong, known)) {
        Some(name) => error.help(near(name)),
        None => error,
    }
}

/// The one name of which `wrong` is the beginning, or which is the beginning of `wrong`: `var`, `kernel_shape`.
fn shortened<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let is_part = |name: &&&str| {
        wrong.len().min(name.len()) > 2 && (name.starts_with(wrong) || wrong.starts_with(**name))
    };
    let mut parts = known.iter().filter(is_part);
    parts.next().copied().filter(|_| parts.next().is_none())
}

/// The name that is `wrong` but for case and `_`, or what another library calls so.
fn meant<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    forms(wrong).iter().find_map(|form| {
        let same = known.iter().copied().find(|name| plain(name) == *form);
        same.or_else(|| {
            let aliases = FUNCTIONS.iter().filter(|(alias, _)| alias == form);
            aliases.into_iter().find_map(|(_, name)| known.iter().copied().find(|known| known == name))
        })
    })
}

/// A name without case and `_`, then without what other libraries put behind it.
fn forms(wrong: &str) -> Vec<String> {
    let mut forms = vec![plain(wrong)];
    while let Some(shorter) = forms.last().and_then(|form| {
        SUFFIXES.iter().find_map(|suffix| form.strip_suffix(suffix)).filter(|form| form.len() > 1)
    }) {
        forms.push(shorter.to_owned());
    }
    forms
}

pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect()
}

fn find(table: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::{ARGUMENT_ADVICE, ARGUMENTS, FUNCTION_ADVICE, FUNCTIONS, advice, likely, plain};
    use crate::composite::{groups, initializers, names};

    fn known() -> Vec<&'static str> {
        names().chain(initializers().map(|known| known.name)).collect()
    }

    #[test]
    fn what_spellings_lead_to_is_there() {
        let known = known();
        for (alias, name) in FUNCTIONS {
            assert!(known.contains(name), "{alias} leads to {name}, which is nothing");
            assert_eq!(plain(alias), *alias, "case and `_` do not count");
            assert!(!known.iter().any(|known| plain(known) == *alias), "{alias} is a name by itself");
        }

        let rows = groups().flat_map(|(_, composites)| composites).map(|composite| composite.parameters);
        let parameters: Vec<&str> = rows
            .chain(initializers().map(|it| it.parameters))
            .flatten()
            .map(|parameter| parameter.name)
            .collect();
        for (alias, names) in ARGUMENTS {
            for name in *names {
                assert!(parameters.contains(name), "argument {alias} leads to {name}, which is nothing");
            }
        }
    }

    #[test]
    fn advice_is_for_what_is_not_there() {
        for (name, _) in FUNCTION_ADVICE {
            assert!(!names().any(|known| plain(known) == *name), "{name} is there");
            assert!(!FUNCTIONS.iter().any(|(alias, _)| alias == name), "{name} is known under another name");
        }
        for (name, _) in ARGUMENT_ADVICE {
            assert!(!ARGUMENTS.iter().any(|(alias, _)| alias == name), "{name} is known under another name");
        }
    }

    #[test]
    fn names_of_other_libraries_are_known() {
        let meant = [
            ("Linear", "linear"),
            ("Conv2d", "conv"),
            ("conv_transpose2d", "conv_transpose"),
            ("Conv2DTranspose", "conv_transpose"),
            ("MaxPooling2D", "max_pool"),
            ("avg_pool2d", "average_pool"),
            ("GlobalAveragePooling2D", "global_average_pool"),
            ("BatchNorm3d", "batch_norm"),
            ("BatchNormalization", "batch_norm"),
            ("Dropout2d", "channel_dropout"),
            ("OptimizedLSTMCell", "lstm_cell"),
            ("MultiHeadDotProductAttention", "attention"),
            ("LeakyReLU", "leaky_relu"),
            ("MSELoss", "mse"),
            ("L1Loss", "l1"),
            ("CrossEntropyLoss", "cross_entropy"),
            ("softmax_cross_entropy", "cross_entropy"),
            ("BCEWithLogitsLoss", "bce_with_logits"),
            ("BCELoss", "binary_cross_entropy"),
            ("NLLLoss", "nll"),
            ("KLDivLoss", "kl_divergence"),
            ("GaussianNLLLoss", "gaussian_nll"),
            ("CosineEmbeddingLoss", "cosine_embedding"),
            ("reduce_mean", "mean"),
            ("expand_dims", "expand"),
            ("he_normal", "kaiming_normal"),
            ("kaiming_normal_", "kaiming_normal"),
            ("softamx", "softmax"),
        ];
        for (wrong, right) in meant {
            assert_eq!(likely(wrong, known().into_iter()), Some(right), "{wrong}");
        }
        for wrong in ["Sequential", "print", "range", "squeeze", "sparse_categorical_crossentropy"] {
            assert_eq!(likely(wrong, known().into_iter()), None, "{wrong}");
            assert!(advice(wrong).is_some(), "{wrong}");
        }
    }
}
