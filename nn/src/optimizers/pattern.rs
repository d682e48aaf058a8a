//! Patterns of parameters' names.

use downhill_graph::error::{Error, nearest};

/// A name in which each `*` stands for any characters, or none: `h.*`, `*.bias`, `h.*.weight`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Pattern {
        Pattern(pattern.to_owned())
    }

    pub(super) fn fits(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };

        // Each piece where it comes first leaves most for those behind it.
        for piece in pieces {
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last)
    }

    /// Refuses a pattern that fits no name.
    pub(super) fn check(&self, names: &[&str]) -> Result<(), Error> {
        if names.iter().any(|name| self.fits(name)) {
            return Ok(());
        }
        let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let error = Error::new(format!("no parameter is called `{}`", self.0));
        let error = error.note(format!("known parameters: {}", listed.join(", ")));
        Err(match nearest(&self.0, names.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("`*` stands for any characters, as in `h.*` and `*.bias`"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        let fits = |pattern: &str, name: &str| Pattern::new(pattern).fits(name);
        for pattern in
            ["h.weight", "*", "h.*", "*.weight", "h*weight", "*.w*t", "**", "h.weight*", "*h.weight"]
        {
            assert!(fits(pattern, "h.weight"), "{pattern}");
        }
        for pattern in ["h", "weight", "*.bias", "h.*.weight", "h.weight.*", "", "H.*", "h.w*w*"] {
            assert!(!fits(pattern, "h.weight"), "{pattern}");
        }
        assert!(fits("h.*.weight", "h.0.weight") && fits("*a*b", "aab") && fits("ab*ba", "abba"));
        assert!(!fits("ab*ba", "aba"), "nothing is counted twice");
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_told_with_the_names() {
        let names = ["h.weight", "h.bias"];
        assert!(Pattern::new("*.bias").check(&names).is_ok());
        let error = Pattern::new("h.wieght").check(&names).unwrap_err();
        assert_eq!(error.message, "no parameter is called `h.wieght`");
        assert_eq!(error.notes, ["known parameters: `h.weight`, `h.bias`"]);
        assert_eq!(error.help.as_deref(), Some("did you mean `h.weight`?"));
        let error = Pattern::new("encoder.*").check(&names).unwrap_err();
        assert!(error.help.is_some_and(|help| help.contains("any characters")));
    }
}
