//! PyTorch's values: files of `tests/golden`, a record a line: name, dims joined by `x`, values. Their formats stand at their heads.

/// An array.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) dims: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// The records of a file in its order, each with its name.
pub(crate) fn records(file: &str) -> Vec<(String, Recorded)> {
    let path = format!("{}/../tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the golden file");
    let record = |line: &str| {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let name = words.next().expect("a name").to_owned();
        let dims = words.next().expect("dims").split('x').map(|dim| dim.parse().expect("a dim")).collect();
        let values = words.map(|word| word.parse().expect("a number")).collect();
        (name, Recorded { dims, values })
    };
    text.lines().filter(|line| !line.starts_with('#')).map(record).collect()
}
