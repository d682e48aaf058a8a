//! Several values together: `(a, b)`, and names for each.

use super::arithmetic;
use crate::builder::Builder;
use crate::call::{Argument, Several};
use downhill_graph::error::Error;

/// `(a, b)`: values together, of which none stands for all.
pub fn together(builder: &Builder, parts: &[Argument]) -> Argument {
    let values: Vec<_> = parts.iter().map(|part| arithmetic::tensor(builder, part)).collect();
    Argument::Several(Several { least: values.len(), values })
}

/// `(a, b, …) = argument`: what each of `names` stands for; unknown values after a mistake.
pub fn unpack(builder: &Builder, names: &[&str], argument: &Argument) -> Vec<Argument> {
    let unknown = || vec![Argument::Unknown; names.len()];
    let several = match argument {
        Argument::Unknown => return unknown(),
        Argument::Value(value) if value.node().is_none() => return unknown(),
        Argument::Several(several) => several,
        _ => {
            let error = Error::new(format!("{} names for one value", names.len()));
            builder.error(error.help(format!(
                "give it one name, `{}`, or as many values, `(a, b)`; where the elements of `max`, `sort` and `top_k` were is said by `argmax`, `argsort` and `top_k_indices`",
                names[0]
            )));
            return unknown();
        }
    };

    let (least, most) = (several.least, several.values.len());
    if !(least..=most).contains(&names.len()) {
        let count = match (least, most) {
            (1, 1) => "one value".into(),
            _ if least == most => format!("{most} values"),
            _ => format!("{least} to {most} values"),
        };
        let error = Error::new(format!("{} names for {count}", names.len()));
        let help = match names.get(most..) {
            Some([]) | None => format!("give each a name: {least} at least"),
            Some(surplus) => format!("leave out `{}`", surplus.join("`, `")),
        };
        builder.error(error.help(help));
        return unknown();
    }
    let values = several.values.iter().zip(names);
    values.map(|(value, name)| Argument::Value(value.clone().named(name))).collect()
}
