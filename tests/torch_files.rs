//! Files of `torch.save`: read to the bit, and nothing of them executed; broken and hostile ones are errors.

use downhill::checkpoint::{self, Checkpoint};
use downhill::prelude::*;
use std::path::{Path, PathBuf};

network! {
    Two() {
        input x: [batch, 3];
        output scores = linear(x, 2);
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn message_of(name: &str) -> String {
    let message = checkpoint::read(golden(name)).expect_err("no state dict").to_string();
    message.strip_prefix(&golden(name).display().to_string()).expect("the file's name first").to_owned()
}

fn get<'c>(file: &'c Checkpoint, name: &str) -> &'c Tensor {
    &file.tensors.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}")).1
}

#[test]
fn a_state_dict_is_that_of_safetensors() {
    let [pt, safetensors] = ["state_dict.pt", "state_dict.safetensors"]
        .map(|name| checkpoint::read(golden(name)).expect("a file"));
    assert_eq!(pt, safetensors);
}

#[test]
fn every_type_and_view_is_read() {
    let file = checkpoint::read(golden("kinds.pt")).expect("a file");
    let numbers = |name: &str| get(&file, name).to_f64_vec();
    let twelve: Vec<f64> = (0..12).map(f64::from).collect();
    assert_eq!((get(&file, "f32").shape(), numbers("f32")), (&[3, 4][..], twelve.clone()));
    assert_eq!(get(&file, "same"), get(&file, "f32"));
    assert_eq!(get(&file, "turned").shape(), [4, 3]);
    assert_eq!(numbers("turned"), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map(f64::from));
    assert_eq!((get(&file, "rows").shape(), numbers("rows")), (&[2, 4][..], twelve[4..].to_vec()));
    assert_eq!(numbers("columns"), [1, 3, 5, 7, 9, 11].map(f64::from));
    for name in ["f64", "f16", "bf16", "i32"] {
        assert_eq!(numbers(name), [0.0, 1.0, 2.0], "{name}");
    }
    for name in ["i64", "i16", "i8"] {
        assert_eq!(get(&file, name).as_i32().expect("i32"), [-1, 0, 1], "{name}");
    }
    assert_eq!(get(&file, "u8").as_i32().expect("i32"), [0, 255]);
    assert_eq!(*get(&file, "bool"), Tensor::from([false, true]));
    assert_eq!((get(&file, "scalar").shape().len(), numbers("scalar")), (0, vec![7.0]));
    assert_eq!(get(&file, "nothing").shape(), [0, 3]);
    assert_eq!(numbers("parameter"), [1.0, 1.0]);
    assert_eq!(numbers("list.1.0"), [1.0]);
    assert_eq!((file.tensors.len(), file.unread.len()), (18, 0), "what is no tensor is left out");
}

#[test]
fn a_state_dict_within_another_is_found() {
    let file = checkpoint::read(golden("nested.pt")).expect("a file");
    let weight = get(&file, "model.module.scores.weight");
    assert_eq!(weight.shape(), [2, 3]);
    assert_eq!(get(&file, "optimizer.state.0.exp_avg").to_f64_vec(), [0.1; 6].map(|x| f64::from(x as f32)));
    let mut net = Two::new().build().expect("a network");
    net.load_parameters(golden("nested.pt")).expect("the same network");
    let scores = net.forward(&[[1.0, 0.0, 0.0]]).expect("scores").to_f64_vec();
    let bias = net.parameter("scores.bias").expect("there").to_f64_vec();
    let column = [0, 3].map(|at| weight.to_f64_vec()[at]);
    (0..2).for_each(|n| assert!((scores[n] - column[n] - bias[n]).abs() < 1e-6));
    // One whose names end otherwise is told as it is.
    let message = net.load_parameters(golden("state_dict.pt")).expect_err("another").to_string();
    assert!(message.contains("missing: `scores.weight`"), "{message}");
}

#[test]
fn what_is_no_state_dict_is_told() {
    let module = message_of("module.pt");
    assert!(
        module.starts_with(": holds the name `torch.nn.modules.linear.Linear`, which tensors do not need; nothing of the file was \
                            executed. Save `net.state_dict()`, not `net`, at byte "),
        "{module}"
    );
    let marker = Path::new("/tmp/downhill-was-here");
    assert!(!marker.exists(), "a file of another run");
    let evil = message_of("evil.pt");
    assert!(evil.contains("`posix.system`") && evil.contains("nothing of the file was executed"), "{evil}");
    assert!(!marker.exists());
    assert_eq!(
        message_of("old.pt"),
        ": is in the form that `torch.save` wrote before version 1.6; save it anew, with PyTorch of today"
    );
    assert_eq!(
        message_of("expanded.pt"),
        ": is broken: `weight` shows elements several times; save it as `tensor.contiguous()`"
    );
    assert_eq!(message_of("arrays.npz"), ": is a zip archive without a `data.pkl`: `torch.save` wrote none");
    let mut net = Two::new().build().expect("a network");
    let message = net.load(golden("state_dict.pt")).expect_err("no state").to_string();
    assert!(message.contains("holds tensors alone"), "{message}");
}

/// CRC-32 of zip, to make changed files whole again.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |word, &byte| {
        (0..8).fold(
            word ^ u32::from(byte),
            |word, _| if word & 1 == 1 { word >> 1 ^ 0xedb8_8320 } else { word >> 1 },
        )
    })
}

/// Where the pickle of a file lies, and where its directory has the checksum.
fn pickle_of(bytes: &[u8]) -> (std::ops::Range<usize>, usize) {
    let short = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let start = 30 + short(26) + short(28);
    let listed = bytes.windows(4).position(|bytes| bytes == b"PK\x01\x02").expect("a directory");
    let size = short(listed + 24);
    (start..start + size, listed + 16)
}

/// Cut and changed files, and pickles that were changed under a right checksum: an error or other numbers, never a panic.
#[test]
fn broken_files_are_errors() {
    let mut word = 99_u64;
    let mut below = |limit: usize| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 33) as usize % limit
    };
    let folder = std::env::temp_dir().join(format!("downhill-torch-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("broken.pt");
    let (mut read, mut refused) = (0, 0);
    for name in ["kinds.pt", "nested.pt", "module.pt", "evil.pt", "state_dict.pt"] {
        let whole = std::fs::read(golden(name)).expect("bytes");
        let (pickle, listed) = pickle_of(&whole);
        for case in 0..400 {
            let mut bytes = whole.clone();
            match case % 4 {
                0 => bytes.truncate(below(bytes.len())),
                1 => {
                    let place = below(bytes.len());
                    bytes[place] ^= 1 << below(8);
                }
                _ => {
                    for _ in 0..1 + below(3) {
                        let place = pickle.start + below(pickle.len());
                        bytes[place] =
                            if case % 4 == 2 { bytes[place] ^ 1 << below(8) } else { below(256) as u8 };
                    }
                    let right = checksum(&bytes[pickle.clone()]).to_le_bytes();
                    bytes[listed..listed + 4].copy_from_slice(&right);
                }
            }
            std::fs::write(&path, &bytes).expect("a file");
            match checkpoint::read(&path) {
                Ok(_) => read += 1,
                Err(error) => {
                    refused += 1;
                    let message = error.to_string();
                    assert!(
                        !message.contains('\n') && message.len() < 3000,
                        "{name}, case {case}: {message}"
                    );
                }
            }
            assert!(
                case % 4 != 0 || checkpoint::read(&path).is_err(),
                "{name}, case {case}: a cut file was read"
            );
        }
    }
    assert!(read > 30 && refused > 600, "{read} {refused}");
    std::fs::remove_dir_all(&folder).ok();
}
