//! Spans of builds and epochs, as a subscriber sees them.
#![cfg(feature = "tracing")]

use downhill::prelude::*;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

network! {
    Line() {
        input  x: [batch, 1];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

/// Writes a line for each span and event.
#[derive(Clone, Default)]
struct Seen {
    lines: Arc<Mutex<Vec<String>>>,
    ids: Arc<AtomicU64>,
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a text");
    }
}

impl Subscriber for Seen {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = span.metadata().name().to_owned();
        span.record(&mut Fields(&mut line));
        self.lines.lock().expect("no panic").push(line);
        Id::from_u64(1 + self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = "event".to_owned();
        event.record(&mut Fields(&mut line));
        self.lines.lock().expect("no panic").push(line);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn stages_and_epochs_are_spans() {
    let seen = Seen::default();
    let lines = seen.lines.clone();
    tracing::subscriber::with_default(seen, || {
        let mut net = Line::new().optimizer(sgd(0.1)).build().expect("a network");
        let data = Dataset::of(&[("x", &[[0.5_f32], [1.0]]), ("y", &[[1.0_f32], [2.0]])]).expect("data");
        net.fit(&data, Fit { epochs: 2, ..Fit::default() }).expect("training");
    });
    let lines = lines.lock().expect("no panic");
    let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(has("stage name=\"gradient\" entry=step") && has("stage name=\"load\""), "{lines:?}");
    let epochs: Vec<&String> = lines.iter().filter(|line| line.starts_with("epoch")).collect();
    assert_eq!(epochs, ["epoch number=0", "epoch number=1"]);
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("event loss=") && line.contains("rows=2")).count(),
        2
    );
}
