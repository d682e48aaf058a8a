//! Calls of other languages and libraries, as they are written here.
//!
//! In: a name and arguments, as text that is of this language already. Out: the call here; nothing where none does the same.

use downhill_nn::composite::{self, Composite, Kind};

/// Arguments of a call in another language, each as it is written here.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    pub(super) positional: Vec<String>,
    pub(super) named: Vec<(String, String)>,
}

/// Methods elsewhere that give the value itself.
pub(super) const IN_PLACE: [&str; 8] =
    ["to", "cuda", "cpu", "clone", "contiguous", "unwrap", "into", "requires_grad_"];

/// `name(given)`, a function of another library or one of the user's own, as a call here.
pub(super) fn call(name: &str, given: &Given) -> Option<String> {
    if let Some((activation, rest)) = activated(given) {
        return Some(format!("{activation}({})", call(name, &rest)?));
    }
    // The greater of two: axes are whole numbers.
    if let ("max" | "min", [x, bound]) = (name, given.positional.as_slice())
        && bound.contains('.')
    {
        return Some(format!("{}({x}, {bound})", if name == "max" { "maximum" } else { "minimum" }));
    }
    // Copies of the whole along each axis.
    if let ("repeat", [x, counts @ ..]) = (name, given.positional.as_slice())
        && counts.len() > 1
    {
        return Some(format!("tile({x}, [{}])", counts.join(", ")));
    }
    if let Some(form) = composite::form(name, &given.positional, &given.named) {
        return Some(form);
    }
    let Some(known) = known(name) else {
        // A layer of the user's own is called as it is.
        let is_own = composite::advice(name).is_none() && !name.starts_with(char::is_uppercase);
        let named = given.named.iter().map(|(word, value)| format!("{word}: {value}"));
        let all: Vec<String> = given.positional.iter().cloned().chain(named).collect();
        return is_own.then(|| format!("{name}({})", all.join(", ")));
    };
    if let ("transpose", Some(list)) = (known.name, swapped(given)) {
        return Some(format!("transpose({}{list})", given.positional[0]));
    }

    if let Some(missing) = missing(known, given) {
        // Pieces come one by one here.
        let piece = Given {
            named: [given.named.clone(), vec![("index".into(), "0".into())]].concat(),
            ..given.clone()
        };
        return (missing == "index").then(|| call(name, &piece)).flatten();
    }
    let words = translated(known, given)?;
    let shape_at = known.parameters.iter().position(|parameter| parameter.kind == Kind::Shape);
    let axes_at = ["permute", "transpose"].contains(&name).then_some(1);
    let listed = shape_at.or(axes_at).filter(|&at| words.get(at).is_some_and(|word| !word.starts_with('[')));
    match listed {
        // Sizes and axes one after another are a list here.
        Some(at) if words[at..].iter().all(|word| !word.contains(": ")) => {
            let front: String = words[..at].iter().map(|word| format!("{word}, ")).collect();
            Some(format!("{}({front}[{}])", known.name, words[at..].join(", ")))
        }
        _ => {
            let takes_all = known.parameters.iter().any(|parameter| parameter.kind == Kind::Tensors);
            let fits = takes_all || words.len() <= known.parameters.len();
            fits.then(|| format!("{}({})", known.name, words.join(", ")))
        }
    }
}

/// `name(made)(x)`, a layer that is made first and called later, as one call: with as many of the arguments it is made of as it needs. What
/// it has too many of are sizes of what comes in.
pub(super) fn applied(name: &str, made: &Given, x: &Given) -> Option<String> {
    if let Some((activation, rest)) = activated(made) {
        return Some(format!("{activation}({})", applied(name, &rest, x)?));
    }
    let known = known(name)?;
    let named = |given: &Given| Given { positional: Vec::new(), named: given.named.clone() };
    let words = [translated(known, &named(x))?, translated(known, &named(made))?].concat();
    let is_said = |parameter: &str| words.iter().any(|word| word.starts_with(&format!("{parameter}: ")));
    let needed: Vec<&str> =
        known.parameters.iter().filter(|it| it.default.is_none()).map(|it| it.name).collect();
    let is_tensor = |name: &&str| {
        known.parameters.iter().any(|it| it.name == *name && matches!(it.kind, Kind::Tensor | Kind::Tensors))
    };
    let needed: Vec<&str> = needed.into_iter().filter(|name| !is_tensor(name) && !is_said(name)).collect();

    let surplus = made.positional.len().saturating_sub(needed.len());
    let is_share = |text: &&String| text.contains('.') && is_number(text);
    let mut all = translated(known, &Given { positional: x.positional.clone(), named: Vec::new() })?;
    match needed.as_slice() {
        [] => all.extend(made.positional.iter().filter(is_share).cloned()),
        _ => all.extend(made.positional.iter().skip(surplus).cloned()),
    }
    all.extend(needed.iter().skip(made.positional.len()).map(|name| (*name).to_owned()));
    all.extend(words);
    Some(format!("{}({})", known.name, all.join(", ")))
}

/// The activation among arguments, `activation="relu"`, which is called around here, and the other arguments.
fn activated(given: &Given) -> Option<(&'static str, Given)> {
    let (_, value) = given.named.iter().find(|(word, _)| word == "activation")?;
    let activation = known(value.trim_matches('"'))?.name;
    let named = given.named.iter().filter(|(word, _)| word != "activation").cloned().collect();
    Some((activation, Given { positional: given.positional.clone(), named }))
}

/// What another library's function gives beside its first value: `x.max(1)[1]` is `argmax(x, 1)`.
pub(super) fn second(name: &str) -> Option<&'static str> {
    let seconds = [
        ("max", "argmax"),
        ("min", "argmin"),
        ("sort", "argsort"),
        ("topk", "top_k_indices"),
        ("top_k", "top_k_indices"),
    ];
    seconds.into_iter().find(|(known, _)| *known == name).map(|(_, second)| second)
}

/// Whether a function of another library gives a tuple where one value is given here.
pub(super) fn is_tuple(name: &str) -> bool {
    second(name).is_some() || ["grad", "median", "cummax", "cummin"].contains(&name)
}

pub(super) fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

fn known(name: &str) -> Option<&'static Composite> {
    composite::likely(name, composite::names()).and_then(composite::find)
}

/// What must be given and is not.
fn missing(known: &'static Composite, given: &Given) -> Option<&'static str> {
    let is_named = |name: &str| {
        let names = given.named.iter().map(|(word, _)| word);
        names.into_iter().any(|word| composite::likely_argument(word, known.parameters) == Some(name))
    };
    let mut unnamed = known.parameters.iter().filter(|it| it.default.is_none() && !is_named(it.name));
    unnamed.nth(given.positional.len()).map(|it| it.name)
}

/// Arguments as they are written here: under their names here, without those that nothing takes. Nothing where one is left that is not known.
fn translated(known: &Composite, given: &Given) -> Option<Vec<String>> {
    let parameters = known.parameters;
    let is_known = |word: &String| {
        let name = composite::likely_argument(word, parameters).unwrap_or(word);
        parameters.iter().any(|parameter| parameter.answers_to(name)) || is_left_out(word)
    };
    if !given.named.iter().all(|(word, _)| is_known(word)) {
        return None;
    }
    let named = given.named.iter().filter_map(|(word, value)| {
        let name = composite::likely_argument(word, parameters).unwrap_or(word);
        let kind = parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.kind);
        let is_refused = kind.is_none() && composite::argument_advice(word).is_some();
        (!is_refused && value != "None").then(|| format!("{name}: {}", word_of(kind, value)))
    });

    let takes_values = parameters.first().is_some_and(|first| first.kind == Kind::Tensors);
    let of_two = matches!(parameters, [a, b, ..] if a.kind == Kind::Tensor && b.kind == Kind::Tensor);
    let list = given.positional.first().and_then(|first| first.strip_prefix('[')?.strip_suffix(']'));
    match list.filter(|_| takes_values || of_two) {
        // Values in a list are values one after another here; what follows them needs a name.
        Some(list) => {
            let rest = given.positional[1..].iter().zip(&parameters[1..]);
            let rest = rest.map(|(value, parameter)| format!("{}: {value}", parameter.name));
            Some([list.to_owned()].into_iter().chain(rest).chain(named).collect())
        }
        None => Some(given.positional.iter().cloned().chain(named).collect()),
    }
}

/// Whether an argument of another library says nothing here.
pub(super) fn is_left_out(word: &str) -> bool {
    composite::argument_advice(word).is_some_and(|advice| advice.starts_with("leave it out"))
}

/// A word in quotes, where a parameter takes words.
fn word_of(kind: Option<Kind>, value: &str) -> String {
    let bare = value.trim_matches(['"', '\'']);
    if kind == Some(Kind::Bool) && bare != value {
        return (bare != "none").to_string();
    }
    let is_word = kind.is_some_and(|kind| kind.vocabulary().contains(&bare));
    if is_word { bare.to_owned() } else { value.to_owned() }
}

/// The axes behind `x` in `transpose(x, 0, 1)`, which changes two axes for each other.
fn swapped(given: &Given) -> Option<String> {
    let [_, a, b] = given.positional.as_slice() else { return None };
    let (a, b): (i64, i64) = (a.parse().ok()?, b.parse().ok()?);
    if a.min(b) == -2 && a.max(b) == -1 {
        return Some(String::new());
    }
    if a.min(b) < 0 || a.max(b) > 4 {
        return None;
    }
    let order = (0..=a.max(b)).map(|axis| match axis {
        axis if axis == a => b,
        axis if axis == b => a,
        axis => axis,
    });
    Some(format!(", [{}]", order.map(|axis| axis.to_string()).collect::<Vec<_>>().join(", ")))
}
