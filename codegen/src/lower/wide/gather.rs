//! Gathers and scatters: accesses whose lanes are not contiguous in memory. In: an address that is strided, or looked up, in the lane
//! loop's counter, or moved by what each lane holds. Out: virtual code.
//!
//! With AVX-512 by gathers and scatters at 64-bit offsets, half a vector at a time; with AVX2 an element at a time through
//! the frame. Must hold: lanes that are no elements are not touched.

use super::code::{Base, Class, Inst, Memory, Op, Source, V};
use super::state::{Bound, Select};
use crate::lane::ELEMENT_BYTES;
use crate::lane::{Address, Index, Integer, Term};
use crate::target::Extension;

impl Select<'_> {
    /// The term of an address that differs between the lanes.
    fn lane_term(&self, address: &Address) -> Term {
        let lane = address.terms.iter().find(|term| Some(term.index.var()) == self.lane_var);
        *lane.unwrap_or_else(|| panic!("downhill bug: an address that does not vary; please report"))
    }

    pub(super) fn gather(&mut self, to: V, address: &Address, piece: usize) {
        if self.level == Extension::Avx2 {
            return self.gather_one_by_one(to, address, piece);
        }
        let place = self.base_of(address, piece);
        let (offsets, scale) = self.offsets_of(address, piece);
        let masks = self.half_masks(piece);
        let halves = [0, 1].map(|half| {
            let memory = Memory { index: Some(offsets[half]), scale, ..place };
            let loaded = self.emit(Op::Zero, &[]);
            let gather = Inst::new(Op::Gather, Some(loaded), &[Source::Memory(memory)]);
            self.code.push(gather.masked(Some(masks[half]), true));
            Source::Register(loaded)
        });
        self.code.push(Inst::new(Op::JoinHalves, Some(to), &halves).immediate(1));
    }

    pub(super) fn scatter(&mut self, value: V, address: &Address, piece: usize) {
        if self.level == Extension::Avx2 {
            return self.scatter_one_by_one(value, address, piece);
        }
        let place = self.base_of(address, piece);
        let (offsets, scale) = self.offsets_of(address, piece);
        let masks = self.half_masks(piece);
        let upper = self.vector();
        self.code.push(Inst::new(Op::UpperHalf, Some(upper), &[Source::Register(value)]).immediate(1));
        for (half, value) in [value, upper].into_iter().enumerate() {
            let memory = Memory { index: Some(offsets[half]), scale, ..place };
            let scatter = Inst::new(Op::Scatter, None, &[Source::Memory(memory), Source::Register(value)]);
            self.code.push(scatter.masked(Some(masks[half]), true));
        }
    }

    /// What all lanes of a piece share, as a base alone.
    fn base_of(&mut self, address: &Address, piece: usize) -> Memory {
        let memory = self.place_of_piece(address, piece);
        if memory.index.is_none() {
            return memory;
        }
        let base = self.emit(Op::Address, &[Source::Memory(Memory { offset: 0, ..memory })]);
        Memory { offset: memory.offset, ..Memory::at(Base::Register(base)) }
    }

    /// Masks for one gather or scatter, which leaves them empty.
    fn half_masks(&mut self, piece: usize) -> [V; 2] {
        match self.strip.masks[piece] {
            None => [(); 2].map(|()| self.emit(Op::MaskOnes, &[])),
            Some(mask) => {
                let lower = self.emit(Op::MaskMove, &[Source::Register(mask)]);
                let upper = self.code.register(Class::Mask);
                self.code.push(Inst::new(Op::MaskUpper, Some(upper), &[Source::Register(mask)]).immediate(8));
                [lower, upper]
            }
        }
    }

    /// 64-bit distances of the lanes of a piece from what they share, and what they are multiplied with.
    fn offsets_of(&mut self, address: &Address, piece: usize) -> ([V; 2], u8) {
        let Some(by) = self.by_lane(address) else {
            return (self.offsets(self.lane_term(address), piece), 1);
        };
        let elements = self.value(by, piece);
        let upper = self.vector();
        self.code.push(Inst::new(Op::UpperHalf, Some(upper), &[Source::Register(elements)]).immediate(1));
        let halves = [elements, upper].map(|half| self.emit(Op::Extend, &[Source::Register(half)]));
        (halves, ELEMENT_BYTES as u8)
    }

    /// The same in bytes, of a term.
    fn offsets(&mut self, term: Term, piece: usize) -> [V; 2] {
        if let Some(known) = self.find(|scope| scope.offsets.get(&(term, piece))) {
            return known;
        }
        let offsets = match (term.index, term.stride) {
            (Index::Var { .. }, Integer::Constant(stride)) => [0, 1].map(|half| {
                let words = (8 * half..8 * half + 8).map(|lane: i64| lane * stride);
                self.quads(words)
            }),
            (Index::Var { .. }, Integer::Argument(argument)) => {
                let stride = Source::Register(self.integers[argument as usize]);
                let stride = Source::Register(self.emit(Op::BroadcastQ, &[stride]));
                [0, 1].map(|half| {
                    let numbers = Source::Register(self.quads(8 * half..8 * half + 8));
                    self.emit(Op::MulQ, &[numbers, stride])
                })
            }
            (Index::Lookup { table, var, plus }, stride) => {
                let first = (piece * self.level.lanes()) as i64;
                let memory = self.table_place(table, var, plus + first);
                let entries = self.vector();
                self.load_lanes(entries, memory, piece);
                let upper = self.vector();
                self.code
                    .push(Inst::new(Op::UpperHalf, Some(upper), &[Source::Register(entries)]).immediate(1));
                let stride = self.integer(stride);
                let stride = self.materialize(stride);
                let stride = Source::Register(self.emit(Op::BroadcastQ, &[Source::Register(stride)]));
                [entries, upper].map(|half| {
                    let half = Source::Register(self.emit(Op::Extend, &[Source::Register(half)]));
                    self.emit(Op::MulQ, &[half, stride])
                })
            }
        };
        self.scope().offsets.insert((term, piece), offsets);
        offsets
    }

    /// 64-bit literals in the lanes.
    fn quads(&mut self, numbers: impl Iterator<Item = i64>) -> V {
        let words: Vec<u32> = numbers.flat_map(|number| [number as u32, (number >> 32) as u32]).collect();
        let home = Memory::at(Base::Pool(self.code.pool.place(&words)));
        self.keep(home, false)
    }

    /// Where each lane's element lies, one after the other; the code made for each is skipped from the first one that is no
    /// element of the loop.
    fn each_lane(&mut self, address: &Address, piece: usize, mut each: impl FnMut(&mut Self, usize, Memory)) {
        // What all lanes share is known on every path.
        if let Some(shared) = address.by.filter(|by| !self.varies(*by)) {
            self.elements(shared);
        }
        let by = self.by_lane(address);
        let elements = by.map(|by| {
            let (elements, room) = (self.value(by, piece), self.room());
            let store = [Source::Memory(room), Source::Register(elements)];
            self.code.push(Inst::new(Op::Store, None, &store));
            room
        });
        let lanes = self.level.lanes();
        let end = self.code.label();
        let first = (piece * lanes) as i64;

        for lane in 0..lanes {
            let number = first + lane as i64;
            match self.strip.rest {
                Some(Bound::Known(rest)) if number >= rest => break,
                Some(Bound::In(rest)) => {
                    let compare = Inst::new(Op::CompareImmediate, None, &[Source::Register(rest)]);
                    self.code.push(compare.immediate(number));
                    self.code.push(Inst::new(Op::JumpIfAtMost, None, &[]).immediate(i64::from(end.0)));
                }
                _ => {}
            }

            // What one lane needs is of no use to the next one, and not made on every path.
            self.scopes.push(Default::default());
            let memory = match (elements, by.is_none().then(|| self.lane_term(address))) {
                (Some(room), _) => {
                    let shared = self.place(address, 0);
                    let shared = self.emit(Op::Address, &[Source::Memory(shared)]);
                    let place = Memory { offset: ELEMENT_BYTES as i32 * lane as i32, ..room };
                    let elements = self.emit(Op::LoadHalf, &[Source::Memory(place)]);
                    let index = Some(elements);
                    Memory { index, scale: ELEMENT_BYTES as u8, ..Memory::at(Base::Register(shared)) }
                }
                (None, Some(Term { index: Index::Lookup { table, var, plus }, stride })) => {
                    let shared = self.place(address, 0);
                    let shared = Source::Register(self.emit(Op::Address, &[Source::Memory(shared)]));
                    let entry = self.table_place(table, var, plus + number);
                    let entry = self.emit(Op::LoadHalf, &[Source::Memory(entry)]);
                    let offset = self.scaled(entry, stride);
                    self.code.push(Inst::new(Op::Add, Some(offset), &[shared]));
                    Memory::at(Base::Register(offset))
                }
                (None, Some(Term { index: Index::Var { .. }, .. }) | None) => self.place(address, number),
            };
            each(self, lane, memory);
            self.scopes.pop();
        }

        self.code.push(Inst::new(Op::Label, None, &[]).immediate(i64::from(end.0)));
    }

    fn gather_one_by_one(&mut self, to: V, address: &Address, piece: usize) {
        let room = self.room();
        self.each_lane(address, piece, |select, lane, memory| {
            let element = select.emit(Op::LoadHalf, &[Source::Memory(memory)]);
            let place = Memory { offset: ELEMENT_BYTES as i32 * lane as i32, ..room };
            select.code.push(Inst::new(
                Op::StoreHalf,
                None,
                &[Source::Memory(place), Source::Register(element)],
            ));
        });
        self.code.push(Inst::new(Op::Load, Some(to), &[Source::Memory(room)]));
    }

    fn scatter_one_by_one(&mut self, value: V, address: &Address, piece: usize) {
        let room = self.room();
        self.code.push(Inst::new(Op::Store, None, &[Source::Memory(room), Source::Register(value)]));
        self.each_lane(address, piece, |select, lane, memory| {
            let place = Memory { offset: ELEMENT_BYTES as i32 * lane as i32, ..room };
            let element = select.emit(Op::LoadHalf, &[Source::Memory(place)]);
            select.code.push(Inst::new(
                Op::StoreHalf,
                None,
                &[Source::Memory(memory), Source::Register(element)],
            ));
        });
    }

    /// A vector's slot in the frame.
    fn room(&mut self) -> Memory {
        self.room_of(self.level.vector_bytes())
    }

    pub(super) fn room_of(&mut self, size: u32) -> Memory {
        let place = self.code.frame.next_multiple_of(size.next_power_of_two());
        self.code.frame = place + size;
        Memory::at(Base::Frame(place))
    }
}
