//! Logs: what other programs read of them.

use downhill::fit::Record;
use downhill::logs::{Lines, TensorBoard};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("downhill-logs-{name}-{}", std::process::id()))
}

fn record(epoch: u64, validation: Option<f64>) -> Record {
    Record {
        epoch,
        loss: 0.5 / (epoch + 1) as f64,
        validation,
        metric: None,
        learning_rate: 0.25,
        steps: 300 * (epoch + 1),
        rows: 9600,
        time: Duration::from_millis(1500),
    }
}

#[test]
fn lines_go_on_where_they_ended() {
    let folder = folder("lines");
    let (csv, json) = (folder.join("a/log.csv"), folder.join("log.jsonl"));
    for epoch in 0..2 {
        let validation = (epoch == 0).then_some(f64::NAN);
        Lines::csv(&csv).expect("a file").record(&record(epoch, validation)).expect("a line");
        Lines::json(&json).expect("a file").record(&record(epoch, validation)).expect("a line");
    }
    let read = |path| std::fs::read_to_string(path).expect("a file");
    assert_eq!(
        read(csv),
        "epoch,loss,validation,metric,learning_rate,steps,rows,seconds\n0,0.5,NaN,,0.25,300,9600,1.5\n\
         1,0.25,,,0.25,600,9600,1.5\n"
    );
    let text = read(json);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[1]["loss"], 0.25);
    assert!(lines[0]["validation"].is_null() && lines[0]["metric"].is_null());
    assert!(Lines::csv(folder.join("a")).expect_err("a folder").to_string().contains("cannot be written"));
    std::fs::remove_dir_all(folder).ok();
}

/// What a record of a file of events holds, read by the format's own rules.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut records = Vec::new();
    while let Some((len, _)) = rest.split_first_chunk::<8>() {
        let len = u64::from_le_bytes(*len) as usize;
        records.push(&rest[12..12 + len]);
        rest = &rest[16 + len..];
    }
    records
}

#[test]
fn a_board_has_a_version_and_numbers() {
    let folder = folder("board");
    let mut board = TensorBoard::create(&folder).expect("a file");
    board.record(&record(0, Some(0.75))).expect("an event");
    board.scalar("weights/h", 1 << 40, -2.0).expect("an event");
    let file = std::fs::read_dir(&folder).expect("a folder").next().expect("a file").expect("a file").path();
    let bytes = std::fs::read(&file).expect("bytes");
    // The length, its checksum as TensorFlow writes it for 24 bytes, the time's field.
    assert_eq!(bytes[..13], [24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22, 9]);
    let records = records(&bytes);
    assert_eq!(records.len(), 3);
    assert!(records[0].ends_with(b"\x1a\x0dbrain.Event:2"));
    let validation = [b"\x0a\x11\x0a\x0avalidation\x15", &0.75_f32.to_le_bytes()[..]].concat();
    assert!(records[1].windows(validation.len()).any(|window| window == validation));
    assert_eq!(records[2][9..16], [0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
    // TensorBoard's own reader, where it is installed.
    if let Some(python) = std::env::var_os("DOWNHILL_TENSORBOARD") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/events.py");
        let read = Command::new(python).args([script.as_ref(), folder.as_os_str()]).output().expect("python");
        let (text, mistakes) = (String::from_utf8_lossy(&read.stdout), String::from_utf8_lossy(&read.stderr));
        let expected =
            "learning_rate 300 0.25\nloss 300 0.5\nvalidation 300 0.75\nweights/h 1099511627776 -2.0\n";
        assert_eq!(text, expected, "{mistakes}");
    }
    std::fs::remove_dir_all(folder).ok();
}
