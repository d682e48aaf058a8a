//! Every combination of settings.

use super::axis::Axis;
use super::trial::Setting;

/// The settings of trial `number` of a grid with at most `points` settings an axis; `None` behind its end. The last axis turns fastest.
pub(super) fn settings(axes: &[Axis], points: usize, number: u64) -> Option<Vec<Setting>> {
    let mut rest = number;
    let mut settings: Vec<Setting> = Vec::with_capacity(axes.len());
    for axis in axes.iter().rev() {
        let count = points_of(axis, points) as u64;
        settings.push(at(axis, count, rest % count));
        rest /= count;
    }
    settings.reverse();
    (rest == 0).then_some(settings)
}

/// How many trials there are, if they can be counted.
pub(super) fn size(axes: &[Axis], points: usize) -> Option<u64> {
    axes.iter().try_fold(1_u64, |size, axis| size.checked_mul(points_of(axis, points) as u64))
}

fn points_of(axis: &Axis, points: usize) -> usize {
    match axis {
        // All words: there is no order to leave some out by.
        Axis::Choice(words) => words.len().max(1),
        _ => axis.count().unwrap_or(usize::MAX).min(points).max(1),
    }
}

/// Evenly over the axis, both ends included.
fn at(axis: &Axis, count: u64, index: u64) -> Setting {
    let place = match axis.count() {
        Some(all) if all as u64 == count => (index as f64 + 0.5) / count as f64,
        _ if count == 1 => 0.5,
        _ => index as f64 / (count - 1) as f64,
    };
    axis.at(place)
}
