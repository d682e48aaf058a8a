//! The size of a call: found among those prepared, prepared when it is new, and run by code of its own once it has repeated.
//!
//! In: data in the slots of an entry. Out: an entry that is ready for it.
//!
//! Must hold: finding a prepared size allocates nothing; what is counted is calls that generic code is about to run, and nothing of a size
//! that has code of its own.

use crate::error::Error;
use crate::prepare::Prepared;
use crate::specialize::Obtained;
use crate::worker::Worker;

impl Worker<'_> {
    /// Finds the prepared size of the data in the slots, or prepares it.
    pub(crate) fn prepare(&mut self, index: usize) -> Result<(), Error> {
        let (runnable, frame) = (&mut self.work.entries[index], &mut self.work.frame);
        let last = runnable.prepared.get(runnable.last);
        if last.is_some_and(|prepared| prepared.fits(&runnable.entry, &frame.given)) {
            return Ok(());
        }

        // Another size than last time: one of those prepared before, or a new one.
        frame.sizes.resize(runnable.entry.interface.symbols.len(), 0);
        runnable.entry.interface.solve(&frame.given, &mut frame.sizes)?;

        let known = runnable.prepared.iter().position(|prepared| prepared.sizes == frame.sizes);
        if let Some(known) = known {
            runnable.prepared[known].check(&runnable.entry, &frame.given)?;
            if runnable.turn_to(known) {
                return Ok(());
            }
        }

        // A new size, or one whose code has made way: the arena and the row numbers grow as it needs.
        let code = runnable.entry.variant(&frame.sizes);
        let prepared = Prepared::new(&runnable.entry, &code, &frame.sizes)?;
        prepared.check(&runnable.entry, &frame.given)?;
        self.work.arena.grow(prepared.arena_bytes, "intermediate values")?;
        if runnable.entry.interface.slots.iter().any(|slot| slot.lookup) {
            number_rows(&mut self.work.identity, prepared.batch.unwrap_or(0))?;
        }

        runnable.take(prepared, code, known);
        Ok(())
    }

    /// Counts calls that a ready entry is about to make with sizes that it has no code for, and asks for that code when they were
    /// enough. Sizes that have code of their own are not counted.
    pub(crate) fn count_calls(&mut self, index: usize, calls: u32) {
        let runnable = &mut self.work.entries[index];
        let prepared = &mut runnable.prepared[runnable.last];
        if prepared.calls_left == 0 {
            return;
        }
        prepared.calls_left = prepared.calls_left.saturating_sub(calls);
        if prepared.calls_left == 0 {
            self.take_own_code(index);
        }
    }

    /// Runs a ready entry by code for its sizes from here on, if there is any: it is made now, unless another model has had it made. Where
    /// that fails, or somebody else is making code for the entry, the code there is goes on.
    #[cold]
    pub(crate) fn take_own_code(&mut self, index: usize) {
        let runnable = &mut self.work.entries[index];
        let last = runnable.last;
        let generic = &mut runnable.prepared[last];
        match self.program.own_code(&runnable.entry, &generic.sizes) {
            Obtained::Code(code) => {
                if let Ok(prepared) = Prepared::new(&runnable.entry, &code, &generic.sizes)
                    && self.work.arena.grow(prepared.arena_bytes, "intermediate values").is_ok()
                {
                    runnable.take(prepared, code, Some(last));
                }
            }
            // The next call asks again.
            Obtained::Busy => generic.calls_left = 1,
            Obtained::Never => generic.calls_left = 0,
        }
    }

    pub(crate) fn refuse_empty(&self, index: usize) -> Result<(), Error> {
        let runnable = &self.work.entries[index];
        match (runnable.prepared().batch, runnable.entry.interface.rows) {
            (Some(0), Some(rows)) => {
                Err(Error::EmptyBatch { symbol: runnable.entry.interface.symbols[rows].to_string() })
            }
            _ => Ok(()),
        }
    }
}

/// Makes `rows` hold at least 0, 1, … `count` − 1.
pub(crate) fn number_rows(rows: &mut Vec<u32>, count: usize) -> Result<(), Error> {
    let refused =
        || Error::Memory { what: format!("{count} rows"), bytes: count.saturating_mul(size_of::<u32>()) };
    let end = u32::try_from(count).map_err(|_| refused())?;
    if count > rows.len() {
        rows.try_reserve(count - rows.len()).map_err(|_| refused())?;
        rows.extend(rows.len() as u32..end);
    }
    Ok(())
}
