//! `downhill predict`, `evaluate` and `inspect`: a model and later files.

mod common;

use common::{Folder, flowers, prices};
use std::process::Stdio;

fn with_model() -> Folder {
    let folder = Folder::new();
    folder.write("flowers.csv", flowers(240));
    folder.run("fit flowers.csv --target kind --layers 16 --rate 0.02 --seed 1 --save m").done();
    folder
}

#[test]
fn columns_are_found_by_name() {
    let folder = with_model();
    let rows = "note,width,color,id,length\nx,5,red,007,0.5\n\"a, b\",5,blue,008,3.5\n";
    folder.write("later.csv", rows);
    let said = folder.run("predict m later.csv --keep id,note").done();
    assert_eq!(said.err, "");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "id,note,kind,probability");
    assert!(
        lines[1].starts_with("007,x,rose,0.") && lines[2].starts_with("008,\"a, b\",tulip,0."),
        "{lines:?}"
    );

    let said = folder.run("predict m later.csv --probabilities -o out/p.csv").done();
    assert_eq!(
        (&*said.out, &*said.err),
        ("2 predictions to out/p.csv\n", "note: columns that the model does not read: note, id\n")
    );
    let written = folder.read("out/p.csv");
    assert!(written.starts_with("kind,p(rose),p(tulip),p(violet)\nrose,0."), "{written}");
    let sums = written
        .lines()
        .skip(1)
        .map(|line| line.split(',').skip(1).map(|p| p.parse::<f64>().expect("a number")).sum::<f64>());
    sums.for_each(|sum| assert!((sum - 1.0).abs() < 1e-5, "{sum}"));

    let json = folder.run("predict m later.csv --json").json();
    assert_eq!(json["predictions"][1]["kind"], "tulip");
    assert_eq!(json["notes"], serde_json::json!(["columns that the model does not read: note, id"]));
    // From the standard input, with the target among the columns.
    assert!(folder.fed("predict m -", &flowers(5)).done().out.contains("rose,0."));
}

#[test]
fn what_does_not_fit_is_told() {
    let folder = with_model();
    folder.write("few.csv", "width,name\n1,a\n");
    let told = folder.run("predict m few.csv").wrong(1);
    assert_eq!(
        told,
        "error: few.csv: columns that the model reads are not there: length, color; it has width, name\n"
    );
    folder.write("odd.csv", "length,width,color\n1,1,pink\n1,1,\n1,1,red\n");
    let said = folder.run("predict m odd.csv").done();
    assert_eq!(said.err, "note: texts that the model does not know count as missing: `pink` in `color`\n");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!((lines[1] == lines[2], lines[1] == lines[3]), (true, false));
    folder.write("text.csv", "length,width,color\n1,1,red\n1,long,red\n");
    let told = folder.run("predict m text.csv").wrong(1);
    assert!(
        told.starts_with("error: text.csv:3:3: column `width` takes numbers, but here is `long`"),
        "{told}"
    );
    folder.write("none.csv", "length,width,color\n");
    assert_eq!(folder.run("predict m none.csv").wrong(1), "error: none.csv: has no rows\n");
    folder.write("class.csv", "length,width,color,kind\n1,1,red,daisy\n");
    let told = folder.run("evaluate m class.csv").wrong(1);
    assert!(
        told.contains("`daisy` in column `kind` is no class of the model, which knows rose, tulip, violet"),
        "{told}"
    );
    let told = folder.run("evaluate m text.csv").wrong(1);
    assert!(told.contains("a column that the model reads is not there: kind"), "{told}");
}

#[test]
fn models_are_measured() {
    let folder = with_model();
    let said = folder.run("evaluate m flowers.csv --pictures seen").done();
    assert!(
        said.out.starts_with("flowers.csv, 240 rows:\n") && said.out.contains("\naccuracy "),
        "{}",
        said.out
    );
    assert!(folder.read("seen/confusion.svg").starts_with("<svg"));
    let json = folder.run("evaluate m flowers.csv --json").json();
    assert!(json["scores"]["model"]["f1"].as_f64().expect("a score") > 0.95, "{json:#}");
    assert_eq!(json["judged_rows"], 240);

    // Classes that a file writes as numbers, however it writes them; a row without one is left out.
    folder.write("n.csv", flowers(240).replace("rose", "0").replace("tulip", "1").replace("violet", "2"));
    folder.run("fit n.csv --target kind --layers 16 --rate 0.02 --seed 1 --save n").done();
    folder.write("later.csv", "length,width,color,kind\n0.5,5,red,0.0\n3.5,5,blue,1\n3.5,5,blue,\n");
    let said = folder.run("evaluate n later.csv").done();
    assert!(
        said.out.contains("later.csv, 2 rows:")
            && said.err.contains("1 row without a value of `kind` left out"),
        "{}",
        said.err
    );
}

#[test]
fn numbers_come_back_in_their_units() {
    let folder = Folder::new();
    folder.write("prices.csv", prices(300));
    folder.run("fit prices.csv --target price --layers 32 --rate 0.02 --save m").done();
    folder.write("later.csv", "rooms,area,city\n3,60,Oslo\n");
    let out = folder.run("predict m later.csv").done().out;
    let price: f64 = out.lines().nth(1).and_then(|line| line.parse().ok()).expect("a number");
    assert!((price - 330.0).abs() < 25.0, "{price}");
}

#[test]
fn files_are_looked_into() {
    let folder = with_model();
    let said = folder.run("inspect m").done();
    for text in [
        "predicts `kind`: classes rose, tulip, violet",
        "from length, width, color (3 texts)",
        "by 5 inputs, layers 16, 3 outputs",
        "h.0.weight",
    ] {
        assert!(said.out.contains(text), "{text}: {}", said.out);
    }
    let json = folder.run("inspect m --json").json();
    let weight = json["tensors"]
        .as_array()
        .expect("tensors")
        .iter()
        .find(|it| it["name"] == "z.weight")
        .expect("a weight");
    assert_eq!((&weight["shape"], &weight["kind"]), (&serde_json::json!([3, 16]), &"parameter".into()));
    assert_eq!(json["origin"]["network"], "Classifier");

    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/state_dict.safetensors");
    let said = folder.run(&format!("inspect {other}")).done();
    assert!(
        said.out.contains("tensors of another program") && said.out.contains("in_proj_weight"),
        "{}",
        said.out
    );
    let told = folder.run(&format!("predict {other} flowers.csv")).wrong(1);
    assert!(told.contains("is no model that `downhill fit --save` wrote"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = with_model();
    folder.write("many.csv", flowers(20_000));
    let mut command = folder.command(&["predict", "m", "many.csv", "--probabilities"]);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(running.stdout.take());
    let output = running.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), &*told),
        (Some(0), "note: columns that the model does not read: name\n")
    );
}

#[cfg(unix)]
#[test]
fn a_model_is_saved_whoever_reads_the_report() {
    let folder = Folder::new();
    folder.write("flowers.csv", flowers(90));
    let line = ["fit", "flowers.csv", "--target", "kind", "--epochs", "2", "--save", "m"];
    let mut running = folder.command(&line).stdout(Stdio::piped()).spawn().expect("it runs");
    drop(running.stdout.take());
    assert_eq!(running.wait().expect("it ends").code(), Some(0));
    folder.run("evaluate m flowers.csv").done();
}

#[test]
fn a_training_that_is_to_go_on_is_told() {
    use downhill::prelude::*;
    network! {
        Line() {
            input  x: [batch, 1];
            target y: [batch, 1];
            output p = linear(x, 1);
            loss squared_error(p, y);
        }
    }
    let (folder, x, y) = (Folder::new(), [[0.5_f32], [1.0]], [[1.0_f32], [2.0]]);
    let path = folder.at("run");
    let mut net = Line::new().seed(1).optimizer(adam(0.1)).build().expect("a network");
    let data = Dataset::of(&[("x", &x), ("y", &y)]).expect("data");
    let options = Fit { epochs: 3, validation: Some(&data), save: Some(&path), ..Fit::default() };
    net.fit(&data, options).expect("training");
    let said = folder.run("inspect run").done();
    assert!(
        said.out.contains("\n  training, epoch: 3\n") && said.out.contains("best p.weight"),
        "{}",
        said.out
    );
    assert_eq!(folder.run("inspect run --json").json()["training"]["row"], "0");

    net.accumulate(&x, &y).expect("a part");
    net.save(&path).expect("a file");
    let said = folder.run("inspect run").done();
    assert!(said.out.contains("gradients of 1 batch wait for `loss`"), "{}", said.out);
}
