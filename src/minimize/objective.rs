//! The loss of a model as a function of all its parameters as one list of numbers.
//!
//! Must hold: the model has the parameters of the last evaluation until [`Objective::settle`] gives it those that were gone to.

use super::directions::add;
use super::line::Point;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use downhill_runtime::outputs::Outputs;
use std::ops::Range;

/// What gives a loss and its gradients by all that it trains.
type Evaluate<'a> = dyn Fn(&Model) -> Result<Outputs, Error> + 'a;

/// A loss, and where it is.
pub(super) struct Objective<'a> {
    net: &'a mut Model,
    evaluate: Box<Evaluate<'a>>,
    /// The parameters that the loss trains, and where the numbers of each lie.
    parts: Vec<(String, Vec<usize>, Range<usize>)>,
    /// What they are, where it is.
    here: Vec<f64>,
    /// What was evaluated last.
    tried: Vec<f64>,
}

impl<'a> Objective<'a> {
    /// The loss that `evaluate` gives with its gradients, and what both are to begin with.
    pub(super) fn new(
        net: &'a mut Model,
        evaluate: impl Fn(&Model) -> Result<Outputs, Error> + 'a,
    ) -> Result<(Objective<'a>, Point), Error> {
        let given = evaluate(net)?;
        let (mut parts, mut here) = (Vec::new(), Vec::new());
        for (name, gradient) in given.iter() {
            let start = here.len();
            here.extend(net.parameter(name)?.to_f64_vec());
            parts.push((name.to_owned(), gradient.shape().to_vec(), start..here.len()));
        }
        let tried = here.clone();
        Ok((Objective { net, evaluate: Box::new(evaluate), parts, here, tried }, point(&given)))
    }

    /// The loss and its gradient so far along a direction.
    pub(super) fn at(&mut self, direction: &[f64], length: f64) -> Result<Point, Error> {
        self.tried.clone_from(&self.here);
        add(&mut self.tried, length, direction);
        self.write()?;
        let given = (self.evaluate)(self.net)?;
        Ok(point(&given))
    }

    /// Goes there.
    pub(super) fn go(&mut self, direction: &[f64], length: f64) {
        add(&mut self.here, length, direction);
    }

    /// Gives the model the parameters that were gone to.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        self.tried.clone_from(&self.here);
        self.write()
    }

    fn write(&mut self) -> Result<(), Error> {
        for (name, shape, range) in &self.parts {
            let values: Vec<f32> = self.tried[range.clone()].iter().map(|&value| value as f32).collect();
            // What is not finite is looked at, and left again.
            self.net.set_parameter_unchecked(name, &Tensor::new(shape.clone(), values)?)?;
        }
        Ok(())
    }
}

fn point(given: &Outputs) -> Point {
    let gradient = given.iter().flat_map(|(_, gradient)| gradient.to_f64_vec()).collect();
    Point { loss: given.loss().map_or(f64::NAN, f64::from), gradient }
}
