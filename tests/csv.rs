//! Files of separated values: what is read, and what is refused where.

use downhill::data::csv::{Csv, read};
use downhill::data::schema::Schema;
use downhill::data::table::Values;

fn message(csv: Csv, text: &str) -> String {
    csv.parse(text).expect_err("a mistake").to_string()
}

#[test]
fn kinds_are_found_and_categories_are_sorted() {
    let table = Csv::new("a.csv")
        .parse("\u{feff}size, kind ,code\r\n1,dog,7\r\n,cat,8\r\n\"2.5\",NA,7\r\n")
        .expect("a table");
    assert_eq!(
        table.schema().to_string(),
        "number \"size\"\ncategory \"kind\" \"cat\" \"dog\"\nnumber \"code\"\n"
    );
    assert_eq!(table.column("kind").expect("kind"), &Values::Categories(vec![1, 0, -1]));
    assert_eq!(table.missing(), [("size", 1), ("kind", 1)]);
    assert_eq!(table.complete().rows(), 1);
    let x = table.inputs(&["kind", "size"]).expect("inputs");
    assert_eq!(x.shape(), [3, 3]);
    let numbers = x.as_f32().expect("f32");
    assert_eq!((&numbers[..5], numbers[8]), (&[0.0, 1.0, 1.0, 1.0, 0.0][..], 2.5));
    assert!(numbers[5].is_nan() && numbers[6..8] == [0.0, 0.0]);
    let error = table.dataset("code").expect_err("missing").to_string();
    assert!(error.starts_with("column `size` has no value in row 1"), "{error}");
}

#[test]
fn what_is_said_of_columns_holds() {
    let csv = Csv::new("a.csv").categories(["code"]).skip(["name"]).missing(["?"]).separator(';');
    let table = csv.parse("code;name;size\n10;x;?\n9;1;2\n").expect("a table");
    assert_eq!(table.schema().categories("code").expect("texts"), ["10", "9"]);
    assert_eq!(table.missing(), [("size", 1)]);
    let bare = Csv::new("a.csv").without_header().parse("1,a\n2,b\n").expect("a table");
    assert_eq!((bare.rows(), bare.dataset("1").expect("data").rows()), (2, 2));
    let error = message(Csv::new("a.csv").numbers(["sise"]), "size\n1\n");
    assert_eq!(error, "there is no column `sise`; did you mean `size`?");
}

#[test]
fn mistakes_name_file_line_and_column() {
    let csv = || Csv::new("a.csv");
    let mixed = "; mend the file, or say `.categories([\"b\"])` or `.missing([…])`";
    assert_eq!(message(csv(), ""), "a.csv:1:1: there is nothing in this file");
    assert_eq!(message(csv(), "a,a\n"), "a.csv:1:3: column `a` is named twice");
    assert_eq!(message(csv(), "a\n1,2\n"), "a.csv:2:3: this record has 2 fields, the first line has 1");
    let error = format!("a.csv:3:3: column `b` holds numbers, but here `x`{mixed}");
    assert_eq!(message(csv(), "a,b\n1,2\n1,x\n"), error);
    let error = format!("a.csv:3:3: column `b` holds texts, but here the number `2`{mixed}");
    assert_eq!(message(csv(), "a,b\n1,x\n1,2\n"), error);
    let error = "a.csv:2:1: column `a` takes numbers, but here is `x`";
    assert_eq!(message(csv().numbers(["a"]), "a\nx\n"), error);
    assert_eq!(message(csv(), "a\n1e39\n"), "a.csv:2:1: `1e39` in column `a` is beyond what an f32 holds");
    assert!(message(csv().separator('ü'), "a").contains("separators are ASCII"));
    let schema: Schema = "category \"a\" \"black\" \"white\"".parse().expect("a schema");
    let error = "a.csv:2:1: `blak` is no category of `a`; did you mean `black`?";
    assert_eq!(message(csv().schema(&schema), "a\nblak\n"), error);
    let missing = read("/no/such/file.csv").expect_err("no file").to_string();
    assert!(missing.starts_with("/no/such/file.csv: cannot be read: "), "{missing}");
}

#[test]
fn later_rows_take_the_columns_of_earlier_ones() {
    let read = |text: &str| Csv::new("a.csv").parse(text).expect("a table");
    let trained = read("kind,n\ncat,1\ndog,2\n");
    let later = read("n,more,kind\n5,x,dog\n6,y,\n7,z,eel\n8,z,eel\n");
    let (table, unknown) = later.recoded(trained.schema()).expect("the same columns");
    assert_eq!(table.schema(), trained.schema());
    assert_eq!(table.column("kind").expect("a column"), &Values::Categories(vec![1, -1, -1, -1]));
    assert_eq!(table.column("n").expect("a column"), &Values::Numbers(vec![5.0, 6.0, 7.0, 8.0]));
    assert_eq!(unknown, [("kind".to_owned(), "eel".to_owned())]);
    let told = |text: &str| read(text).recoded(trained.schema()).expect_err("other columns").to_string();
    assert_eq!(told("n\n1\n"), "there is no column `kind`; there is only `n`");
    assert!(told("n,kind\n1,2\n").starts_with("column `kind` holds numbers, where texts were before"));

    let some = later.select(&[3, 0]).expect("rows");
    assert_eq!(some.column("n").expect("a column"), &Values::Numbers(vec![8.0, 5.0]));
    let error = later.select(&[0, 4]).expect_err("four rows").to_string();
    assert!(error.starts_with("row 4 of a table of 4 rows"), "{error}");
    assert_eq!(Csv::new("a.csv").separator(';').names("a;b\n1").expect("names"), ["a", "b"]);
}

#[test]
fn a_column_of_another_text_in_each_row_is_no_input() {
    let text = (0..30).fold("name,y\n".to_owned(), |text, row| text + &format!("n{row},{row}\n"));
    let table = Csv::new("a.csv").parse(text).expect("a table");
    let error = table.dataset("y").expect_err("names").to_string();
    assert!(error.starts_with("column `name` has another text in each of 30 rows"), "{error}");
}
