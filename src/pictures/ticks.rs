//! Where an axis has marks, and how numbers are written there.

/// A mark: its value, and what stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// Round numbers in a range: multiples of 1, 2 or 5 times a power of ten, some `wanted` of them.
pub(super) fn linear(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let step = round_step((high - low) / wanted as f64);
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    // A range that floats hardly resolve has no step that moves.
    if !step.is_normal() || step < 1e-12 * low.abs().max(high.abs()) {
        return vec![tick(low, 0.0), tick(high, 0.0)];
    }
    (0..=(last - first) as usize).map(|i| tick((first + i as f64) * step, step)).collect()
}

/// The least of 1, 2, 5, 10 times a power of ten that is no less.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// Powers of ten in a range of logarithms, or where they are few, 1, 2 and 5 times them; and round numbers where those are few too.
pub(super) fn decades(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let each = ((high - low) / wanted as f64).ceil().max(1.0);
    let marks = |factors: &[f64]| -> Vec<Tick> {
        let powers = (low.floor() as i32)..=(high.ceil() as i32);
        let values = powers.filter(|power| power.rem_euclid(each as i32) == 0);
        let values = values.flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        values
            .filter(|value| (low - 1e-9..=high + 1e-9).contains(&value.log10()))
            .map(|value| Tick { at: value.log10(), label: number(value, 0.0) })
            .collect()
    };
    let few = |ticks: &Vec<Tick>| ticks.len() < 3;
    Some(marks(&[1.0])).filter(|ticks| !few(ticks)).unwrap_or_else(|| {
        Some(marks(&[1.0, 2.0, 5.0])).filter(|ticks| !few(ticks)).unwrap_or_else(|| {
            let ticks = linear(10_f64.powf(low), 10_f64.powf(high), wanted);
            ticks.into_iter().map(|tick| Tick { at: tick.at.log10(), ..tick }).collect()
        })
    })
}

/// Between the powers of ten: faint lines that show the scale for what it is.
pub(super) fn within_decades(low: f64, high: f64) -> Vec<f64> {
    let powers = (low.floor() as i32)..=(high.ceil() as i32);
    let all = powers.flat_map(|power| (2..10).map(move |n| f64::from(power) + f64::from(n).log10()));
    all.filter(|at| (low..=high).contains(at)).collect()
}

fn tick(value: f64, step: f64) -> Tick {
    // Of −0 and of what rounding left of 0 in steps.
    let value = if value.abs() < step * 1e-9 { 0.0 } else { value };
    Tick { at: value, label: number(value, step) }
}

/// A number with as many digits as tell it from its neighbours at this step; with four digits for a step of 0.
pub(super) fn number(value: f64, step: f64) -> String {
    let (size, fine) = (value.abs(), if step > 0.0 { step } else { value.abs() * 1e-3 });
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e6).contains(&size.max(step)) {
        let digits = (size.log10().floor() - fine.log10().floor()).clamp(0.0, 6.0) as usize;
        return trimmed(&format!("{value:.digits$e}"));
    }
    let decimals = (-fine.log10().floor()).clamp(0.0, 12.0) as usize;
    if step > 0.0 { format!("{value:.decimals$}") } else { trimmed(&format!("{value:.decimals$}")) }
}

/// Without zeros that say nothing: `1.50e3` is `1.5e3`, `0.100` is `0.1`.
fn trimmed(number: &str) -> String {
    let (digits, power) =
        number.split_once('e').map_or((number, None), |(digits, power)| (digits, Some(power)));
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    power.map_or_else(|| digits.to_owned(), |power| format!("{digits}e{power}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<Tick>) -> String {
        ticks.into_iter().map(|tick| tick.label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn marks_are_round_numbers() {
        assert_eq!(labels(linear(-0.04, 1.04, 6)), "0.0 0.2 0.4 0.6 0.8 1.0".replace("0.0", "0"));
        assert_eq!(labels(linear(0.0, 103.0, 6)), "0 20 40 60 80 100");
        assert_eq!(labels(linear(-2.5e-7, 2.5e-7, 5)), "-2e-7 -1e-7 0 1e-7 2e-7");
        assert_eq!(linear(1.0, 1.0_f64.next_up(), 6).len(), 2);
    }

    #[test]
    fn marks_of_logarithms_are_powers_or_what_is_there() {
        assert_eq!(labels(decades(-3.2, 1.1, 6)), "0.001 0.01 0.1 1 10");
        assert_eq!(labels(decades(0.0, 1.5, 6)), "1 2 5 10 20");
        assert_eq!(labels(decades(2_f64.log10(), 2.5_f64.log10(), 5)), "2.0 2.1 2.2 2.3 2.4 2.5");
        assert!(decades(-300.0, 300.0, 6).len() < 9);
    }

    #[test]
    fn numbers_are_short() {
        let found: Vec<String> =
            [0.1, 0.12345, 1234.6, 1.5e9, 2e-9, -3.0].map(|value| number(value, 0.0)).into();
        assert_eq!(found, ["0.1", "0.1235", "1235", "1.5e9", "2e-9", "-3"]);
    }
}
