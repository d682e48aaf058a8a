//! The judgement of a call's arguments: names, count, kinds, what is given twice or missing, defaults.
//!
//! In: the number of arguments without a name, the names of the others, and each argument converted to its parameter's kind. Out:
//! [`Arguments`], or every mistake with its [`Spot`].
//!
//! Must hold: an argument's kind is judged only where all names and the count are right, so that no mistake is told twice.

use super::argument::{Argument, Default, Kind, Parameter};
use super::convert::convert;
use super::likely::{meant_argument, mended_argument};
use crate::builder::{Builder, Value};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::bug;
use downhill_graph::random::Initializer;
use std::fmt::Write as _;

/// What can be called, seen from its arguments.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// What it takes, in order.
    pub parameters: &'a [Parameter<'a>],
}

/// The name of the parameter that an argument of another library is for.
pub fn likely_argument<'a>(wrong: &str, parameters: &[Parameter<'a>]) -> Option<&'a str> {
    let known: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
    meant_argument(wrong, &known)
}

/// A position in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spot {
    /// The call itself.
    Call,
    /// The argument without a name at this position.
    Positional(usize),
    /// The argument that is the value of this name, by its position among the named ones.
    Named(usize),
    /// That name itself.
    Name(usize),
}

/// A mistake in a call.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// Where it stands.
    pub at: Spot,
    /// What it is.
    pub error: Error,
}

impl<'a> Head<'a> {
    /// How it is called: `linear(x, units, bias: true, init: fan_in)`.
    pub fn signature(&self) -> String {
        let mut text = format!("{}(", self.name);
        for (position, parameter) in self.parameters.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            let _ = write!(text, "{separator}{}", parameter.name);
            let _ = match parameter.default {
                None if parameter.kind == Kind::Tensors => write!(text, ", …"),
                None => Ok(()),
                Some(Default::Number(number)) => write!(text, ": {number:?}"),
                Some(Default::Bool(flag)) => write!(text, ": {flag}"),
                Some(Default::Integer(number)) => write!(text, ": {number}"),
                Some(Default::Word(words) | Default::Unset(words)) => write!(text, ": {words}"),
            };
        }

        text + ")"
    }

    /// The position of the parameter that takes the argument at `position`; one of [`Kind::Tensors`] takes all the rest.
    fn of_position(&self, position: usize) -> Option<usize> {
        let rest = self.parameters.iter().position(|parameter| parameter.kind == Kind::Tensors);
        let position = rest.map_or(position, |rest| position.min(rest));
        (position < self.parameters.len()).then_some(position)
    }

    /// The position of the parameter that a named argument is for.
    fn of_name(&self, word: &str) -> Option<usize> {
        self.parameters.iter().position(|parameter| parameter.answers_to(word))
    }

    /// The kind of the parameter that takes the argument at `position`, where no optional one is left out before it.
    pub fn kind_at(&self, position: usize) -> Option<Kind> {
        self.of_position(position).map(|position| self.parameters[position].kind)
    }

    /// The kind of the parameter that a named argument is for.
    pub fn kind_of(&self, word: &str) -> Option<Kind> {
        self.of_name(word).map(|position| self.parameters[position].kind)
    }

    /// The parameters that `positional` arguments without a name pass over, where `words` name others: an optional one that stands before
    /// a required one takes an argument only where the required ones have theirs. So `attention(x, 4)` has 4 heads, though a key and a
    /// value may stand between.
    fn passed_over(&self, positional: usize, words: &[&str]) -> Vec<usize> {
        let is_named = |place: &usize| words.iter().any(|word| self.parameters[*place].answers_to(word));
        let is_required = |place: &usize| self.parameters[*place].default.is_none();
        let all = 0..self.parameters.len();
        let required = all.clone().filter(|place| is_required(place) && !is_named(place)).count();

        let last = all.clone().rfind(is_required).unwrap_or(0);
        let (named, unnamed): (Vec<_>, Vec<_>) =
            (0..last).filter(|place| !is_required(place)).partition(is_named);
        let mut passed: Vec<usize> = unnamed.into_iter().skip(positional.saturating_sub(required)).collect();
        passed.extend(named);
        passed.sort_unstable();
        passed
    }

    /// The arguments of each parameter, of `positional` ones without a name and one for each of `words`: at most one, but for
    /// [`Kind::Tensors`].
    ///
    /// # Errors
    /// More arguments than parameters, unknown names, an argument given twice, one that is missing.
    pub fn assign(&self, positional: usize, words: &[&str]) -> Result<Vec<Vec<Spot>>, Vec<Mistake>> {
        let mut spots: Vec<Vec<Spot>> = self.parameters.iter().map(|_| Vec::new()).collect();
        let passed = self.passed_over(positional, words);
        let taking = |position: usize| {
            passed.iter().fold(position, |place, &passed| if passed <= place { place + 1 } else { place })
        };
        for position in 0..positional {
            match self.of_position(taking(position)) {
                Some(parameter) => spots[parameter].push(Spot::Positional(position)),
                None => return Err(vec![self.too_many(positional)]),
            }
        }

        // A wrong name hides no other: all of them are told.
        let mut mistakes = Vec::new();
        for (position, word) in words.iter().enumerate() {
            match self.of_name(word) {
                None => mistakes.push(Mistake { at: Spot::Name(position), error: self.unknown(word) }),
                Some(parameter) if !spots[parameter].is_empty() => {
                    let error = Error::new(format!("`{word}` of `{}` is given twice", self.name));
                    mistakes.push(Mistake { at: Spot::Name(position), error: error.help(self.usage()) });
                }
                Some(parameter) => spots[parameter].push(Spot::Named(position)),
            }
        }

        // What seems to be missing may be what was misspelt.
        if mistakes.is_empty() {
            mistakes.extend(self.missing(&spots));
        }
        if mistakes.is_empty() { Ok(spots) } else { Err(mistakes) }
    }

    fn usage(&self) -> String {
        format!("it is called as `{}`", self.signature())
    }

    /// What must be given, values first, and what is told `beside`: `linear(x, units)`.
    fn value_first(&self, beside: &str) -> String {
        let is_said = |it: &&Parameter<'_>| it.default.is_none() || it.name == beside;
        let required = self.parameters.iter().filter(is_said).map(|it| it.name);
        format!("the value stands first: `{}({})`", self.name, required.collect::<Vec<_>>().join(", "))
    }

    /// `linear(8)`: what is missing is the value, where a number stands in its place.
    fn without_value(&self, first: Option<Argument>, mistakes: Vec<Mistake>) -> Vec<Mistake> {
        let takes_value = self.parameters.first().is_some_and(|it| it.kind == Kind::Tensor);
        let is_number = first.is_some_and(|first| is_number(&first));
        let misses = |mistake: &Mistake| mistake.at == Spot::Call;
        if !(takes_value && is_number && mistakes.iter().all(misses)) {
            return mistakes;
        }
        let name = self.name;
        let error = Error::new(format!("`{name}` misses the value that it is applied to")).help(format!(
            "{}; an instance that is applied later, `f(x)`, is declared by `shared f = {name}(…);`",
            self.value_first("")
        ));
        vec![Mistake { at: Spot::Call, error }]
    }

    /// `max(x, 0)`, which is the greatest along an axis in one language and the greater of two in another.
    fn of_two_meanings(&self, spots: &[Vec<Spot>]) -> Option<Mistake> {
        let of_two = match self.name {
            "max" => "maximum",
            "min" => "minimum",
            _ => return None,
        };
        let at = *spots.get(1)?.first().filter(|spot| matches!(spot, Spot::Positional(_)))?;
        let error = Error::new(format!("`{}` takes its axes by name", self.name)).help(format!(
            "write `{}(x, axes: 1)` for what is along axis 1, `{of_two}(x, 0)` for x and 0, element by element",
            self.name
        ));
        Some(Mistake { at, error })
    }

    fn too_many(&self, given: usize) -> Mistake {
        let most = self.parameters.len();
        let plural = if most == 1 { "" } else { "s" };
        let error = Error::new(format!("`{}` takes {most} argument{plural} but is given {given}", self.name));
        let error = match self.parameters.last() {
            Some(Parameter { name, kind: Kind::Shape | Kind::Axes | Kind::Sizes, .. }) => {
                error.note(self.usage()).help(format!("`{name}` is one list: put it into brackets, `[…]`"))
            }
            _ => error.help(self.usage()),
        };
        Mistake { at: Spot::Positional(most), error }
    }

    fn unknown(&self, word: &str) -> Error {
        let known: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name).collect();
        let error = Error::new(format!("`{}` has no argument `{word}`", self.name)).note(self.usage());
        mended_argument(error, word, &known)
    }

    fn missing(&self, spots: &[Vec<Spot>]) -> Option<Mistake> {
        let mut parameters = self.parameters.iter().zip(spots);
        let (missing, _) = parameters.find(|(it, spots)| it.default.is_none() && spots.is_empty())?;
        let error = Error::new(format!("`{}` misses `{}`", self.name, missing.name)).note(self.usage());
        let error = match missing.name {
            "index" => error.note("it gives one piece, and is called once for each").help(format!(
                "write `let a = {0}(…, index: 0);`, then `let b = {0}(…, index: 1);`",
                self.name
            )),
            _ => Error { help: error.notes.last().cloned(), notes: Vec::new(), ..error },
        };
        Some(Mistake { at: Spot::Call, error })
    }
}

fn is_number(argument: &Argument) -> bool {
    matches!(argument, Argument::Integer(_) | Argument::Number(_) | Argument::Dim(_))
}

/// Judges the arguments of a call: `positional` ones without a name and one for each of `words`. `argument` gives each as the kind of its
/// parameter asks for it.
///
/// # Errors
/// Those of [`Head::assign`], and arguments that are not of their parameter's kind.
pub fn judge<'a>(
    builder: &Builder,
    head: Head<'a>,
    positional: usize,
    words: &[&str],
    argument: &mut dyn FnMut(Spot, Kind) -> Argument,
) -> Result<Arguments<'a>, Vec<Mistake>> {
    let spots = head.assign(positional, words).map_err(|mistakes| {
        let first = (positional > 0).then(|| argument(Spot::Positional(0), Kind::Any));
        head.without_value(first, mistakes)
    })?;
    if let Some(mistake) = head.of_two_meanings(&spots) {
        return Err(vec![mistake]);
    }
    let (mut values, mut certain, mut mistakes) = (Vec::new(), true, Vec::new());
    for (parameter, spots) in head.parameters.iter().zip(spots) {
        let mut taken = Vec::new();
        for at in spots {
            match convert(builder, head.name, parameter, argument(at, parameter.kind)) {
                Ok(Some(argument)) => taken.push(argument),
                Ok(None) => {
                    certain = false;
                    taken.push(parameter.kind.stand_in());
                }
                // What a word may be stands in the message.
                Err(error) if error.help.is_none() && !matches!(parameter.kind, Kind::Word(_)) => {
                    let is_size =
                        matches!(parameter.kind, Kind::Dim | Kind::Sizes | Kind::Shape | Kind::Number);
                    let mut is_value = || matches!(argument(at, Kind::Any), Argument::Value(_));
                    let is_swapped = is_size && positional > 0 && is_value();
                    let is_swapped =
                        is_swapped && !matches!(argument(Spot::Positional(0), Kind::Any), Argument::Value(_));
                    let help = if is_swapped { head.value_first(parameter.name) } else { head.usage() };
                    mistakes.push(Mistake { at, error: error.help(help) });
                }
                Err(error) => mistakes.push(Mistake { at, error }),
            }
        }

        if taken.is_empty()
            && let Some(default) = parameter.default.and_then(Default::argument)
            && let Ok(Some(default)) = convert(builder, head.name, parameter, default)
        {
            taken.push(default);
        }
        values.push(taken);
    }

    // Arguments in a wrong order are one mistake.
    if mistakes.len() > 1 && mistakes.iter().all(|mistake| matches!(mistake.at, Spot::Positional(_))) {
        mistakes.truncate(1);
    }
    if mistakes.is_empty() { Ok(Arguments { head, values, certain }) } else { Err(mistakes) }
}

/// As [`judge`], of arguments that are at hand; the first mistake in the order of the parameters comes first.
///
/// # Errors
/// As [`judge`].
pub(crate) fn judge_given<'a>(
    builder: &Builder,
    head: Head<'a>,
    positional: &[Argument],
    named: &[(&str, Argument)],
) -> Result<Arguments<'a>, Vec<Mistake>> {
    let words: Vec<&str> = named.iter().map(|(word, _)| *word).collect();
    judge(builder, head, positional.len(), &words, &mut |at, _| match at {
        Spot::Positional(position) => positional[position].clone(),
        Spot::Named(position) => named[position].1.clone(),
        Spot::Call | Spot::Name(_) => Argument::Unknown,
    })
}

/// The arguments of one call, those of each parameter, of its kind. Defaults are filled in.
pub struct Arguments<'a> {
    head: Head<'a>,
    values: Vec<Vec<Argument>>,
    certain: bool,
}

impl Arguments<'_> {
    /// Whether all that was given is known already. For what is not, there is a placeholder of the right kind.
    pub(crate) fn certain(&self) -> bool {
        self.certain
    }

    /// All of them, in the order of the parameters.
    pub(super) fn all(&self) -> impl Iterator<Item = &Argument> {
        self.values.iter().flatten()
    }

    /// What is given for the parameter `name`; nothing where it is unset.
    fn of(&self, name: &str) -> &[Argument] {
        match self.head.parameters.iter().position(|parameter| parameter.name == name) {
            Some(position) => &self.values[position],
            None => bug(&format!("`{}` has no parameter `{name}`", self.head.name)),
        }
    }

    /// The value given for a [`Kind::Tensor`].
    pub(crate) fn tensor(&self, name: &str) -> &Value {
        match self.of(name).first() {
            Some(Argument::Value(value)) => value,
            _ => bug(&format!("`{name}` of `{}` is no tensor", self.head.name)),
        }
    }

    /// The value given for a [`Kind::Tensor`]; `None` when unset.
    pub(crate) fn optional_tensor(&self, name: &str) -> Option<&Value> {
        if let Some(Argument::Value(value)) = self.of(name).first() { Some(value) } else { None }
    }

    /// The values given for a [`Kind::Tensors`].
    pub(crate) fn tensors(&self, name: &str) -> Vec<&Value> {
        fn value(argument: &Argument) -> Option<&Value> {
            if let Argument::Value(value) = argument { Some(value) } else { None }
        }
        self.of(name).iter().filter_map(value).collect()
    }

    /// The size given for a [`Kind::Dim`]; `None` when unset.
    pub(crate) fn dim(&self, name: &str) -> Option<&Dim> {
        if let Some(Argument::Dim(dim)) = self.of(name).first() { Some(dim) } else { None }
    }

    /// The number given for a [`Kind::Number`].
    pub(crate) fn number(&self, name: &str) -> f64 {
        if let Some(Argument::Number(number)) = self.of(name).first() { *number } else { f64::NAN }
    }

    /// The number given for a [`Kind::Number`]; `None` when unset.
    pub(crate) fn optional_number(&self, name: &str) -> Option<f64> {
        if let Some(Argument::Number(number)) = self.of(name).first() { Some(*number) } else { None }
    }

    /// The whole number given for a [`Kind::Integer`].
    pub(crate) fn integer(&self, name: &str) -> i64 {
        if let Some(Argument::Integer(number)) = self.of(name).first() { *number } else { 0 }
    }

    /// The whole number given for a [`Kind::Integer`]; `None` when unset.
    pub(crate) fn optional_integer(&self, name: &str) -> Option<i64> {
        if let Some(Argument::Integer(number)) = self.of(name).first() { Some(*number) } else { None }
    }

    /// The flag given for a [`Kind::Bool`].
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.of(name).first(), Some(Argument::Bool(true)))
    }

    /// The axes given for a [`Kind::Axes`]; `None` when unset.
    pub(crate) fn axes(&self, name: &str) -> Option<Vec<i64>> {
        match self.of(name).first() {
            Some(Argument::Shape(dims)) => dims.iter().map(Dim::as_constant).collect(),
            _ => None,
        }
    }

    /// The word given for a [`Kind::Padding`] or a [`Kind::Word`]; `None` where it is no word.
    pub(crate) fn word(&self, name: &str) -> Option<&'static str> {
        if let Some(Argument::Word(word)) = self.of(name).first() { Some(word) } else { None }
    }

    /// The text given for a [`Kind::Equation`].
    pub(crate) fn text(&self, name: &str) -> &str {
        if let Some(Argument::Text(text)) = self.of(name).first() { text } else { "" }
    }

    /// The sizes given for a [`Kind::Shape`], a [`Kind::Sizes`] or a [`Kind::Padding`]; none where it is unset.
    pub(crate) fn shape(&self, name: &str) -> Vec<Dim> {
        if let Some(Argument::Shape(dims)) = self.of(name).first() { dims.clone() } else { Vec::new() }
    }

    /// The initialiser given for a [`Kind::Initializer`]; `None` when unset.
    pub(crate) fn initializer(&self, name: &str) -> Option<Initializer> {
        match self.of(name).first() {
            Some(Argument::Initializer(initializer)) => Some(initializer.clone()),
            _ => None,
        }
    }
}
