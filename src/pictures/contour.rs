//! Where a field of numbers on a grid crosses zero: marching squares (Lorensen and Cline's marching cubes, 1987, in the plane).

/// Pieces of the line, with ends in units of the grid: (column, row).
pub(super) fn zero(field: &[f64], columns: usize) -> Vec<[(f64, f64); 2]> {
    let rows = field.len() / columns;
    let squares = (1..rows).flat_map(|row| (1..columns).map(move |column| (column - 1, row - 1)));
    squares.flat_map(|(column, row)| within(field, columns, column, row)).collect()
}

/// The pieces within the square whose first corner this is.
fn within(field: &[f64], columns: usize, column: usize, row: usize) -> Vec<[(f64, f64); 2]> {
    let corner = |(right, down): (usize, usize)| field[(row + down) * columns + column + right];
    // Around the square: each edge from a corner to the next.
    let around = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)];
    let crossings = around.windows(2).filter_map(|edge| {
        let (a, b) = (corner(edge[0]), corner(edge[1]));
        if (a > 0.0) == (b > 0.0) || !(a - b).is_finite() {
            return None;
        }
        let share = a / (a - b);
        let between = |a: usize, b: usize| a as f64 + (b as f64 - a as f64) * share;
        Some((column as f64 + between(edge[0].0, edge[1].0), row as f64 + between(edge[0].1, edge[1].1)))
    });
    // Two crossings are a line, four are two; which two of the four belong together, the grid does not tell.
    let crossings: Vec<(f64, f64)> = crossings.collect();
    crossings.chunks_exact(2).map(|ends| [ends[0], ends[1]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_crosses_zero_along_a_straight_line() {
        let field: Vec<f64> = (0..9).map(|at| f64::from(at % 3) - 0.25).collect();
        let pieces = zero(&field, 3);
        assert_eq!(pieces, [[(0.25, 0.0), (0.25, 1.0)], [(0.25, 1.0), (0.25, 2.0)]]);
        assert!(zero(&[f64::NAN, 1.0, -1.0, f64::NAN], 2).is_empty());
        assert!(zero(&[1.0; 6], 2).is_empty());
    }
}
