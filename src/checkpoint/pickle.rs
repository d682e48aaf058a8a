//! Pickles, as far as `torch.save` needs them for tensors in dictionaries and lists.
//!
//! In: bytes. Out: [`Value`]s, plain data. The format: a program for a stack machine (Python's `pickletools.py` says what each code does).
//!
//! Must hold: nothing is executed or looked up by name. The few names that stand for tensors' parts are [`Known`]; any other ends the
//! reading. A code takes constant memory, or what it takes from the stack, so that all of them take as much as the bytes are long.

use std::collections::HashMap;

/// The place of a value among all of a pickle.
pub(super) type Id = usize;

/// What a pickle makes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A number with a fraction, a flag or nothing: whatever no tensor needs.
    Other,
    Whole(i64),
    Text(String),
    /// A tuple or a list.
    Items(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Known),
    /// What `persistent_id` stands for: where the elements of tensors lie.
    Outside(Id),
    Tensor(Vec<Id>),
}

/// The names that may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

/// Types of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

const KNOWN: [(&str, Known); 14] = [
    ("collections.OrderedDict", Known::OrderedDict),
    ("torch.Size", Known::Size),
    ("torch._utils._rebuild_tensor_v2", Known::RebuildTensor),
    ("torch._utils._rebuild_parameter", Known::RebuildParameter),
    ("torch.BoolStorage", Known::Storage(Kind::Bool)),
    ("torch.ByteStorage", Known::Storage(Kind::U8)),
    ("torch.CharStorage", Known::Storage(Kind::I8)),
    ("torch.ShortStorage", Known::Storage(Kind::I16)),
    ("torch.IntStorage", Known::Storage(Kind::I32)),
    ("torch.LongStorage", Known::Storage(Kind::I64)),
    ("torch.HalfStorage", Known::Storage(Kind::F16)),
    ("torch.BFloat16Storage", Known::Storage(Kind::BF16)),
    ("torch.FloatStorage", Known::Storage(Kind::F32)),
    ("torch.DoubleStorage", Known::Storage(Kind::F64)),
];

/// All values of a pickle, and which of them it is of.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) values: Vec<Value>,
    pub(super) root: Id,
}

/// Reads a pickle; what is the matter where there is none, or one that holds more than tensors need.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine { bytes, ..Machine::default() };
    loop {
        let at = machine.at;
        match machine.next() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(Pickle { values: machine.values, root }),
            Err(what) => return Err(format!("{what}, at byte {at} of `data.pkl`")),
        }
    }
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
}

impl<'a> Machine<'a> {
    /// Does what the next code says; gives the value of the whole at the end.
    fn next(&mut self) -> Result<Option<Id>, String> {
        let [code] = self.take()?;
        match code {
            b'.' => return self.pop().map(Some),
            0x80 => _ = self.take::<1>()?,
            0x95 => _ = self.take::<8>()?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => _ = self.pop()?,
            b'1' => _ = self.popped_to_mark()?,
            b'2' => self.stack.push(self.top()?),

            b'N' | 0x88 | 0x89 => self.push(Value::Other),
            b'G' => {
                self.take::<8>()?;
                self.push(Value::Other);
            }
            b'J' => {
                let number = i32::from_le_bytes(self.take()?);
                self.push(Value::Whole(number.into()));
            }
            b'K' => {
                let [number] = self.take()?;
                self.push(Value::Whole(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.take()?);
                self.push(Value::Whole(number.into()));
            }
            0x8a => self.long()?,
            b'X' | 0x8c | 0x8d => {
                let len = self.length(code)?;
                let text = self.text(len)?;
                self.push(Value::Text(text));
            }

            b')' | b']' => self.push(Value::Items(Vec::new())),
            b't' | b'l' => {
                let items = self.popped_to_mark()?;
                self.push(Value::Items(items));
            }
            0x85..=0x87 => {
                let items = self.popped(usize::from(code - 0x84))?;
                self.push(Value::Items(items));
            }
            b'a' => {
                let items = self.popped(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.popped_to_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b's' => {
                let pair = self.popped(2)?;
                self.set(&pair)?;
            }
            b'u' => {
                let pairs = self.popped_to_mark()?;
                self.set(&pairs)?;
            }

            b'q' | b'r' | 0x94 => {
                let place = if code == 0x94 { self.memo.len() } else { self.place(code == b'q')? };
                self.memo.insert(place, self.top()?);
            }
            b'h' | b'j' => {
                let place = self.place(code == b'h')?;
                let known = *self.memo.get(&place).ok_or("a value that was not kept is asked for")?;
                self.stack.push(known);
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(&module, &name)?;
            }
            0x93 => {
                let [module, name] = [0, 1].map(|_| self.pop());
                let (name, module) = (self.text_of(module?)?, self.text_of(name?)?);
                self.name(&module, &name)?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Outside(id));
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            other => return Err(format!("a code {other:#04x} that no tensors need")),
        }
        Ok(None)
    }

    /// A function of [`Known`] applied to arguments: what it would give is told without it.
    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Name(function), Value::Items(arguments)) =
            (&self.values[function], &self.values[arguments])
        else {
            return Err("something that is no function is called".into());
        };
        match (function, &**arguments) {
            (Known::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Known::RebuildTensor, [_, _, _, _, ..]) => {
                let parts = arguments[..4].to_vec();
                self.push(Value::Tensor(parts));
            }
            (Known::Size, &[sizes]) => self.stack.push(sizes),
            (Known::RebuildParameter, &[tensor, ..]) => self.stack.push(tensor),
            (function, _) => return Err(format!("other arguments than `{function:?}` takes")),
        }
        Ok(())
    }

    /// What an object is told of itself besides, such as the versions of layers, is left out.
    fn build(&mut self) -> Result<(), String> {
        self.pop()?;
        match self.values[self.top()?] {
            Value::Dict(_) | Value::Tensor(_) => Ok(()),
            _ => Err("a state for what has none".into()),
        }
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), String> {
        let name = format!("{module}.{name}");
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                self.push(Value::Name(*known));
                Ok(())
            }
            None => Err(format!(
                "the name `{name}`, which tensors do not need; nothing of the file was executed. Save \
                 `net.state_dict()`, not `net`"
            )),
        }
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// The lowest place of the stack that may be taken from: behind the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, String> {
        self.stack[self.floor()..].last().copied().ok_or_else(|| "nothing is on the stack".into())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn popped(&mut self, count: usize) -> Result<Vec<Id>, String> {
        match self.stack.len().checked_sub(count).filter(|&first| first >= self.floor()) {
            Some(first) => Ok(self.stack.split_off(first)),
            None => Err("too little is on the stack".into()),
        }
    }

    fn popped_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("no mark is on the stack")?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, more: Vec<Id>) -> Result<(), String> {
        let list = self.top()?;
        let Value::Items(items) = &mut self.values[list] else {
            return Err("items of what is no list".into());
        };
        items.extend(more);
        Ok(())
    }

    fn set(&mut self, pairs: &[Id]) -> Result<(), String> {
        let dict = self.top()?;
        let (Value::Dict(known), (pairs, [])) = (&mut self.values[dict], pairs.as_chunks()) else {
            return Err("entries of what is no dictionary".into());
        };
        known.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn text_of(&self, id: Id) -> Result<String, String> {
        match &self.values[id] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err("a name that is no text".into()),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.bytes[self.at..].first_chunk().ok_or("its end")?;
        self.at += N;
        Ok(*bytes)
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (slice, _) = self.bytes[self.at..].split_at_checked(len).ok_or("its end")?;
        self.at += len;
        Ok(slice)
    }

    fn text(&mut self, len: usize) -> Result<String, String> {
        let text = std::str::from_utf8(self.slice(len)?);
        Ok(text.map_err(|_| "a text that is no UTF-8")?.to_owned())
    }

    /// How long a text is that this code begins.
    fn length(&mut self, code: u8) -> Result<usize, String> {
        let len = match code {
            b'X' => u32::from_le_bytes(self.take()?).into(),
            0x8c => self.take().map(|[len]: [u8; 1]| len.into())?,
            _ => u64::from_le_bytes(self.take()?),
        };
        usize::try_from(len).map_err(|_| "its end".into())
    }

    fn place(&mut self, is_short: bool) -> Result<usize, String> {
        if is_short {
            return self.take().map(|[place]: [u8; 1]| place.into());
        }
        Ok(u32::from_le_bytes(self.take()?) as usize)
    }

    /// A whole number of some bytes, the highest with the sign. One of more than 64 bits is none that a tensor has.
    fn long(&mut self) -> Result<(), String> {
        let [len] = self.take()?;
        let bytes = self.slice(len.into())?;
        let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut whole = [sign; 8];
        let value = match whole.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Whole(i64::from_le_bytes(whole))
            }
            None => Value::Other,
        };
        self.push(value);
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.bytes[self.at..].iter().position(|&byte| byte == b'\n').ok_or("its end")?;
        let line = self.text(end)?;
        self.at += 1;
        Ok(line)
    }
}
