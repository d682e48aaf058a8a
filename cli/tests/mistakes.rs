//! What cannot be done ends with an error of a line or two: 1 for data and files, 2 for options.

mod common;

use common::{Folder, flowers};

#[test]
fn broken_files_are_told() {
    let folder = Folder::new();
    let told = |text: &[u8], message: &str| {
        folder.write("a.csv", text);
        for json in ["", " --json"] {
            let said = folder.run(&format!("fit a.csv --target y --epochs 1{json}"));
            assert!(json.is_empty() || said.out.is_empty(), "{}", said.out);
            let error = said.wrong(1);
            assert!(error.starts_with(&format!("error: {message}")), "{error}");
        }
    };
    told(b"", "a.csv:1:1: there is nothing in this file");
    told(b"a,y\n", "column `y` has no value in any row");
    told(b"a,y\n1,2\n", "too few rows with a target (1): none is left to judge epochs by (`--validation`)");
    told(b"a,y\n1,x\n2,x\n", "column `y` has one class alone, `x`");
    told(b"a,y\n1,\n2,NA\n", "column `y` has no value in any row");
    told(b"a,b\n1,2\n", "a.csv: there is no column `y`; there are `a`, `b`");
    told(b"a,a,y\n1,2,3\n", "a.csv:1:3: column `a` is named twice");
    told(b"a,y\n1,\xff\n", "a.csv:2:3: is no UTF-8");
    told(b"a,y\n1,2\n3\n", "a.csv:3:1: this record has 1 field, the first line has 2");
    told(b"a,y\n\"1,2\n", "a.csv:2:1: a quote is opened here and never closed");
    told(
        b"a,y\n1,2\nx,3\n",
        "a.csv:3:1: column `a` holds numbers, but here `x`; mend the file, or say `--categories a` or `--missing TEXT`",
    );
    told(
        b"y\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10.5\n",
        "there is no column to predict `y` from: the target is the only one",
    );
    told(b"a,y\n1,1\n2,2\n3,3\n4,4\n5,5\n6,6\n7,7.5\n8,inf\n", "column `y` holds infinity");
}

#[test]
fn columns_that_tell_nothing_are_an_error_where_there_are_no_others() {
    let folder = Folder::new();
    let rows = |of: &dyn Fn(usize) -> String| {
        (0..2000).fold("a,y\n".to_owned(), |text, row| text + &format!("{},{}\n", of(row), row % 2))
    };
    for (text, message) in [
        (rows(&|_| String::new()), "no row has a value"),
        (rows(&|_| "7".into()), "every row has 7"),
        (rows(&|row| format!("t{row}")), "1,400 different texts, more than 100 (`--max-categories`)"),
    ] {
        folder.write("a.csv", text);
        let error = folder.run("fit a.csv --target y").wrong(1);
        assert!(
            error.contains(&format!("there is no column to predict `y` from: `a` ({message})")),
            "{error}"
        );
    }
}

#[test]
fn what_cannot_be_read_or_written_is_told_before_the_work() {
    let folder = Folder::new();
    folder.write("a.csv", flowers(60));
    for (line, message) in [
        ("fit none.csv --target kind", "none.csv: cannot be read: "),
        ("fit . --target kind", ".: cannot be read: "),
        ("fit a.csv --target kind --epochs 100000000 --save a.csv/m", "a.csv/m: cannot be written: "),
        ("fit a.csv --target kind --epochs 100000000 --save .", ".: cannot be written: "),
        (
            "fit a.csv --target kind --epochs 100000000 --pictures a.csv",
            "a.csv/losses.svg: cannot be written: ",
        ),
        ("search a.csv --target kind --epochs 100000000 --table a.csv/t", "a.csv/t: cannot be written: "),
        ("predict none a.csv", "none: cannot be read: "),
        ("predict a.csv a.csv", "a.csv: is no safetensors file: "),
        ("inspect a.csv", "a.csv: is no safetensors file: "),
    ] {
        let error = folder.run(line).wrong(1);
        assert!(error.starts_with(&format!("error: {message}")), "{line}: {error}");
    }
    folder.run("fit a.csv --target kind --epochs 1 --save /dev/null").done();
    assert!(!std::fs::metadata("/dev/null").expect("it is there").is_file());
}

#[test]
fn a_rate_that_goes_astray_is_told() {
    let folder = Folder::new();
    folder.write("a.csv", flowers(60));
    let error = folder.run("fit a.csv --target kind --optimizer sgd --rate 1e30 --save m").wrong(1);
    assert!(error.contains("became infinite or NaN") && error.contains("a lower learning rate"), "{error}");
    assert!(!folder.at("m").exists());
}

#[test]
fn wrong_usage_is_two() {
    let folder = Folder::new();
    folder.write("a.csv", flowers(60));
    for (line, message) in [
        ("fit a.csv", "--target"),
        ("fit a.csv --target kind --layers 0", "`0` is no number of units from 1 to 65536"),
        ("fit a.csv --target kind --rate 0", "a number above 0"),
        ("fit a.csv --target kind --dropout 1", "a share is from 0 to below 1"),
        ("fit a.csv --target kind --validation 0.6 --test 0.5", "leave no rows to train on"),
        ("fit a.csv --target kind --activation rely", "relu"),
        ("fit a.csv --target kind --skip kind", "`--skip kind` leaves out what another option needs"),
        ("fit a.csv --target kind --group color --time length", "cannot be used with"),
        ("fit a.csv --target kind --epochs 0", "0 is not in 1.."),
        ("search a.csv --target kind --layers 3..1", "is no range"),
        ("search a.csv --target kind --layers 99", "from 0 to 64"),
        ("search a.csv --target kind --layers 1 --units 8 --rate 0.1", "every setting has one value"),
        ("search a.csv --target kind --validation 0", "`--validation`, which is 0"),
        ("search a.csv --target kind --resume", "--table"),
        ("completions basic", "bash"),
        ("train a.csv", "unrecognized subcommand"),
    ] {
        let error = folder.run(line).wrong(2);
        assert!(error.contains(message), "{line}: {error}");
    }
    assert_eq!(folder.run("").code, Some(2));
}
