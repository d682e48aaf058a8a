//! Tiles. In: strided loads that wait, as many as a vector has lanes or fewer, whose elements are neighbours from load to load.
//! Out: virtual code that reads each lane's elements as one vector, and transposes.
//!
//! Must hold: only lanes that are elements of the loop are read, and of them only elements that are loaded.

use super::code::{Inst, Op, Source, V};
use super::state::{Bound, Held, Select};
use crate::lane::ELEMENT_BYTES;
use crate::lane::{Address, Reg, Term};
use crate::target::Extension;

impl<'p> Select<'p> {
    /// Loads the tile that a waiting load belongs to, if there is one; the load's own value is the result.
    pub(super) fn load_tile(&mut self, register: Reg, address: &Address, piece: usize) -> Option<V> {
        let lanes = self.level.lanes();
        let rest = match self.strip.rest {
            None => i64::MAX,
            Some(Bound::Known(rest)) => rest,
            Some(Bound::In(_)) => return None,
        };

        let tile = self.tile_of(register, address, piece)?;
        let (_, first) = tile[0];
        let rows = (piece * lanes) as i64..((piece + 1) * lanes) as i64;
        let rows: Vec<V> = rows
            .map(|lane| {
                if lane >= rest {
                    return self.emit(Op::Zero, &[]);
                }
                let memory = self.place(first, lane);
                let row = self.vector();
                self.load_first(row, memory, tile.len());
                row
            })
            .collect();

        let columns = self.transpose(&rows);
        for (&(member, _), &column) in tile.iter().zip(&columns) {
            self.set(member, piece, column);
        }
        let own = tile.iter().position(|&(member, _)| member == register)?;
        Some(columns[own])
    }

    /// The loads of a tile in the order of their elements.
    fn tile_of(&self, register: Reg, address: &Address, piece: usize) -> Option<Vec<(Reg, &'p Address)>> {
        let lanes = self.level.lanes();
        let by_number = |term: &Term| matches!(term.index, crate::lane::Index::Var { .. });
        if address.by.is_some() || !address.terms.iter().all(by_number) {
            return None;
        }

        // Counters that are known are no parts of an address any more: what is apart from lane to lane is asked for by itself.
        let step = |address: &Address| {
            let lane = address.terms.iter().find(|term| Some(term.index.var()) == self.lane_var);
            lane.map(|term| term.stride)
        };
        let own = self.parts(address, 0);
        let distance = |other: &Address| {
            let parts = self.parts(other, 0);
            let same = other.pointer == address.pointer
                && other.by.is_none()
                && step(other) == step(address)
                && other.terms.len() == address.terms.len()
                && parts.list == own.list
                && parts.remainder == own.remainder;
            (same && !self.is_contiguous(other)).then(|| parts.offset - own.offset)
        };

        let mut members: Vec<(i64, Reg, &'p Address)> = Vec::new();
        for &(waiting, other) in &self.deferred {
            let waits = self.values[waiting.0 as usize][piece] == Held::Nothing;
            if let Some(distance) = distance(other).filter(|_| waits && !self.targets.contains_key(&waiting))
            {
                members.push((distance, waiting, other));
            }
        }

        members.sort_by_key(|&(distance, ..)| distance);
        let runs = &mut members
            .chunk_by(|one, next| next.0 - one.0 == ELEMENT_BYTES)
            .flat_map(|run| run.chunks(lanes));
        let tile = runs.find(|tile| tile.iter().any(|&(_, member, _)| member == register))?;
        (tile.len() > 1).then(|| tile.iter().map(|&(_, member, address)| (member, address)).collect())
    }

    /// Columns of a tile of rows, of which there may be fewer than lanes: within blocks of four lanes, then the blocks.
    fn transpose(&mut self, rows: &[V]) -> Vec<V> {
        let mut blocks: Vec<[V; 4]> = Vec::new();
        for four in rows.chunks(4) {
            let [a, b, c, d] = [four[0], four[1], four[2], four[3]];
            let [low, high] = [Op::MixLow, Op::MixHigh].map(|op| [self.mix(op, a, b), self.mix(op, c, d)]);
            blocks.push([
                self.mix(Op::MixLowPairs, low[0], low[1]),
                self.mix(Op::MixHighPairs, low[0], low[1]),
                self.mix(Op::MixLowPairs, high[0], high[1]),
                self.mix(Op::MixHighPairs, high[0], high[1]),
            ]);
        }
        let mut columns = vec![rows[0]; rows.len()];
        for place in 0..4 {
            let list: Vec<V> = blocks.iter().map(|block| block[place]).collect();
            for (block, column) in self.transpose_blocks(&list).into_iter().enumerate() {
                columns[4 * block + place] = column;
            }
        }
        columns
    }

    /// The first blocks of all, then the second ones, …
    fn transpose_blocks(&mut self, list: &[V]) -> Vec<V> {
        if self.level == Extension::Avx2 {
            return vec![self.shuffle(list[0], list[1], 0x20), self.shuffle(list[0], list[1], 0x31)];
        }
        // Blocks 0 and 2, and blocks 1 and 3, of two vectors.
        let [even, odd] = [0x88, 0xdd]
            .map(|order| [self.shuffle(list[0], list[1], order), self.shuffle(list[2], list[3], order)]);
        vec![
            self.shuffle(even[0], even[1], 0x88),
            self.shuffle(odd[0], odd[1], 0x88),
            self.shuffle(even[0], even[1], 0xdd),
            self.shuffle(odd[0], odd[1], 0xdd),
        ]
    }

    fn mix(&mut self, op: Op, x: V, y: V) -> V {
        self.emit(op, &[Source::Register(x), Source::Register(y)])
    }

    fn shuffle(&mut self, x: V, y: V, order: i64) -> V {
        let to = self.vector();
        let from = [Source::Register(x), Source::Register(y)];
        self.code.push(Inst::new(Op::Blocks, Some(to), &from).immediate(order));
        to
    }
}
