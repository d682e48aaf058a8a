//! `downhill fit`: what it guesses, what it learns, what it leaves behind.

mod common;

use common::{Folder, flowers, prices};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn classes_are_learned_and_told() {
    let folder = Folder::new();
    folder.write("flowers.csv", flowers(240));
    let line = "fit flowers.csv --target kind --layers 16 --rate 0.02 --seed 1 --pictures seen --history epochs.csv --save a/m";
    let said = folder.run(line).done();
    for text in [
        "task        classification, since `kind` holds texts",
        "target      kind, 3 classes: rose, tulip, violet",
        "numbers     length, width",
        "categories  color",
        "left out    name: 168 different texts, more than 100 (`--max-categories`)",
        "rows        168 to train on, 36 to judge epochs by, 36 held out",
        "saved to a/m",
    ] {
        assert!(said.out.contains(text), "{text}: {}", said.out);
    }
    for picture in ["losses.svg", "confusion.svg", "roc.svg"] {
        assert!(folder.read(&format!("seen/{picture}")).starts_with("<svg"), "{picture}");
    }
    assert!(folder.read("epochs.csv").starts_with("epoch,loss,validation"));

    let json = folder.run(&format!("{line} --json")).json();
    assert_eq!(json["guessed"]["numbers"], serde_json::json!(["length", "width"]));
    assert!(json["scores"]["model"]["accuracy"].as_f64().expect("a score") > 0.95, "{json:#}");
    assert!(json["scores"]["baseline"]["accuracy"].as_f64().expect("a score") < 0.4, "{json:#}");
    assert_eq!(json["scores"]["baseline"]["auc"], 0.5);
    assert_eq!(json["classes"]["rose"]["rows"], 12);
    // 6 inputs: two numbers, three colours and the missing ones as zeros.
    assert_eq!((&json["network"]["inputs"], &json["network"]["classes"]), (&5.into(), &3.into()));
}

#[test]
fn numbers_are_learned_and_told() {
    let folder = Folder::new();
    folder.write("prices.csv", prices(300));
    let json =
        folder.run("fit prices.csv --target price --layers 32 --rate 0.02 --pictures seen --json").json();
    assert_eq!(json["guessed"]["task"], "regression");
    assert!(json["scores"]["model"]["r2"].as_f64().expect("a score") > 0.97, "{json:#}");
    assert!(json["scores"]["baseline"]["r2"].as_f64().expect("a score") < 0.01, "{json:#}");
    assert!(folder.read("seen/predicted.svg").starts_with("<svg"));
}

#[test]
fn what_is_guessed_can_be_said() {
    let folder = Folder::new();
    folder.write("prices.csv", prices(100).replace(',', ";"));
    // Few whole numbers are classes, unless said; the separator is seen.
    let few = "--epochs 2 --json --layers none";
    let json = folder.run(&format!("fit prices.csv --target rooms {few}")).json();
    assert_eq!(json["guessed"]["classes"], serde_json::json!(["1", "2", "3", "4", "5"]));
    let json = folder.run(&format!("fit prices.csv --target rooms --task regression {few}")).json();
    assert_eq!(json["guessed"]["classes"], serde_json::Value::Null);
    let json =
        folder.run(&format!("fit prices.csv --target price --categories rooms --skip area {few}")).json();
    assert_eq!(json["guessed"]["categories"], serde_json::json!(["rooms", "city"]));
    assert_eq!(json["guessed"]["numbers"], serde_json::json!([]));
}

#[test]
fn rows_that_belong_together_stay_together() {
    let folder = Folder::new();
    // Forty people with five rows each, of which nothing but the person tells the target.
    let mut text = "who,day,x,y\n".to_owned();
    (0..200).for_each(|row| {
        text += &format!("p{:02},2024-01-{:02},{},{}\n", row / 5, 1 + row % 28, row % 7, row / 5 % 2)
    });
    folder.write("a.csv", &text);
    let line = "fit a.csv --target y --epochs 30 --rate 0.02 --json";
    let accuracy = |json: serde_json::Value| json["scores"]["model"]["accuracy"].as_f64().expect("a score");
    let apart = folder.run(&format!("{line} --skip day")).json();
    assert!(accuracy(apart) > 0.95);
    let json = folder.run(&format!("{line} --skip day --group who")).json();
    assert_eq!(json["guessed"]["categories"], serde_json::json!([]));
    assert_eq!((&json["rows"]["training"], &json["rows"]["test"]), (&140.into(), &30.into()));
    assert!(accuracy(json) < 0.8);

    // The last days alone are held out: texts of days stand by time.
    let days = |part: &str| folder.run(&format!("{line} --time day {part}")).json();
    assert_eq!(days("--categories who")["rows"]["test"], 30);
    folder.write("a.csv", text.replacen("2024-01-03", "", 1));
    let error = folder.run("fit a.csv --target y --time day").wrong(1);
    assert!(error.contains("column `day` has no value in row 2"), "{error}");
}

#[test]
fn rare_classes_count_alike_where_asked_for() {
    let folder = Folder::new();
    // A tenth of the rows is of a class that lies within the other: without weights it is never right to say so.
    let mut text = "x,y\n".to_owned();
    (0..600).for_each(|row| {
        text += &format!(
            "{:.3},{}\n",
            (row * 37 % 101) as f64 / 101.0,
            ["common", "rare"][usize::from(row % 10 == 0)]
        )
    });
    (0..600).for_each(|row| text += &format!("{:.3},common\n", 2.0 + (row * 53 % 89) as f64 / 89.0));
    folder.write("a.csv", text);
    let line = "fit a.csv --target y --layers 8 --rate 0.02 --epochs 40 --json";
    let recall = |json: serde_json::Value| json["classes"]["rare"]["recall"].as_f64().expect("a score");
    assert_eq!(recall(folder.run(line).json()), 0.0);
    assert!(recall(folder.run(&format!("{line} --balance")).json()) > 0.9);
}

#[test]
fn equal_seeds_give_equal_models() {
    let folder = Folder::new();
    folder.write("flowers.csv", flowers(90));
    for (file, seed, threads) in [("a", 1, 1), ("b", 1, 2), ("c", 2, 1)] {
        folder
            .run(&format!(
                "fit flowers.csv --target kind --epochs 3 --seed {seed} --threads {threads} --save {file}"
            ))
            .done();
    }
    let bytes = |name: &str| std::fs::read(folder.at(name)).expect("a model");
    assert!(bytes("a") == bytes("b") && bytes("a") != bytes("c"));
}

#[test]
fn digits_are_read_without_a_header() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/digits.csv.gz");
    let folder = Folder::new();
    let json = folder.run(&format!("fit {data} --no-header --target 64 --epochs 15 --json")).json();
    assert_eq!(json["guessed"]["rows"], 1797);
    assert_eq!(json["guessed"]["classes"].as_array().map(Vec::len), Some(10));
    assert!(json["scores"]["model"]["accuracy"].as_f64().expect("a score") > 0.93, "{:#}", json["scores"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_model() {
    let folder = Folder::new();
    folder.write("flowers.csv", flowers(240));
    let line =
        "fit flowers.csv --target kind --epochs 100000000 --no-early-stopping --save m --seed 1 --rate 0.01";
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut running = folder.command(&words).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut out = BufReader::new(running.stdout.take().expect("an output")).lines();
    // The network is told before it is trained.
    assert!(out.by_ref().any(|line| line.expect("a line").contains("parameters, ")));
    std::thread::sleep(Duration::from_secs(2));
    let killed = Command::new("kill").args(["-INT", &running.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let rest: Vec<String> = out.map(|line| line.expect("a line")).collect();
    assert_eq!(running.wait().expect("it ends").code(), Some(0), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("then it was stopped")), "{rest:?}");
    let json = folder.run("evaluate m flowers.csv --json").json();
    assert!(json["scores"]["model"]["accuracy"].as_f64().expect("a score") > 0.9, "{json:#}");
}
