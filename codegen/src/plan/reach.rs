//! Which elements of a buffer an access reaches, over all iterations of the loops around it.
//!
//! In: a kernel and an access. Out: the elements as [`Run`]s, each once where that can be told.

use crate::ir::affine::Axis;
use crate::ir::kernel::{Access, Buffer, Kernel};
use downhill_graph::dim::Dim;

/// Elements a stride apart.
pub(super) struct Run {
    pub(super) stride: Dim,
    pub(super) count: Dim,
}

impl Run {
    /// Those that an access reaches along an axis.
    pub(super) fn of(kernel: &Kernel, access: &Access, axis: Axis) -> Run {
        Run { stride: access.at.coefficient(axis), count: kernel.extents[axis.0 as usize].clone() }
    }

    /// How many elements this run has when it begins at each element of another one, where together they are a run again: they follow
    /// one another, or overlap as windows do.
    fn at_each_of(&self, other: &Run) -> Option<Dim> {
        if other.stride == &self.stride * &self.count {
            return Some(&self.count * &other.count);
        }
        let dims = [&self.stride, &self.count, &other.stride, &other.count];
        let [Some(stride), Some(count), Some(far), Some(times)] = dims.map(Dim::as_constant) else {
            return None;
        };
        let apart = far.checked_div(stride).filter(|apart| far % stride == 0 && (1..=count).contains(apart));
        apart.filter(|_| times > 0).map(|apart| &(&Dim::from(apart) * &Dim::from(times - 1)) + &self.count)
    }
}

/// What an access reaches, apart from the rows that it looks up: runs at each element of runs, the closest elements first. What windows see
/// several times is reached once, where that can be told from the sizes.
pub(super) fn runs(kernel: &Kernel, access: &Access) -> Vec<Run> {
    let is_row = |axis: &Axis| access.row.is_some_and(|(row, _)| row == *axis);
    let axes = access.at.terms.keys().filter(|axis| !is_row(axis));
    let mut open: Vec<Run> = axes.map(|axis| Run::of(kernel, access, *axis)).collect();
    open.retain(|run| !run.count.is(1));
    // Unknown strides count as the greatest.
    open.sort_by_key(|run| run.stride.as_constant().unwrap_or(i64::MAX));

    let mut runs: Vec<Run> = Vec::new();
    while !open.is_empty() {
        let joined = |last: &Run| {
            let counts = open.iter().map(|other| last.at_each_of(other));
            counts.enumerate().find_map(|(at, count)| count.map(|count| (at, count)))
        };
        match runs.last().and_then(joined) {
            Some((at, count)) => {
                open.remove(at);
                runs.last_mut().into_iter().for_each(|last| last.count = count.clone());
            }
            None => runs.push(open.remove(0)),
        }
    }
    runs
}

/// Whether an access, over all iterations, reaches every element of a buffer of so many bytes.
pub(super) fn reaches_all(kernel: &Kernel, buffer: Buffer, access: &Access, bytes: &Dim) -> bool {
    let starts_at_0 = access.row.is_none() && access.by.is_none() && access.at.constant.is(0);
    let reached = match &runs(kernel, access)[..] {
        [] => Dim::from(1),
        [run] if run.stride.is(1) => run.count.clone(),
        _ => return false,
    };
    starts_at_0 && &reached * &Dim::from(kernel.element_of(buffer).bytes()) == *bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::affine::Affine;

    /// The runs, as (stride, count), of loops of so many iterations with these strides.
    fn of(loops: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let axes = (0..loops.len() as u32).map(Axis);
        let at = axes.zip(loops).fold(Affine::default(), |sum, (axis, (stride, _))| {
            sum.plus(&Affine::axis(axis).times(&Dim::from(*stride)))
        });
        let extents = loops.iter().map(|(_, count)| Dim::from(*count)).collect();
        let kernel = Kernel { name: String::new(), extents, values: Vec::new(), body: Vec::new() };
        let number = |dim: &Dim| dim.as_constant().expect("a number");
        let runs = runs(&kernel, &Access::at(at));
        runs.iter().map(|run| (number(&run.stride), number(&run.count))).collect()
    }

    /// All elements of loops of so many iterations with these strides.
    fn elements(loops: &[(i64, i64)]) -> Vec<i64> {
        let mut all = vec![0];
        for (stride, count) in loops {
            all = all.iter().flat_map(|start| (0..*count).map(move |turn| start + turn * stride)).collect();
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    #[test]
    fn what_windows_see_several_times_is_reached_once() {
        // Windows of 3 × 3 over 18 × 18 pixels of 16 channels, and the same for pictures that lie apart.
        let windows = [(16, 3), (288, 3), (1, 16), (16, 16), (288, 16)];
        assert_eq!(of(&windows), [(1, 5184)]);
        assert_eq!(of(&[&windows[..], &[(6000, 4)]].concat()), [(1, 5184), (6000, 4)]);
        // Every other pixel and every other row: what lies between is reached by no window.
        assert_eq!(of(&[(1, 16), (32, 8), (576, 8)]), [(1, 16), (32, 8), (576, 8)]);
        assert_eq!(of(&[(1, 4), (4, 1)]), [(1, 4)]);
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn runs_have_the_elements_of_the_loops() {
        for far in 1..8 {
            for counts in [[3, 2, 4], [2, 5, 1], [4, 4, 4]] {
                for strides in [[1, far, 3 * far], [2, far, far + 2], [1, -far, 10]] {
                    let loops: Vec<_> = strides.into_iter().zip(counts).collect();
                    let runs = of(&loops);
                    assert_eq!(elements(&loops), elements(&runs), "{loops:?} as {runs:?}");
                }
            }
        }
    }
}
