//! Columns of numbers and of categories, as a file of separated values holds them.
//!
//! In: columns. Out: [`Table`]; from it the tensors and data sets that networks take.

use crate::data::schema::{Kind, Schema};
use crate::mistake::{counted, misuse, reserved};
use downhill_graph::tensor::Tensor;
use downhill_runtime::dataset::Dataset;
use downhill_runtime::error::Error;

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; NaN where one is missing.
    Numbers(Vec<f64>),
    /// The number of each row's category; −1 where it is missing.
    Categories(Vec<i32>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Numbers(numbers) => numbers.len(),
            Values::Categories(classes) => classes.len(),
        }
    }

    fn is_missing(&self, row: usize) -> bool {
        match self {
            Values::Numbers(numbers) => numbers[row].is_nan(),
            Values::Categories(classes) => classes[row] < 0,
        }
    }

    fn select(&self, rows: &[usize]) -> Values {
        match self {
            Values::Numbers(numbers) => Values::Numbers(rows.iter().map(|&row| numbers[row]).collect()),
            Values::Categories(classes) => Values::Categories(rows.iter().map(|&row| classes[row]).collect()),
        }
    }
}

/// Named columns of equally many rows, of numbers or of categories: what [`Csv`](crate::data::csv::Csv) reads.
///
/// # Examples
/// ```
/// use downhill::data::csv::Csv;
///
/// # fn main() -> Result<(), downhill::Error> {
/// let text = "length,kind\n1.5,cat\n2.5,dog\n";
/// let table = Csv::new("animals.csv").parse(text)?;
/// let data = table.dataset("kind")?; // `x` and `y`, for `input x: [batch, 1]` and `target y: i32[batch]`
/// assert_eq!(data.column("x")?.as_f32()?, [1.5, 2.5]);
/// assert_eq!(data.column("y")?.as_i32()?, [0, 1]);
/// assert_eq!(table.schema().categories("kind")?, ["cat", "dog"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    schema: Schema,
    columns: Vec<Values>,
    rows: usize,
}

impl Table {
    /// Columns of these kinds.
    ///
    /// # Errors
    /// Columns that are not those of the schema, or not equally long.
    pub fn new(schema: Schema, columns: Vec<Values>) -> Result<Table, Error> {
        let rows = columns.first().map_or(0, Values::len);
        let kinds = schema.columns().zip(&columns);
        let fit = |((_, kind), values): ((&str, &Kind), &Values)| match (kind, values) {
            (Kind::Number, Values::Numbers(_)) => true,
            (Kind::Category(texts), Values::Categories(classes)) => {
                classes.iter().all(|&class| class < 0 || (class as usize) < texts.len())
            }
            (Kind::Number, Values::Categories(_)) | (Kind::Category(_), Values::Numbers(_)) => false,
        };
        let alike = columns.iter().all(|values| values.len() == rows);
        if schema.names().count() != columns.len() || !alike || !kinds.into_iter().all(fit) {
            return Err(misuse(
                "columns that their schema does not describe",
                "give one for each name, of its kind, all of as many rows",
            ));
        }
        Ok(Table { schema, columns, rows })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names, kinds and categories of the columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The values of the column of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn column(&self, name: &str) -> Result<&Values, Error> {
        Ok(&self.columns[self.schema.position(name)?])
    }

    /// The names of all columns but these.
    ///
    /// # Errors
    /// A name that no column has.
    pub fn names_but(&self, names: &[&str]) -> Result<Vec<&str>, Error> {
        names.iter().try_for_each(|name| self.schema.position(name).map(|_| ()))?;
        Ok(self.schema.names().filter(|name| !names.contains(name)).collect())
    }

    /// How many values are missing, for each column that lacks any.
    pub fn missing(&self) -> Vec<(&str, usize)> {
        let count = |values: &Values| (0..self.rows).filter(|&row| values.is_missing(row)).count();
        let counts = self.schema.names().zip(self.columns.iter().map(count));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// The rows in which nothing is missing.
    #[must_use]
    pub fn complete(&self) -> Table {
        let whole = |row: &usize| !self.columns.iter().any(|values| values.is_missing(*row));
        let rows: Vec<usize> = (0..self.rows).filter(whole).collect();
        self.taken(&rows)
    }

    /// These rows, in this order.
    ///
    /// # Errors
    /// A row that there is not.
    pub fn select(&self, rows: &[usize]) -> Result<Table, Error> {
        match rows.iter().find(|&&row| row >= self.rows) {
            None => Ok(self.taken(rows)),
            Some(row) => Err(misuse(
                format!("row {row} of a table of {}", counted(self.rows, "row")),
                "rows are numbered from 0",
            )),
        }
    }

    fn taken(&self, rows: &[usize]) -> Table {
        let columns = self.columns.iter().map(|values| values.select(rows)).collect();
        Table { schema: self.schema.clone(), columns, rows: rows.len() }
    }

    /// The columns of another schema, found by name, with its categories: those that a network was trained on. A text that it does not know
    /// becomes a missing value, and is told with the name of its column, each once.
    ///
    /// # Errors
    /// A column that is not there, or is of another kind.
    ///
    /// # Examples
    /// ```
    /// use downhill::data::csv::Csv;
    ///
    /// let trained = Csv::new("trained.csv").parse("kind,length\ncat,1\ndog,2\n")?;
    /// let later = Csv::new("later.csv").parse("length,kind\n3,dog\n4,newt\n")?;
    /// let (table, unknown) = later.recoded(trained.schema())?;
    /// assert_eq!(table.inputs(&["kind"])?.as_f32()?, [0.0, 1.0, 0.0, 0.0]);
    /// assert_eq!(unknown, [("kind".to_owned(), "newt".to_owned())]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn recoded(&self, schema: &Schema) -> Result<(Table, Vec<(String, String)>), Error> {
        let mut unknown = Vec::new();
        let columns = schema.columns().map(|(name, wanted)| {
            let at = self.schema.position(name)?;
            let kind = &self.schema.columns[at].1;
            match (kind, wanted, &self.columns[at]) {
                (Kind::Number, Kind::Number, values) => Ok(values.clone()),
                (Kind::Category(texts), Kind::Category(known), Values::Categories(classes)) => {
                    let place = |text: &String| known.iter().position(|it| it == text);
                    let places: Vec<Option<usize>> = texts.iter().map(place).collect();
                    let strange = texts.iter().zip(&places).filter(|(_, place)| place.is_none());
                    unknown.extend(strange.map(|(text, _)| (name.to_owned(), text.clone())));
                    let recode = |&class: &i32| {
                        let place = usize::try_from(class).ok().and_then(|class| places[class]);
                        place.map_or(-1, |place| place as i32)
                    };
                    Ok(Values::Categories(classes.iter().map(recode).collect()))
                }
                _ => Err(misuse(
                    format!("column `{name}` holds {kind}, where {wanted} were before"),
                    "read it as what it was: `.numbers([…])`, `.categories([…])`",
                )),
            }
        });
        let columns = columns.collect::<Result<_, _>>()?;
        Ok((Table { schema: schema.clone(), columns, rows: self.rows }, unknown))
    }

    /// Inputs `x` and targets `y`: every column but the target's as [`Table::inputs`] gives them, and [`Table::target`].
    ///
    /// # Errors
    /// No such column; an input whose texts differ in every row; a missing value:
    /// [`Transform::impute_mean`](crate::data::Transform::impute_mean) fills those of `inputs`, and [`Table::complete`] leaves their rows out.
    pub fn dataset(&self, target: &str) -> Result<Dataset, Error> {
        let inputs = self.names_but(&[target])?;
        for &name in &inputs {
            self.refuse_missing(name)?;
            self.refuse_identifiers(name)?;
        }
        Dataset::new([("x", self.inputs(&inputs)?), ("y", self.target(target)?)])
    }

    /// These columns beside each other: a number as it is (NaN where it is missing), a category as a 1 among zeros (zeros alone where it is
    /// missing).
    ///
    /// # Shapes
    /// `[rows, width]`, f32. A column of numbers is one wide, one of categories as wide as it has categories.
    ///
    /// # Errors
    /// A name that no column has; more than memory holds.
    pub fn inputs(&self, names: &[&str]) -> Result<Tensor, Error> {
        let columns: Vec<(&Kind, &Values)> = names
            .iter()
            .map(|name| {
                let at = self.schema.position(name)?;
                Ok((&self.schema.columns[at].1, &self.columns[at]))
            })
            .collect::<Result<_, Error>>()?;

        let width = columns.iter().map(|(kind, _)| width(kind)).sum::<usize>();
        let size = self.rows.saturating_mul(width);
        let mut numbers: Vec<f32> =
            reserved(size, || format!("{} of {}", counted(self.rows, "row"), counted(width, "input")))?;
        for row in 0..self.rows {
            for (kind, values) in &columns {
                match values {
                    Values::Numbers(column) => numbers.push(column[row] as f32),
                    Values::Categories(column) => {
                        numbers.extend((0..width_of(kind)).map(|class| f32::from(column[row] == class)));
                    }
                }
            }
        }
        Ok(Tensor::new([self.rows, width], numbers)?)
    }

    /// A column as a target: numbers as `[rows, 1]`, f32; categories as `[rows]`, i32.
    ///
    /// # Errors
    /// No such column; a missing value.
    pub fn target(&self, name: &str) -> Result<Tensor, Error> {
        self.refuse_missing(name)?;
        match self.column(name)? {
            Values::Numbers(numbers) => {
                let numbers: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
                Ok(Tensor::new([self.rows, 1], numbers)?)
            }
            Values::Categories(classes) => Ok(Tensor::from(classes.clone())),
        }
    }

    fn refuse_missing(&self, name: &str) -> Result<(), Error> {
        let values = self.column(name)?;
        match (0..self.rows).find(|&row| values.is_missing(row)) {
            None => Ok(()),
            Some(row) => Err(misuse(
                format!("column `{name}` has no value in row {row}"),
                "leave such rows out (`table.complete()`), or take `table.inputs(…)` and fill them (`Transform::impute_mean`)",
            )),
        }
    }

    /// A name or a number of each row tells nothing of another.
    fn refuse_identifiers(&self, name: &str) -> Result<(), Error> {
        match &self.schema.columns[self.schema.position(name)?].1 {
            Kind::Category(texts) if texts.len() == self.rows && self.rows > FEW => Err(misuse(
                format!("column `{name}` has another text in each of {} rows", self.rows),
                format!("leave it out: `.skip([\"{name}\"])` where the file is read"),
            )),
            Kind::Category(_) | Kind::Number => Ok(()),
        }
    }
}

/// Of so few rows, texts may all differ.
const FEW: usize = 20;

fn width(kind: &Kind) -> usize {
    match kind {
        Kind::Number => 1,
        Kind::Category(texts) => texts.len(),
    }
}

/// There are at most as many categories as an i32 counts.
fn width_of(kind: &Kind) -> i32 {
    i32::try_from(width(kind)).unwrap_or(i32::MAX)
}
