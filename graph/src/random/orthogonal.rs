//! Orthonormal rows or columns.

use super::source::Source;

/// Gram–Schmidt over Gaussian vectors: the rows, or the columns where they are fewer. Each vector is orthogonalised twice, as once loses
/// orthogonality to rounding.
pub(super) fn orthogonal(source: &Source, shape: &[usize], gain: f64) -> Vec<f64> {
    let columns = shape.last().copied().unwrap_or(1);
    let rows: usize = shape[..shape.len().saturating_sub(1)].iter().product();
    let (count, length) = (rows.min(columns), rows.max(columns));

    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for i in 0..count {
        let mut vector: Vec<f64> = (0..length).map(|j| source.normal((i * length + j) as u64)).collect();
        for _ in 0..2 {
            for other in &basis {
                let along = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        basis.push(vector);
    }

    let element =
        |row: usize, column: usize| if rows <= columns { basis[row][column] } else { basis[column][row] };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(r, c)| gain * element(r, c))
        .collect()
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
