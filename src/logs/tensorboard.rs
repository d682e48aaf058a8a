//! TensorBoard's files of events.
//!
//! The format: records of a length, its checksum, bytes and their checksum (TFRecord, `tensorflow/core/lib/io/record_writer.h`); the bytes are a
//! protocol buffer `Event` with a time, a step and a `Summary` of named numbers (`tensorflow/core/util/event.proto`, `summary.proto`).

use crate::checksum::crc32c;
use crate::file::append;
use crate::fit::Record;
use crate::mistake::broken;
use downhill_runtime::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A run's file of events: numbers by name and step, which `tensorboard --logdir folder` draws as curves.
#[doc(alias("SummaryWriter", "tfevents", "add_scalar"))]
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
}

/// Keeps files of one process and second apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl TensorBoard {
    /// Begins a file in a folder, which is made where it is missing. Files that are there already stay: TensorBoard shows them as one run.
    ///
    /// # Errors
    /// A folder or a file that cannot be written.
    pub fn create(folder: impl AsRef<Path>) -> Result<TensorBoard, Error> {
        let (seconds, process) = (now().as_secs(), std::process::id());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            folder.as_ref().join(format!("events.out.tfevents.{seconds:010}.downhill.{process}.{number}"));
        let mut board = TensorBoard { file: append(&path)?, path };
        let mut event = time();
        bytes(&mut event, 3, b"brain.Event:2");
        board.write(&event)?;
        Ok(board)
    }

    /// Writes a number: `name` may have parts, `train/loss`, by which curves are grouped.
    ///
    /// # Errors
    /// What the system says.
    pub fn scalar(&mut self, name: &str, step: u64, value: f64) -> Result<(), Error> {
        self.scalars(step, &[(name, value)])
    }

    /// Writes several numbers of one step.
    ///
    /// # Errors
    /// What the system says.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), Error> {
        let mut summary = Vec::new();
        for (name, value) in values {
            let mut own = Vec::new();
            bytes(&mut own, 1, name.as_bytes());
            own.push(key(2, FIXED_32));
            own.extend((*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &own);
        }
        let mut event = time();
        event.push(key(2, VARINT));
        varint(&mut event, step);
        bytes(&mut event, 5, &summary);
        self.write(&event)
    }

    /// Writes an epoch, at the number of its last step: `loss`, `learning_rate`, and `validation` and `metric` where they were measured.
    ///
    /// # Errors
    /// What the system says.
    pub fn record(&mut self, record: &Record) -> Result<(), Error> {
        let mut values = vec![("loss", record.loss), ("learning_rate", record.learning_rate.into())];
        values.extend(record.validation.map(|loss| ("validation", loss)));
        values.extend(record.metric.map(|metric| ("metric", metric)));
        self.scalars(record.steps, &values)
    }

    fn write(&mut self, event: &[u8]) -> Result<(), Error> {
        let len = (event.len() as u64).to_le_bytes();
        let record = [&len[..], &masked(&len), event, &masked(event)].concat();
        // In one piece, so that a reader sees whole records.
        let written = self.file.write_all(&record);
        written.map_err(|error| broken(&self.path, format!("cannot be written: {error}")))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An event of now, of which the rest is missing.
fn time() -> Vec<u8> {
    let mut event = vec![key(1, FIXED_64)];
    event.extend(now().as_secs_f64().to_le_bytes());
    event
}

/// A checksum as records have it: turned and moved, since a file may hold checksums itself.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

/// What stands before a field of a protocol buffer.
fn key(field: u8, kind: u8) -> u8 {
    field << 3 | kind
}

/// A field of bytes.
fn bytes(into: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    into.push(key(field, BYTES));
    varint(into, bytes.len() as u64);
    into.extend(bytes);
}

/// A whole number, seven bits a byte, the lowest first.
fn varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}
