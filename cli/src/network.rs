//! The networks that the command trains: layers of units, with scores of classes or a number behind them.
//!
//! In: a [`Shape`], an optimizer. Out: models. A shape is kept beside a model's weights, so that the same network is built again.

use crate::failure::{Failure, failed};
use clap::ValueEnum;
use downhill::composite;
use downhill::optimizer::Optimizer;
use downhill::prelude::*;
use downhill::value::tanh;
use serde_json::{Value as Json, json};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What bends between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Activation {
    Relu,
    LeakyRelu,
    Elu,
    Selu,
    Gelu,
    Silu,
    Mish,
    Tanh,
    Sigmoid,
}

/// How steps change weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rule {
    Adam,
    Adamw,
    Nadam,
    Radam,
    Adamax,
    Adagrad,
    Adadelta,
    Rmsprop,
    Sgd,
    Lion,
    Lamb,
}

/// Units of the hidden layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layers(pub(crate) Vec<usize>);

/// What a layer may have.
const UNITS: RangeInclusive<usize> = 1..=1 << 16;

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Layers, String> {
        if text == "none" {
            return Ok(Layers(Vec::new()));
        }
        let units = text.split(',').map(|units| match units.trim().parse::<usize>() {
            Ok(units) if UNITS.contains(&units) => Ok(units),
            _ => Err(format!(
                "`{}` is no number of units from 1 to 65536; say `64,32`, or `none`",
                units.trim()
            )),
        });
        units.collect::<Result<_, _>>().map(Layers)
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [] => f.write_str("none"),
            units => f.write_str(&units.iter().map(usize::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

/// All that decides which parameters a network has, and what it computes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) inputs: usize,
    pub(crate) layers: Layers,
    pub(crate) activation: Activation,
    pub(crate) dropout: f64,
    pub(crate) batch_norm: bool,
    /// Classes; `None` for a number.
    pub(crate) classes: Option<usize>,
}

network! {
    /// One of several classes for each row; a row's weight is what its loss counts.
    Classifier(inputs: usize, layers: Vec<usize>, activation: Activation, rate: f64, norm: bool, classes: usize) {
        input  x: [batch, inputs];
        target y: i32[batch];
        target weight: [batch];
        let h = x;
        for units in layers {
            h = linear(h, units);
            h = if norm { batch_norm(h) } else { h };
            h = dropout(self::bent(h, activation), rate);
        }
        let z = linear(h, classes);
        output p = softmax(z);
        loss cross_entropy(z, y, weight: weight);
    }

    /// A number for each row.
    Regressor(inputs: usize, layers: Vec<usize>, activation: Activation, rate: f64, norm: bool) {
        input  x: [batch, inputs];
        target y: [batch, 1];
        let h = x;
        for units in layers {
            h = linear(h, units);
            h = if norm { batch_norm(h) } else { h };
            h = dropout(self::bent(h, activation), rate);
        }
        output p = linear(h, 1);
        loss squared_error(p, y);
    }
}

fn bent(x: &Value, activation: &Activation) -> Value {
    match activation {
        Activation::Relu => composite::relu(x),
        Activation::LeakyRelu => composite::leaky_relu(x, 0.01),
        Activation::Elu => composite::elu(x, 1.0),
        Activation::Selu => composite::selu(x),
        Activation::Gelu => composite::gelu(x),
        Activation::Silu => composite::silu(x),
        Activation::Mish => composite::mish(x),
        Activation::Tanh => tanh(x),
        Activation::Sigmoid => composite::sigmoid(x),
    }
}

impl Rule {
    /// With this learning rate and weight decay.
    pub(crate) fn optimizer(self, rate: f64, decay: f64) -> Result<Optimizer, Failure> {
        if decay != 0.0 && self == Rule::Adadelta {
            // Its penalty is scaled by a unit of its own, which is rarely what is meant.
            return Err(Failure::Usage("`--optimizer adadelta` takes no `--weight-decay`".into()));
        }
        Ok(match self {
            Rule::Adam => adam(rate).weight_decay(decay).into(),
            Rule::Adamw => adamw(rate).weight_decay(decay).into(),
            Rule::Nadam => nadam(rate).weight_decay(decay).into(),
            Rule::Radam => radam(rate).weight_decay(decay).into(),
            Rule::Adamax => adamax(rate).weight_decay(decay).into(),
            Rule::Adagrad => adagrad(rate).weight_decay(decay).into(),
            Rule::Adadelta => adadelta(rate).into(),
            Rule::Rmsprop => rmsprop(rate).weight_decay(decay).into(),
            Rule::Sgd => sgd(rate).weight_decay(decay).into(),
            Rule::Lion => lion(rate).weight_decay(decay).into(),
            Rule::Lamb => lamb(rate).weight_decay(decay).into(),
        })
    }
}

impl Shape {
    /// A network to train; without an optimizer one for inference.
    pub(crate) fn build(
        &self,
        seed: u64,
        threads: Option<usize>,
        optimizer: Option<Optimizer>,
    ) -> Result<Model, Failure> {
        let Shape { inputs, layers, activation, dropout, batch_norm, classes } = self.clone();
        match classes {
            Some(classes) => {
                let network = Classifier::new(inputs, layers.0, activation, dropout, batch_norm, classes);
                built(network, seed, threads, optimizer)
            }
            None => built(
                Regressor::new(inputs, layers.0, activation, dropout, batch_norm),
                seed,
                threads,
                optimizer,
            ),
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        json!({
            "inputs": self.inputs,
            "layers": self.layers.0,
            "activation": told(self.activation),
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
            "classes": self.classes,
        })
    }

    /// What [`Shape::to_json`] told; `None` where it is something else.
    pub(crate) fn of_json(json: &Json) -> Option<Shape> {
        let size = |value: &Json| value.as_u64().and_then(|size| usize::try_from(size).ok());
        let units = |value: &Json| size(value).filter(|units| UNITS.contains(units));
        let layers = json["layers"].as_array()?.iter().map(units).collect::<Option<_>>()?;
        let classes = &json["classes"];
        Some(Shape {
            inputs: size(&json["inputs"])?,
            layers: Layers(layers),
            activation: Activation::from_str(json["activation"].as_str()?, false).ok()?,
            dropout: json["dropout"].as_f64()?,
            batch_norm: json["batch_norm"].as_bool()?,
            classes: if classes.is_null() { None } else { Some(size(classes).filter(|count| *count > 1)?) },
        })
    }
}

fn built<N: Network>(
    network: N,
    seed: u64,
    threads: Option<usize>,
    optimizer: Option<Optimizer>,
) -> Result<Model, Failure> {
    let build = network.seed(seed);
    let build = if let Some(threads) = threads { build.threads(threads) } else { build };
    let build = if let Some(optimizer) = optimizer { build.optimizer(optimizer) } else { build };
    build.build().map_err(|error| match error {
        // Sizes that no machine has memory for.
        downhill::Error::Network(_) | downhill::Error::Code(_) => {
            failed(format!("no such network can be built: {error}"))
        }
        other => other.into(),
    })
}

/// The word of an option's value.
pub(crate) fn told(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_saved_and_read() {
        let shape = Shape {
            inputs: 3,
            layers: Layers(vec![8, 4]),
            activation: Activation::LeakyRelu,
            dropout: 0.1,
            batch_norm: true,
            classes: None,
        };
        assert_eq!(Shape::of_json(&shape.to_json()), Some(shape.clone()));
        let classes = Shape { classes: Some(3), ..shape };
        assert_eq!(Shape::of_json(&classes.to_json()), Some(classes));
        assert_eq!(Shape::of_json(&json!({ "inputs": 3 })), None);
    }

    #[test]
    fn layers_are_read_and_told() {
        for text in ["none", "64", "64,32"] {
            assert_eq!(text.parse::<Layers>().expect("layers").to_string(), text);
        }
        assert!(
            "0".parse::<Layers>().is_err()
                && "8,,8".parse::<Layers>().is_err()
                && "".parse::<Layers>().is_err()
        );
    }

    #[test]
    fn every_activation_and_rule_builds() {
        for activation in Activation::value_variants() {
            let shape = Shape {
                inputs: 2,
                layers: Layers(vec![3]),
                activation: *activation,
                dropout: 0.0,
                batch_norm: false,
                classes: Some(2),
            };
            assert_eq!(shape.build(1, None, None).expect("a network").parameter_count(), 17);
        }
        for rule in Rule::value_variants() {
            assert_eq!(rule.optimizer(0.5, 0.0).expect("an optimizer").learning_rate(), 0.5);
        }
    }
}
