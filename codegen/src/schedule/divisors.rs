//! Numbers that divide others. All are at least 1.

/// The greatest number that divides both.
pub(super) fn greatest_common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The least number that both divide.
pub(super) fn least_common_multiple(a: i64, b: i64) -> i64 {
    a / greatest_common_divisor(a, b) * b
}

/// The greatest divisor of `of` that is at most so much.
pub(super) fn divisor(of: i64, most: i64) -> i64 {
    (1..=most.clamp(1, of)).rev().find(|part| of % part == 0).unwrap_or(1)
}

/// The same, unless it is less than half of that: then what is left over is one block more.
pub(super) fn divisor_or(of: i64, most: i64) -> i64 {
    let even = divisor(of, most);
    if 2 * even >= most { even } else { most.min(of) }
}
