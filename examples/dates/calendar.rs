//! The days from 1950 to 2049, as machines and as people write them.

/// How many there are: a hundred years, 25 of them leap years.
pub(crate) const DAYS: u32 = 100 * 365 + 25;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// The first day, 1 January 1950, was a Sunday.
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Year, month and day, counted from 1, of the day of this number.
fn civil(mut day: u32) -> (u32, usize, u32) {
    let mut year = 1950;
    loop {
        let february = if year % 4 == 0 { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, length) in lengths.into_iter().enumerate() {
            if day < length {
                return (year, month + 1, day + 1);
            }
            day -= length;
        }
        year += 1;
    }
}

/// `1999-03-03`.
pub(crate) fn iso(day: u32) -> String {
    let (year, month, day) = civil(day);
    format!("{year}-{month:02}-{day:02}")
}

/// A day as people write it, in the form of this number.
pub(crate) fn written(number: u32, form: u32) -> String {
    let (year, month, day) = civil(number);
    let (short, name, weekday) = (year % 100, MONTHS[month - 1], WEEKDAYS[number as usize % 7]);
    let (brief, eve) = (&name[..3], &weekday[..3]);
    let th = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    match form % 14 {
        0 => format!("{day} {name} {year}"),
        1 => format!("{name} {day}, {year}"),
        2 => format!("{day} {brief} {year}"),
        3 => format!("{brief} {day} '{short:02}"),
        4 => format!("{day}.{month}.{year}"),
        5 => format!("{day:02}.{month:02}.{short:02}"),
        6 => format!("{month}/{day}/{year}"),
        7 => format!("{month:02}/{day:02}/{short:02}"),
        8 => format!("{weekday}, {name} {day}, {year}"),
        9 => format!("the {day}{th} of {name} {year}"),
        10 => format!("{eve} {day} {brief} {year}"),
        11 => format!("{day}{th} {brief}, {year}"),
        12 => format!("{year}, {name} {day}{th}"),
        _ => format!("the {day}{th} of {name} '{short:02}"),
    }
}
