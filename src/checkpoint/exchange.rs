//! Names and layouts as PyTorch has them.
//!
//! In: a program's storages, tensors by the names here. Out: tensors by the names there; and back.

use super::tensors::{back, turned};
use downhill_graph::graph::{Exchange, Storage, StorageKind};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use downhill_runtime::state::State;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Tensors by name.
pub(super) type Named = Vec<(String, Tensor)>;

/// A storage's name in a file.
fn name_of(storage: &Storage) -> String {
    let Some(renamed) = &storage.exchange.renamed else { return storage.name.to_string() };
    let parts: Vec<&str> = storage.name.split('.').collect();
    let kept = &parts[..parts.len().saturating_sub(renamed.parts)];
    kept.iter().copied().chain([&*renamed.name]).collect::<Vec<_>>().join(".")
}

/// Whether a tensor of this name in a file is for one of the storages.
pub(super) fn is_wanted(storages: &[Storage], name: &str) -> bool {
    storages.iter().any(|storage| name_of(storage) == name)
}

/// What stands before the name of every parameter in a file whose state dict lies within another dictionary, or is of a wrapped module:
/// `model.`, `module.`. Nothing where a parameter is there by its own name, or where several such state dicts are.
pub(super) fn prefix_in(storages: &[Storage], file: &Named) -> Option<String> {
    let parameters = storages.iter().filter(|storage| storage.kind == StorageKind::Parameter);
    let wanted: Vec<String> = parameters.map(name_of).collect();
    let names: HashSet<&str> = file.iter().map(|(name, _)| &**name).collect();
    if wanted.iter().any(|name| names.contains(&**name)) {
        return None;
    }
    let first = format!(".{}", wanted.first()?);
    let is_whole = |prefix: &&str| wanted.iter().all(|name| names.contains(&*format!("{prefix}.{name}")));
    let mut prefixes = names.iter().filter_map(|name| name.strip_suffix(&*first)).filter(is_whole);
    match (prefixes.next(), prefixes.next()) {
        (Some(only), None) => Some(format!("{only}.")),
        _ => None,
    }
}

/// The tensors of a state as a file has them.
pub(super) fn outward(storages: &[Storage], state: &State) -> Result<Named, Error> {
    let known: HashMap<&str, &Storage> = storages.iter().map(|storage| (&*storage.name, storage)).collect();
    let mut parts: BTreeMap<String, Vec<(usize, Tensor)>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for (name, tensor) in state.parameters.iter().chain(&state.states) {
        let Some(storage) = known.get(&**name) else { continue };
        let Exchange { axes, renamed } = &storage.exchange;
        let tensor = if axes.is_empty() { tensor.clone() } else { turned(tensor, axes)? };
        let name = name_of(storage);
        let stack = parts.entry(name.clone()).or_insert_with(|| {
            order.push(name);
            Vec::new()
        });
        stack.push((renamed.as_ref().map_or(0, |renamed| renamed.place), tensor));
    }
    let tensors = order.into_iter().map(|name| {
        let mut stack = parts.remove(&name).unwrap_or_default();
        stack.sort_by_key(|(place, _)| *place);
        let parts: Vec<&Tensor> = stack.iter().map(|(_, tensor)| tensor).collect();
        let tensor = if let [only] = *parts { only.clone() } else { Tensor::concat(&parts, 0)? };
        Ok((name, tensor))
    });
    tensors.collect()
}

/// The parameters and the states of a file, of which the file itself names the second, by the names and with the axes that they have here.
/// What no storage takes keeps its name, so that it can be told; but for PyTorch's counters of batches, which nothing here needs.
pub(super) fn inward(
    storages: &[Storage],
    file: Named,
    said_states: &[String],
) -> Result<(Named, Named), Error> {
    let by_name: HashMap<&str, &Tensor> = file.iter().map(|(name, tensor)| (&**name, tensor)).collect();
    let mut rows: HashMap<String, usize> = HashMap::new();
    let mut used: HashSet<String> = HashSet::new();
    let (mut parameters, mut states) = (Vec::new(), Vec::new());
    for storage in storages {
        let (name, Exchange { axes, renamed }) = (name_of(storage), &storage.exchange);
        let Some(whole) = by_name.get(&*name) else { continue };
        used.insert(name.clone());
        let part = match renamed {
            Some(_) => part_of(whole, storage, axes, rows.entry(name).or_default()),
            None => Some((*whole).clone()),
        };
        let Some(part) = part else { continue };
        let is_turned = !axes.is_empty() && part.shape().len() == axes.len();
        let tensor = if is_turned { turned(&part, &back(axes))? } else { part };
        let into = if storage.kind == StorageKind::Parameter { &mut parameters } else { &mut states };
        into.push((storage.name.to_string(), tensor));
    }
    let is_left = |name: &str| !used.contains(name) && !name.ends_with("num_batches_tracked");
    for left in file.iter().filter(|(name, _)| is_left(name)) {
        let into = if said_states.contains(&left.0) { &mut states } else { &mut parameters };
        into.push(left.clone());
    }
    Ok((parameters, states))
}

/// The rows of a stack that are this storage's: those behind what others have taken.
fn part_of(whole: &Tensor, storage: &Storage, axes: &[usize], taken: &mut usize) -> Option<Tensor> {
    let first_axis = axes.first().copied().unwrap_or(0);
    let count = usize::try_from(storage.ty.shape.dims().get(first_axis)?.as_constant()?).ok()?;
    let part = whole.rows(*taken..*taken + count).ok();
    *taken += count;
    part
}
