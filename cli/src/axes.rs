//! What a search tries: for each setting one value, a list, or a range.
//!
//! In: options such as `64`, `relu,tanh`, `1e-4..1e-1`. Out: axes of a search, and the settings of its trials.

use crate::failure::Failure;
use crate::network::{Layers, Rule, told};
use crate::options::{Settings, count, from_zero, positive, share};
use clap::ValueEnum;
use downhill::search::{Axis, Trial, choice, log, number, whole};
use std::str::FromStr;

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Span {
    Words(Vec<String>),
    Between(f64, f64),
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        if let Some((low, high)) = text.split_once("..") {
            let end = |text: &str| {
                text.trim_start_matches('=').trim().parse::<f64>().ok().filter(|end| end.is_finite())
            };
            return match (end(low), end(high)) {
                (Some(low), Some(high)) if low < high => Ok(Span::Between(low, high)),
                _ => Err(format!("`{text}` is no range: give two numbers, the lower first, as 1e-4..1e-1")),
            };
        }
        let words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
        match words.iter().any(String::is_empty)
            || (1..words.len()).any(|at| words[..at].contains(&words[at]))
        {
            true => Err("give words with commas between them, each once".to_owned()),
            false => Ok(Span::Words(words)),
        }
    }
}

/// What is searched over.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Spans {
    /// How many hidden layers
    #[arg(long, value_name = "SPAN", default_value = "1..3", help_heading = "Searched over")]
    layers: Span,
    /// Units of each
    #[arg(long, value_name = "SPAN", default_value = "16..128", help_heading = "Searched over")]
    units: Span,
    /// The learning rate; a range is searched by powers of ten
    #[arg(
        long,
        visible_alias = "learning-rate",
        value_name = "SPAN",
        default_value = "1e-4..1e-1",
        help_heading = "Searched over"
    )]
    rate: Span,
    /// The share of units that each step leaves out
    #[arg(long, value_name = "SPAN", default_value = "0", help_heading = "Searched over")]
    dropout: Span,
    /// What large weights cost
    #[arg(long, value_name = "SPAN", default_value = "0", help_heading = "Searched over")]
    weight_decay: Span,
    /// Rows of a step
    #[arg(long, value_name = "SPAN", default_value = "32", help_heading = "Searched over")]
    batch: Span,
    /// What bends between layers
    #[arg(long, value_name = "SPAN", default_value = "relu", help_heading = "Searched over")]
    activation: Span,
    /// How steps change weights
    #[arg(long, value_name = "SPAN", default_value = "adam", help_heading = "Searched over")]
    optimizer: Span,
}

/// Along what trials differ, by the names of options.
pub(crate) type Axes = Vec<(&'static str, Axis)>;

/// The settings of a trial that are made.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    depth: usize,
    units: usize,
    settings: Settings,
}

impl Spans {
    fn named(&self) -> [(&'static str, &Span); 8] {
        [
            ("layers", &self.layers),
            ("units", &self.units),
            ("rate", &self.rate),
            ("dropout", &self.dropout),
            ("weight-decay", &self.weight_decay),
            ("batch", &self.batch),
            ("activation", &self.activation),
            ("optimizer", &self.optimizer),
        ]
    }

    /// What all trials have, and the axes along which they differ.
    pub(crate) fn axes(&self, settings: Settings) -> Result<(Tried, Axes), Failure> {
        let mut tried = Tried { depth: 0, units: 1, settings };
        let mut axes = Vec::new();
        for (name, span) in self.named() {
            let wrong = |why: String| Failure::Usage(format!("`--{name}`: {why}"));
            let ends = match span {
                Span::Words(words) => words.clone(),
                Span::Between(low, high) => vec![low.to_string(), high.to_string()],
            };
            // All that a trial may be given is refused now, and not within one.
            ends.iter().try_for_each(|end| tried.set(name, end)).map_err(wrong)?;
            axes.extend(axis(name, span).map(|axis| (name, axis)));
        }
        match axes.is_empty() {
            true => {
                Err(Failure::Usage("every setting has one value: give one of them a list or a range".into()))
            }
            false => Ok((tried, axes)),
        }
    }
}

/// Along what trials differ; `None` of one value.
fn axis(name: &str, span: &Span) -> Option<Axis> {
    match span {
        Span::Words(words) if words.len() == 1 => None,
        Span::Words(words) => Some(choice(words.clone())),
        Span::Between(low, high) => Some(match name {
            "layers" | "units" | "batch" => whole(*low as i64..=*high as i64),
            "rate" => log(*low..=*high),
            "weight-decay" if *low > 0.0 => log(*low..=*high),
            _ => number(*low..=*high),
        }),
    }
}

impl Tried {
    /// One setting, as an option's text.
    fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let settings = &mut self.settings;
        match name {
            // No layers make a linear model.
            "layers" => {
                self.depth =
                    text.parse().ok().filter(|depth| *depth <= 64).ok_or("give numbers from 0 to 64")?
            }
            "units" => {
                self.units = Layers::from_str(text)
                    .ok()
                    .and_then(|it| it.0.first().copied())
                    .ok_or("give numbers from 1 to 65536")?
            }
            "rate" => settings.rate = positive(text)?,
            "dropout" => settings.dropout = share(text)?,
            "weight-decay" => settings.weight_decay = from_zero(text)?,
            "batch" => settings.batch = count(text)?,
            "activation" => settings.activation = word(text)?,
            _ => settings.optimizer = word::<Rule>(text)?,
        }
        Ok(())
    }

    /// As a trial has them.
    pub(crate) fn of(&self, trial: &Trial) -> Result<Settings, downhill::Error> {
        let mut tried = self.clone();
        for (name, setting) in &trial.settings {
            tried.set(name, &setting.to_string()).map_err(|why| downhill::Error::Usage {
                message: format!("`{name}` is {setting}"),
                help: why,
            })?;
        }
        Ok(Settings { layers: Layers(vec![tried.units; tried.depth]), ..tried.settings })
    }
}

fn word<W: ValueEnum>(text: &str) -> Result<W, String> {
    W::from_str(text, false).map_err(|_| {
        let known: Vec<String> = W::value_variants().iter().map(|word| told(word.clone())).collect();
        format!("`{text}` is none of {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        assert_eq!("1e-4..0.1".parse(), Ok(Span::Between(1e-4, 0.1)));
        assert_eq!("1..=3".parse(), Ok(Span::Between(1.0, 3.0)));
        assert_eq!("relu, tanh".parse(), Ok(Span::Words(vec!["relu".into(), "tanh".into()])));
        for wrong in ["3..1", "a..b", "1..", "a,,b", "a,a", ""] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_are_axes_of_their_setting() {
        let axis = |name: &str, text: &str| axis(name, &text.parse().expect("a span"));
        assert_eq!(axis("layers", "1..3"), Some(whole(1..=3)));
        assert_eq!(axis("rate", "1e-3..1"), Some(log(1e-3..=1.0)));
        assert_eq!(axis("weight-decay", "0..1"), Some(number(0.0..=1.0)));
        assert_eq!(axis("activation", "relu"), None);
    }
}
