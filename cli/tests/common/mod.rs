//! The built command, and rows for it.
// Each test is a crate of its own, and needs a part of it.
#![allow(dead_code, unreachable_pub)]

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder of a test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(TempDir::new().expect("a folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.at(name), bytes).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_downhill"));
        command.current_dir(self.path()).args(arguments);
        command
    }

    /// Runs the command in the folder.
    pub fn run(&self, line: &str) -> Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        Said::of(line, self.command(&words).stdin(Stdio::null()).output().expect("it runs"))
    }

    /// Runs it with a standard input.
    pub fn fed(&self, line: &str, input: &str) -> Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = self.command(&words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().expect("it runs");
        running.stdin.take().expect("an input").write_all(input.as_bytes()).expect("it reads");
        Said::of(line, running.wait_with_output().expect("it ends"))
    }
}

/// What a run said.
pub struct Said {
    line: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(line: &str, output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let said = Said {
            line: line.into(),
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(!said.err.contains("panicked"), "{line}: {}", said.err);
        said
    }

    /// It did what it should.
    pub fn done(self) -> Said {
        assert_eq!(self.code, Some(0), "{}: {}{}", self.line, self.out, self.err);
        self
    }

    /// One JSON document, and nothing else.
    pub fn json(self) -> Value {
        let said = self.done();
        assert_eq!(said.err, "", "{}", said.line);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{}: {error}: {}", said.line, said.out))
    }

    /// An error of few lines, with this exit code.
    pub fn wrong(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}: {}{}", self.line, self.out, self.err);
        let first = self.err.lines().find(|line| !line.starts_with("note: ")).unwrap_or_default();
        assert!(first.starts_with("error: ") && self.err.lines().count() <= 8, "{}: {}", self.line, self.err);
        self.err
    }
}

/// Three kinds of flowers that two lengths and a colour tell apart; some lengths are missing, and each row has a name.
pub fn flowers(rows: usize) -> String {
    let mut text = "name,length,width,color,kind\n".to_owned();
    for row in 0..rows {
        let kind = row % 3;
        // Spread evenly, and by no random numbers.
        let (a, b) = ((row * 37 % 101) as f64 / 101.0, (row * 53 % 89) as f64 / 89.0);
        let length = if row % 17 == 5 { String::new() } else { format!("{:.3}", 3.0 * kind as f64 + a) };
        let color = ["red", "blue", "green"][(kind + row % 2) % 3];
        text += &format!("f{row},{length},{:.3},{color},{}\n", 10.0 * b, ["rose", "tulip", "violet"][kind]);
    }
    text
}

/// A number that follows from three others.
pub fn prices(rows: usize) -> String {
    let mut text = "rooms,area,city,price\n".to_owned();
    for row in 0..rows {
        let (rooms, area) = (1 + row % 5, 30.0 + (row * 41 % 97) as f64);
        let (city, of_city) = [("Oslo", 50.0), ("Rome", 20.0)][row % 2];
        text += &format!("{rooms},{area},{city},{:.2}\n", 100.0 + 10.0 * rooms as f64 + 2.5 * area + of_city);
    }
    text
}
