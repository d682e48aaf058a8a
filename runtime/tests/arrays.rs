//! Arrays of the crate `ndarray` as data sets.
#![cfg(feature = "ndarray")]

use downhill_runtime::dataset::Dataset;

#[test]
fn arrays_are_columns() {
    let x = ndarray::Array2::from_shape_fn((4, 3), |(row, column)| (10 * row + column) as f64);
    let labels = ndarray::array![0_i64, 1, 1, 0];
    let data = Dataset::of(&[("x", &x), ("label", &labels), ("last", &x.row(3))]);
    assert!(data.is_err(), "a column of three rows beside one of four");

    let data = Dataset::of(&[("x", &x), ("label", &labels)]).expect("a data set");
    assert_eq!(data.column("x").expect("there").shape(), [4, 3]);
    assert_eq!(data.column("x").expect("there").as_f32().expect("f32")[3..6], [10.0, 11.0, 12.0]);
    assert_eq!(data.column("label").expect("there").as_i32().expect("i32"), [0, 1, 1, 0]);
    let rows = x.slice(ndarray::s![1..3, ..]);
    assert_eq!(Dataset::of(&[("x", &rows)]).expect("rows").rows(), 2);
    let message = Dataset::of(&[("x", &x.t())]).expect_err("columns lie apart").to_string();
    assert!(message.contains("`x`") && message.contains("row-major"), "{message}");
}
