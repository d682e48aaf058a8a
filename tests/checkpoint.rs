//! Models as files: the same bits after a load, PyTorch's files both ways, broken files, ends at any moment.

use downhill::checkpoint;
use downhill::prelude::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

network! {
    Noisy(hidden: usize) {
        input  x: [batch, 3];
        target y: [batch, 1];
        let h = dropout(relu(batch_norm(linear(x, hidden))), 0.3);
        output p = linear(h, 1);
        loss   squared_error(p, y);
    }

    /// `tests/golden/state_dict.py` has the same in PyTorch.
    Everything() {
        input image: [batch, 4, 5, 5];
        input series: [batch, 3, 6];
        input words: i32[batch, time];
        input keys: [batch, seen, 4];
        input values: [batch, seen, 5];
        let c = conv(image, 6, kernel: 3, padding: 1, groups: 2);
        let n = batch_norm(c);
        let u = conv_transpose(n, 4, kernel: 2, stride: 2, groups: 2);
        let d = conv(series, 2, kernel: 2, bias: false);
        let e = embedding(words, 7, 6);
        let l = layer_norm(e);
        let r = lstm(l, 3, layers: 2, bidirectional: true);
        let g = gru(l, 3);
        let a = attention(l, heads: 2);
        let x = attention(l, keys, values, heads: 3);
        let f = linear(l, 4);
        output picture = u, filtered = d, recurrent = r, gated = g, attended = a, crossed = x, scores = f;
    }
}

/// A folder of this test's own, which ends with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("downhill-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("net.safetensors")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn noisy(seed: u64) -> Model {
    Noisy::new(6).seed(seed).optimizer(adamw(0.01)).build().expect("a network")
}

fn train(net: &mut Model, steps: std::ops::Range<usize>) -> Vec<u32> {
    let numbers = |step: usize| (0..12).map(move |n| ((n + 5 * step) * 29 % 31) as f32 / 15.0 - 1.0);
    let x = |step| Tensor::new([4, 3], numbers(step).collect::<Vec<f32>>()).expect("x");
    steps.map(|step| net.step(&x(step), &[1.0, 0.0, -1.0, 2.0]).expect("a step").to_bits()).collect()
}

#[test]
fn a_loaded_model_goes_on_with_the_same_bits() {
    let folder = Folder::new("bits");
    let mut net = noisy(7);
    train(&mut net, 0..5);
    net.set_learning_rate(0.1 + 0.2_f32).expect("a rate");
    net.save_with(folder.file(), &[("epoch", "5"), ("words", "α, β\nγ")]).expect("a file");
    let ahead = train(&mut net, 5..12);
    let mut other = noisy(8);
    let notes = other.load(folder.file()).expect("the same network");
    assert_eq!((&*notes["epoch"], &*notes["words"]), ("5", "α, β\nγ"));
    assert_eq!(train(&mut other, 5..12), ahead);
    assert_eq!(other.state(), net.state());
    // Nothing beside the file is left.
    assert_eq!(std::fs::read_dir(&folder.0).expect("a folder").count(), 1);
    // Inference takes of it what it reads.
    let mut served = Noisy::new(6).build().expect("a network");
    net.save(folder.file()).expect("a file");
    served.load_parameters(folder.file()).expect("the same network");
    let x = [[0.5, -0.25, 1.0]];
    assert_eq!(served.forward(&x), net.forward(&x));
}

#[test]
fn pytorchs_file_is_read_and_written() {
    let mut net = Everything::new().build().expect("a network");
    net.load_parameters(golden("state_dict.safetensors")).expect("the same network");
    let told = checkpoint::read(golden("state_dict_values.safetensors")).expect("values");
    let get = |name: &str| {
        let found = told.tensors.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("{name}")).1
    };
    let inputs = (get("image"), get("series"), get("words"), get("keys"), get("values"));
    let outputs = net.forward_all(inputs).expect("outputs");
    assert_eq!(outputs.iter().count(), 7);
    for (name, output) in outputs.iter() {
        let expected = get(name);
        assert_eq!(output.shape(), expected.shape(), "{name}");
        for (a, b) in output.to_f64_vec().into_iter().zip(expected.to_f64_vec()) {
            assert!((a - b).abs() < 2e-5 * b.abs().max(1.0), "{name}: {a} {b}");
        }
    }
    // What it saves is, tensor by tensor, what PyTorch saved.
    let folder = Folder::new("pytorch");
    net.save(folder.file()).expect("a file");
    let [saved, pytorchs] =
        [folder.file(), golden("state_dict.safetensors")].map(|path| checkpoint::read(path).expect("a file"));
    let pytorchs: Vec<_> =
        pytorchs.tensors.into_iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")).collect();
    assert_eq!(saved.tensors, pytorchs);
    let message = net.load(golden("state_dict.safetensors")).expect_err("no state").to_string();
    assert!(
        message.ends_with("holds tensors alone, and not where training was: `load_parameters` takes them"),
        "{message}"
    );
}

#[test]
fn what_does_not_fit_is_listed() {
    let folder = Folder::new("misfits");
    let mut net = noisy(7);
    let before = net.state();
    Noisy::new(5).optimizer(sgd(0.1)).build().expect("a network").save(folder.file()).expect("a file");
    for message in [net.load(folder.file()), net.load_parameters(folder.file())] {
        let message = message.expect_err("another width").to_string();
        assert!(message.contains("`h.0.weight` is f32[3, 6] but was given as f32[3, 5]"), "{message}");
    }
    let message = net.load_parameters(golden("state_dict.safetensors")).expect_err("another").to_string();
    assert!(
        message.contains("missing: `h.0.weight`") && message.contains("unexpected: `a.in_proj_bias`"),
        "{message}"
    );
    let message = net.load(folder.0.join("none")).expect_err("no file").to_string();
    assert!(message.contains("none: cannot be read"), "{message}");
    assert!(net.save(folder.0.join("net.safetensors/below")).is_err());
    assert_eq!(net.state(), before);
}

/// A file that was cut or changed anywhere is an error, or, where numbers alone were changed, other numbers; never a panic, and the model
/// is as it was after an error.
#[test]
fn broken_files_are_errors() {
    let folder = Folder::new("broken");
    let mut net = noisy(7);
    train(&mut net, 0..2);
    net.save(folder.file()).expect("a file");
    let whole = std::fs::read(folder.file()).expect("bytes");
    let before = net.state();
    let broken = folder.0.join("broken");
    let mut word = 12345_u64;
    let mut below = |limit: usize| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 33) as usize % limit
    };
    for case in 0..400 {
        let mut bytes = whole.clone();
        if case % 2 == 0 {
            bytes.truncate(below(bytes.len()));
        } else {
            // Mostly in the header, which is in front.
            let place = below(if case % 4 == 1 { 64 } else { 2000 }.min(bytes.len()));
            bytes[place] = bytes[place].wrapping_add(1 + below(255) as u8);
        }
        std::fs::write(&broken, &bytes).expect("a file");
        match net.load(&broken) {
            Err(_) => assert_eq!(net.state(), before, "case {case}"),
            Ok(_) => net.restore(&before).expect("the same network"),
        }
        assert!(case % 2 == 1 || checkpoint::read(&broken).is_err(), "a cut file was read");
    }
}

/// Saves again and again, until it is ended: what the next test starts.
#[test]
#[ignore = "runs until it is ended"]
fn saves_without_end() {
    let path = PathBuf::from(std::env::var_os("DOWNHILL_TEST_FILE").expect("a path"));
    let mut net = noisy(7);
    for step in 0.. {
        train(&mut net, step..step + 1);
        net.save(&path).expect("a file");
        if step == 0 {
            std::fs::write(path.with_extension("begun"), "").expect("a file");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_kill_at_any_moment_leaves_a_whole_file() {
    let folder = Folder::new("kills");
    let mut net = noisy(7);
    net.save(folder.file()).expect("a file");
    let begun = folder.file().with_extension("begun");
    let kills = std::env::var("DOWNHILL_KILLS").map_or(40, |kills| kills.parse().expect("a number"));
    let mut seen = std::collections::BTreeSet::new();
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "saves_without_end", "--ignored"])
            .env("DOWNHILL_TEST_FILE", folder.file())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        while !begun.exists() {
            assert_eq!(child.try_wait().expect("a state"), None, "it ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Somewhere within the next saves, which take some milliseconds each.
        std::thread::sleep(Duration::from_micros(kill * 7919 % 20_000));
        child.kill().expect("an end");
        child.wait().expect("an end");
        std::fs::remove_file(&begun).expect("the mark");
        net.load(folder.file()).expect("a whole file");
        seen.insert(net.steps_made());
    }
    assert!(seen.len() > 1, "the moments were not spread: {seen:?}");
}
