//! What is decided while rustc runs against what a build decides, over random formulas: the check refuses nothing that some number
//! for the argument makes right, and where no argument is involved both say the same.

use downhill_graph::dim::Dim;
use downhill_graph::types::ElementType::F32;
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::value::*;

const CASES: u64 = 1_500;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A size; `width` is the argument.
fn dim(dice: &mut Dice, with_width: bool) -> Dim {
    let [batch, time, width] = ["batch", "time", "width"].map(Dim::symbol);
    let two = Dim::from(2);
    let sizes = [
        Dim::from(1),
        batch.clone(),
        time.clone(),
        two.clone(),
        Dim::from(3),
        &batch * &two,
        &batch - &Dim::from(1),
        batch.divide(&two),
        &batch * &time,
        width.clone(),
        &width + &Dim::from(1),
        &batch * &width,
        batch.divide(&width),
        width.divide(&two),
    ];
    let count = if with_width { sizes.len() } else { 9 };
    sizes[dice.below(count)].clone()
}

fn shape(dice: &mut Dice, with_width: bool) -> Shape {
    let rank = dice.below(4);
    Shape((0..rank).map(|_| dim(dice, with_width)).collect())
}

/// A few inputs and operations on them; the last value, and whether all was right.
fn formula(b: &Builder, seed: u64, with_width: bool) -> bool {
    let dice = &mut Dice(seed);
    let mut values: Vec<Value> =
        (0..3).map(|n| b.input(&format!("x{n}"), F32, shape(dice, with_width))).collect();
    for _ in 0..1 + dice.below(3) {
        let (x, y, z) = (dice.below(values.len()), dice.below(values.len()), dice.below(values.len()));
        let (x, y, z) = (values[x].clone(), values[y].clone(), values[z].clone());
        let rank = x.shape().map_or(0, |shape| shape.rank());
        let value = match dice.below(9) {
            0 | 1 => x + y,
            2 => matmul(x, y),
            3 => concatenate(b, &[x, y], 0),
            4 => select(greater(x, 0.0), y, z),
            5 => reshape(x, shape(dice, with_width)),
            6 => maximum(expand(x, 0), y),
            7 if rank > 0 => mean_over(x, &[dice.below(rank) as i64]),
            _ if rank > 1 => transpose(x),
            _ => -x,
        };
        values.push(value);
    }
    b.take_errors().is_empty()
}

fn checked(seed: u64, with_width: bool) -> bool {
    let b = Builder::for_checking();
    b.open_argument("width");
    formula(&b, seed, with_width)
}

fn built(seed: u64, with_width: bool, width: usize) -> bool {
    let b = Builder::new(Mode::Train);
    b.argument("width", width);
    formula(&b, seed, with_width)
}

#[test]
fn without_arguments_the_check_and_a_build_say_the_same() {
    let accepted = (0..CASES).filter(|&seed| {
        let (checked, built) = (checked(seed, false), built(seed, false, 1));
        assert_eq!(checked, built, "seed {seed}");
        checked
    });
    let accepted = accepted.count();
    assert!((CASES / 10..CASES - CASES / 10).contains(&(accepted as u64)), "{accepted} of {CASES}");
}

#[test]
fn the_check_refuses_nothing_that_an_argument_makes_right() {
    let mut right = 0;
    for seed in 0..CASES {
        let widths: Vec<usize> = (0..6).filter(|&width| built(seed, true, width)).collect();
        assert!(checked(seed, true) || widths.is_empty(), "seed {seed}: right with width {widths:?}");
        right += u64::from(!widths.is_empty() && widths.len() < 6);
    }
    assert!(right > CASES / 50, "{right} hang on the argument");
}
