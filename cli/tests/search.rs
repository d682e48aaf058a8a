//! `downhill search`, `bench` and `completions`.

mod common;

use common::{Folder, flowers};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn settings_are_searched_and_gone_on_with() {
    let folder = Folder::new();
    folder.write("a.csv", flowers(120));
    let line = "search a.csv --target kind --layers 1..2 --units 4,16 --rate 1e-4..1e-1 --epochs 5 --seed 3 --table t.csv";
    let said = folder.run(&format!("{line} --trials 4 --pictures seen")).done();
    assert!(said.out.contains("4 trials: the error is the loss on the rows that judge"), "{}", said.out);
    assert!(
        folder.read("seen/errors.svg").starts_with("<svg")
            && folder.read("seen/rate.svg").starts_with("<svg")
    );
    let first = folder.read("t.csv");
    assert_eq!(first.lines().count(), 5);

    // More trials, some of which are there already, give what they would have given at once.
    let whole = folder.run(&format!("{line} --trials 6 --json")).json();
    let at_once = folder.read("t.csv");
    folder.write("t.csv", &first);
    let resumed = folder.run(&format!("{line} --trials 6 --resume --json")).json();
    assert_eq!(resumed["trials"], whole["trials"]);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&folder.read("t.csv")), sorted(&at_once));
    assert!(at_once.starts_with(first.lines().next().expect("a line")));

    // What it says is the best can be typed, and gives the same network.
    let command = whole["best"]["fit"].as_str().expect("a command");
    let command = command.strip_prefix("downhill ").expect("the command");
    let fitted = folder.run(&format!("{command} --threads 1 --json")).json();
    assert_eq!(fitted["training"]["best"]["validation"], whole["best"]["error"]);

    folder.write("t.csv", "trial,error,failure\n");
    let error = folder.run(&format!("{line} --resume")).wrong(1);
    assert!(error.starts_with("error: t.csv: "), "{error}");
}

#[test]
fn every_method_searches() {
    let folder = Folder::new();
    folder.write("a.csv", flowers(90));
    let line = "search a.csv --target kind --layers 1 --units 4,8 --rate 1e-3..1e-1 --epochs 4 --json";
    for (method, trials) in
        [("grid --points 2", 4), ("random --trials 3", 3), ("tpe --trials 5", 5), ("halving --trials 4", 4)]
    {
        let json = folder.run(&format!("{line} --method {method}")).json();
        let errors: Vec<f64> = json["trials"]
            .as_array()
            .expect("trials")
            .iter()
            .map(|it| it["error"].as_f64().expect("an error"))
            .collect();
        assert!(errors.len() == trials && errors[0] < 1.2, "{method}: {json:#}");
        assert_eq!(json["best"]["trial"], json["trials"][0]["trial"]);
    }
}

#[test]
fn trials_that_fail_are_told() {
    let folder = Folder::new();
    folder.write("a.csv", flowers(90));
    let line = "search a.csv --target kind --layers 1 --units 4 --optimizer sgd --epochs 2 --method grid";
    let json = folder.run(&format!("{line} --rate 0.01,1e30 --json")).json();
    assert_eq!((&json["trials"][0]["failure"], &json["trials"][1]["error"]), (&json!(null), &json!(null)));
    assert!(json["trials"][1]["failure"].as_str().expect("why").contains("became infinite"), "{json:#}");
    let error = folder.run(&format!("{line} --rate 1e29,1e30")).wrong(1);
    assert!(error.contains("became infinite"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_search_that_is_ended_keeps_what_was_tried() {
    let folder = Folder::new();
    folder.write("a.csv", flowers(200));
    let line = "search a.csv --target kind --layers 1 --units 8..64 --epochs 20 --patience 20 --trials 100000 --table t.csv";
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut command = folder.command(&words);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let start = Instant::now();
    while std::fs::read_to_string(folder.at("t.csv")).map_or(0, |text| text.lines().count()) < 4 {
        assert!(start.elapsed() < Duration::from_secs(60), "no trials");
        std::thread::sleep(Duration::from_millis(50));
    }
    let killed = Command::new("kill").args(["-INT", &running.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let output = running.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let count = folder.read("t.csv").lines().count() - 1;
    assert!(
        out.contains(&format!("{count} trials: ")) && out.contains("the best: downhill fit"),
        "{count}: {out}"
    );
    assert!(!folder.read("t.csv").contains("stopped") && !out.contains("failed"), "{out}");
}

#[test]
fn a_halving_goes_on_from_its_table() {
    let folder = Folder::new();
    folder.write("a.csv", flowers(90));
    let line = "search a.csv --target kind --layers 1 --units 4,8 --rate 1e-3..1e-1 --epochs 8 --trials 6 --method halving --table t.csv --json";
    let whole = folder.run(line).json();
    let table = folder.read("t.csv");
    assert!(table.starts_with("trial,error,failure,budget,"), "{table}");
    // Without the lines of the trials that went farthest.
    let kept = table.lines().filter(|line| line.split(',').nth(3) != Some("8"));
    folder.write("t.csv", kept.map(|line| line.to_owned() + "\n").collect::<String>());
    let resumed = folder.run(&format!("{line} --resume")).json();
    assert_eq!((&resumed["trials"], &resumed["best"]), (&whole["trials"], &whole["best"]));
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&folder.read("t.csv")), sorted(&table));
}

#[test]
fn this_machine_is_measured() {
    let json = Folder::new().run("bench --seconds 0.01 --json").json();
    assert!(json["machine"]["multiply_adds_per_second"].as_f64().expect("a number") > 1e8, "{json:#}");
    let steps = json["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 5);
    assert!(steps.iter().all(|step| step["seconds"].as_f64().is_some_and(|it| it > 0.0)), "{json:#}");
}

#[test]
fn shells_complete_it() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = folder.run(&format!("completions {shell}")).done().out;
        assert!(out.contains("evaluate") && out.contains("weight-decay"), "{shell}");
    }
    assert!(
        folder.run("completions bash --json").json()["script"]
            .as_str()
            .is_some_and(|it| it.starts_with("_downhill"))
    );
}
