//! The values of a column, page by page, as numbers and texts.
//!
//! In: a column of a row group, with its type. Out: a column of a table that has grown.

use crate::arrays::half;
use crate::data::column::Growing;
use ::parquet::basic::{LogicalType, TimeUnit, Type};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{DataType, Int96};
use ::parquet::errors::ParquetError;
use ::parquet::schema::types::ColumnDescriptor;
use chrono::{DateTime, NaiveDate};

/// Values that are asked for at once.
const AT_ONCE: usize = 4096;

/// What the words of a column mean.
#[derive(Clone, Copy)]
enum Meaning {
    /// Truth values, as texts.
    Truth,
    /// Whole numbers, of so many digits behind the point.
    Whole { scale: u32, is_signed: bool },
    /// Numbers with a point.
    Float,
    /// Numbers of 16 bits.
    Half,
    /// Texts.
    Text,
    /// Days since 1970.
    Date,
    /// Times of day, in so many parts of a second.
    Time(i64),
    /// Times since 1970, in so many parts of a second.
    Timestamp(i64),
}

/// What a column's values mean; `None` where they are neither number nor text.
fn meaning(column: &ColumnDescriptor) -> Option<Meaning> {
    use ::parquet::basic::ConvertedType as Old;
    // The format has no more digits; a broken file may say anything.
    let scale = u32::try_from(column.type_scale()).ok().filter(|&scale| scale <= 38);
    let decimal = scale.map(|scale| Meaning::Whole { scale, is_signed: true });
    let (is_whole, is_bytes) = match column.physical_type() {
        Type::BOOLEAN => return Some(Meaning::Truth),
        Type::FLOAT | Type::DOUBLE => return Some(Meaning::Float),
        // What Spark and Hive wrote: nanoseconds of a day, and the day.
        Type::INT96 => return Some(Meaning::Timestamp(1_000_000_000)),
        Type::INT32 | Type::INT64 => (true, false),
        Type::BYTE_ARRAY => (false, true),
        Type::FIXED_LEN_BYTE_ARRAY => (false, false),
    };
    if let Some(logical) = column.logical_type_ref() {
        match logical {
            LogicalType::Decimal(_) => return decimal,
            LogicalType::Date if is_whole => return Some(Meaning::Date),
            LogicalType::Time(time) if is_whole => return Some(Meaning::Time(parts(&time.unit))),
            LogicalType::Timestamp(time) if is_whole => return Some(Meaning::Timestamp(parts(&time.unit))),
            LogicalType::Integer(whole) if is_whole => {
                return Some(Meaning::Whole { scale: 0, is_signed: whole.is_signed });
            }
            LogicalType::Float16 if !is_bytes && !is_whole => return Some(Meaning::Half),
            LogicalType::String | LogicalType::Enum | LogicalType::Json if is_bytes => {
                return Some(Meaning::Text);
            }
            LogicalType::Unknown => {}
            _ => return None,
        }
    }
    match column.converted_type() {
        Old::DECIMAL => decimal,
        Old::DATE if is_whole => Some(Meaning::Date),
        Old::TIME_MILLIS if is_whole => Some(Meaning::Time(1000)),
        Old::TIME_MICROS if is_whole => Some(Meaning::Time(1_000_000)),
        Old::TIMESTAMP_MILLIS if is_whole => Some(Meaning::Timestamp(1000)),
        Old::TIMESTAMP_MICROS if is_whole => Some(Meaning::Timestamp(1_000_000)),
        Old::UINT_8 | Old::UINT_16 | Old::UINT_32 | Old::UINT_64 if is_whole => {
            Some(Meaning::Whole { scale: 0, is_signed: false })
        }
        _ if is_whole => Some(Meaning::Whole { scale: 0, is_signed: true }),
        // Texts of writers that do not say so.
        Old::UTF8 | Old::ENUM | Old::JSON | Old::NONE if is_bytes => Some(Meaning::Text),
        _ => None,
    }
}

fn parts(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}

/// Whether a column becomes texts.
pub(super) fn is_text(column: &ColumnDescriptor) -> bool {
    !matches!(meaning(column), Some(Meaning::Whole { .. } | Meaning::Float | Meaning::Half))
}

/// What is told of a column that cannot be read.
pub(super) fn refused(column: &ColumnDescriptor) -> Option<String> {
    meaning(column).is_none().then(|| {
        let kind = column
            .logical_type_ref()
            .map_or_else(|| column.physical_type().to_string(), |it| format!("{it:?}"));
        format!("is of type {kind}, neither number nor text")
    })
}

/// What the library says, without its own name.
pub(super) fn told(error: &ParquetError) -> String {
    match error {
        ParquetError::General(message) | ParquetError::EOF(message) => format!("is broken: {message}"),
        other => format!("is broken: {other}"),
    }
}

/// Adds all values of a column of a row group; tells what is the matter, and in which row.
pub(super) fn fill(
    reader: ColumnReader,
    column: &ColumnDescriptor,
    growing: &mut Growing,
    name: &str,
) -> Result<(), String> {
    let Some(meaning) = meaning(column) else { return Ok(()) };
    let mut taking = Taking { growing, name, meaning };
    match reader {
        ColumnReader::BoolColumnReader(reader) => each(reader, column, |value| {
            taking.text(value.map(|&value| if value { "true" } else { "false" }))
        }),
        ColumnReader::Int32ColumnReader(reader) => each(reader, column, |value| {
            let unsigned = |value: i32| i128::from(value as u32);
            taking.whole(value.map(|&value| if taking.is_signed() { value.into() } else { unsigned(value) }))
        }),
        ColumnReader::Int64ColumnReader(reader) => each(reader, column, |value| {
            let unsigned = |value: i64| i128::from(value as u64);
            taking.whole(value.map(|&value| if taking.is_signed() { value.into() } else { unsigned(value) }))
        }),
        ColumnReader::Int96ColumnReader(reader) => {
            each(reader, column, |value| taking.whole(value.and_then(nanoseconds)))
        }
        ColumnReader::FloatColumnReader(reader) => {
            each(reader, column, |value| taking.float(value.map_or(f64::NAN, |&value| value.into())))
        }
        ColumnReader::DoubleColumnReader(reader) => {
            each(reader, column, |value| taking.float(value.copied().unwrap_or(f64::NAN)))
        }
        ColumnReader::ByteArrayColumnReader(reader) => {
            each(reader, column, |value| taking.bytes(value.map(|value| value.data())))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            each(reader, column, |value| taking.bytes(value.map(|value| value.data())))
        }
    }
}

/// Hands on value after value; `None` is null.
fn each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    mut take: impl FnMut(Option<&T::T>) -> Result<(), String>,
) -> Result<(), String> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut row = 0_usize;
    loop {
        values.clear();
        levels.clear();
        let read = reader.read_records(AT_ONCE, Some(&mut levels), None, &mut values);
        let (records, ..) = read.map_err(|error| told(&error))?;
        if records == 0 {
            return Ok(());
        }
        let mut left = values.iter();
        for at in 0..records {
            // A column without nulls has no levels.
            let is_there = levels.get(at).is_none_or(|&level| level == column.max_def_level());
            let value = if is_there { left.next() } else { None };
            take(value).map_err(|message| format!("row {row} of its row group: {message}"))?;
            row += 1;
        }
    }
}

/// A column that takes values.
struct Taking<'a> {
    growing: &'a mut Growing,
    name: &'a str,
    meaning: Meaning,
}

impl Taking<'_> {
    fn is_signed(&self) -> bool {
        !matches!(self.meaning, Meaning::Whole { is_signed: false, .. })
    }

    fn text(&mut self, text: Option<&str>) -> Result<(), String> {
        self.growing.push(text, self.name)
    }

    fn float(&mut self, value: f64) -> Result<(), String> {
        self.growing.push_number(value, || value.to_string(), self.name)
    }

    fn whole(&mut self, value: Option<i128>) -> Result<(), String> {
        let Some(value) = value else { return self.text(None) };
        match self.meaning {
            Meaning::Whole { scale, .. } => {
                // As a text reads it: a division by a power of ten would round twice.
                let number = || decimal(value, scale);
                let parsed = if scale == 0 { value as f64 } else { number().parse().unwrap_or(f64::NAN) };
                self.growing.push_number(parsed, number, self.name)
            }
            Meaning::Date => self.moment(i64::try_from(value).ok().and_then(date)),
            Meaning::Time(parts) => self.moment(time(value, parts, "%H:%M:%S")),
            Meaning::Timestamp(parts) => self.moment(time(value, parts, "%Y-%m-%d %H:%M:%S")),
            Meaning::Truth | Meaning::Float | Meaning::Half | Meaning::Text => {
                self.growing.push_number(value as f64, || value.to_string(), self.name)
            }
        }
    }

    fn moment(&mut self, text: Option<String>) -> Result<(), String> {
        let text = text.ok_or_else(|| format!("column `{}` holds a date beyond all calendars", self.name))?;
        self.text(Some(&text))
    }

    fn bytes(&mut self, bytes: Option<&[u8]>) -> Result<(), String> {
        let Some(bytes) = bytes else { return self.text(None) };
        match self.meaning {
            Meaning::Whole { .. } => self.whole(Some(whole_of(bytes).ok_or_else(|| {
                format!("column `{}` holds a decimal of {} bytes; 16 are read", self.name, bytes.len())
            })?)),
            Meaning::Half => {
                let bits = <[u8; 2]>::try_from(bytes).map(u16::from_le_bytes);
                self.float(bits.map_or(f64::NAN, |bits| half(bits).into()))
            }
            Meaning::Truth | Meaning::Float | Meaning::Text | Meaning::Date => self.utf8(bytes),
            Meaning::Time(_) | Meaning::Timestamp(_) => self.utf8(bytes),
        }
    }

    fn utf8(&mut self, bytes: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(bytes);
        let text = text.map_err(|_| format!("column `{}` holds bytes that are no UTF-8 text", self.name))?;
        self.text(Some(text))
    }
}

/// A whole number with a point before so many of its digits.
fn decimal(value: i128, scale: u32) -> String {
    let (sign, digits) = (if value < 0 { "-" } else { "" }, value.unsigned_abs().to_string());
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>0$}", scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    format!("{sign}{whole}.{fraction}")
}

/// A whole number of up to 16 bytes, the highest first.
fn whole_of(bytes: &[u8]) -> Option<i128> {
    let is_negative = bytes.first().is_some_and(|&first| first >= 128);
    let mut all = [if is_negative { 255 } else { 0 }; 16];
    all[16_usize.checked_sub(bytes.len())?..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(all))
}

/// Nanoseconds since 1970, of nanoseconds of a Julian day and the day.
fn nanoseconds(moment: &Int96) -> Option<i128> {
    let &[low, high, day] = moment.data() else { return None };
    let of_day = i128::from(u64::from(high) << 32 | u64::from(low));
    Some((i128::from(day) - 2_440_588) * 86_400_000_000_000 + of_day)
}

fn date(days: i64) -> Option<String> {
    let from_the_first = i32::try_from(days.checked_add(719_163)?).ok()?;
    NaiveDate::from_num_days_from_ce_opt(from_the_first).map(|date| date.to_string())
}

/// A moment since 1970, in so many parts of a second.
fn time(value: i128, parts: i64, form: &str) -> Option<String> {
    let (seconds, rest) = (value.div_euclid(parts.into()), value.rem_euclid(parts.into()) as i64);
    let nanoseconds = u32::try_from(rest * (1_000_000_000 / parts)).ok()?;
    let moment = DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)?;
    // As Python has it: no digits, six or nine.
    let fraction = match nanoseconds {
        0 => "",
        _ if nanoseconds.is_multiple_of(1000) => "%.6f",
        _ => "%.9f",
    };
    Some(moment.format(&format!("{form}{fraction}")).to_string())
}
