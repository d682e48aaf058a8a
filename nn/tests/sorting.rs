//! The order of elements however many there are: short axes, long ones, and such as a run brings, against the standard library's stable sort.

mod declared;

use declared::{run, typed};
use downhill_graph::interpret::Environment;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, F32, F64, I32, U32};
use downhill_nn::builder::{Builder, Mode};
use downhill_nn::value::{argsort, convert};
use std::cmp::Ordering;

/// NaN is more than all numbers; the two zeros are equal.
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn in_order(row: &[f64], descending: bool) -> Vec<f64> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| if descending { compare(row[b], row[a]) } else { compare(row[a], row[b]) });
    order.into_iter().map(|index| index as f64).collect()
}

/// Few different numbers, so that many are equal, and those at which something happens.
fn numbers(element: ElementType, count: usize) -> Vec<f64> {
    let tiny = f64::from(f32::from_bits(1));
    let special: &[f64] = match element {
        I32 => &[f64::from(i32::MIN), f64::from(i32::MAX), 0.0, -1.0],
        U32 => &[f64::from(u32::MAX), 0.0, 2_147_483_648.0, 2_147_483_647.0],
        _ => &[
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            tiny,
            -tiny,
            f64::from(f32::MAX),
            -f64::NAN,
        ],
    };
    let signed = |n: usize| (n * 7919 % 53) as f64 - if element == U32 { 0.0 } else { 26.0 };
    (0..count).map(|n| if n % 3 == 1 { special[n * 31 % special.len()] } else { signed(n) }).collect()
}

fn assert_ordered(element: ElementType, count: usize, size: &str, descending: bool) {
    let b = Builder::new(Mode::Train);
    let x = typed(&b, "x", element, &["2", size]);
    let order = convert(argsort(&x, 1, descending), F32);
    let values = numbers(element, 2 * count);
    let tensor = Tensor::from_f64(element, [2, count], &values).expect("a tensor");
    let found = run(b, &order, &[], &Environment::new().input("x", tensor)).swap_remove(0);
    let expected: Vec<f64> =
        [&values[..count], &values[count..]].iter().flat_map(|row| in_order(row, descending)).collect();
    assert_eq!(found, expected, "{count} elements of {element}, axis {size}, descending: {descending}");
}

#[test]
fn elements_come_in_their_order_however_many_there_are() {
    for element in [F32, F64, I32, U32] {
        for descending in [false, true] {
            for count in [50, 257] {
                assert_ordered(element, count, &count.to_string(), descending);
            }
            for count in [0, 1, 17] {
                assert_ordered(element, count, "n", descending);
            }
        }
    }
}
