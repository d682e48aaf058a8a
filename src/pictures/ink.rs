//! Colours: of lines and classes, and of numbers from 0 to 1.

use plotters::style::RGBColor;

pub(super) const TEXT: RGBColor = RGBColor(38, 38, 38);
pub(super) const AXIS: RGBColor = RGBColor(120, 120, 120);
pub(super) const MESH: RGBColor = RGBColor(222, 222, 222);
pub(super) const FAINT_MESH: RGBColor = RGBColor(240, 240, 240);
pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// What is no number. No palette has it.
pub(super) const BROKEN: RGBColor = RGBColor(255, 0, 255);

/// Okabe and Ito's colours (2008), which are told apart by almost everyone, the brightest left out.
const CLASSES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// Of a class, or of the series at this position; they come again after seven.
pub(super) fn class(index: usize) -> RGBColor {
    CLASSES[index % CLASSES.len()]
}

/// From dark to bright in even steps for the eye: nine points of viridis (Smith and van der Walt, 2015).
const VIRIDIS: [RGBColor; 9] = [
    RGBColor(68, 1, 84),
    RGBColor(71, 44, 122),
    RGBColor(59, 81, 139),
    RGBColor(44, 113, 142),
    RGBColor(33, 144, 141),
    RGBColor(39, 173, 129),
    RGBColor(92, 200, 99),
    RGBColor(170, 220, 50),
    RGBColor(253, 231, 37),
];

/// Two sides of a middle: blue, white, red.
const SIDES: [RGBColor; 5] = [
    RGBColor(33, 102, 172),
    RGBColor(146, 197, 222),
    RGBColor(247, 247, 247),
    RGBColor(244, 165, 130),
    RGBColor(178, 24, 43),
];

/// From white to the colour of the first class: counts.
const COUNTS: [RGBColor; 2] = [RGBColor(247, 250, 253), RGBColor(8, 81, 156)];

pub(super) fn viridis(share: f64) -> RGBColor {
    along(&VIRIDIS, share)
}

pub(super) fn sides(share: f64) -> RGBColor {
    along(&SIDES, share)
}

pub(super) fn counts(share: f64) -> RGBColor {
    along(&COUNTS, share)
}

/// What lies at this share of a scale.
fn along(scale: &[RGBColor], share: f64) -> RGBColor {
    let place = share.clamp(0.0, 1.0) * (scale.len() - 1) as f64;
    let below = (place as usize).min(scale.len() - 2);
    mix(scale[below], scale[below + 1], place - below as f64)
}

/// `share` of the way from `a` to `b`.
pub(super) fn mix(a: RGBColor, b: RGBColor, share: f64) -> RGBColor {
    let channel =
        |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share.clamp(0.0, 1.0)).round() as u8;
    RGBColor(channel(a.0, b.0), channel(a.1, b.1), channel(a.2, b.2))
}

/// Black or white, whichever is read on this ground.
pub(super) fn on(ground: RGBColor) -> RGBColor {
    let light = 0.299 * f64::from(ground.0) + 0.587 * f64::from(ground.1) + 0.114 * f64::from(ground.2);
    if light > 140.0 { TEXT } else { PAPER }
}
