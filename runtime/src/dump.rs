//! `DOWNHILL_DUMP`: seeing the stages of a build.
//!
//! In: the variable, read here and nowhere else. Out: a [`Dump`], passed on explicitly. Also `DOWNHILL_VERIFY=1`, which has machine code
//! verified and checked in release builds too.
//!
//! `DOWNHILL_DUMP=graph,plan` prints the stages to standard error, each under a line that names it.
//! `DOWNHILL_DUMP=graph,plan:/tmp/seen` writes them to files `<program>.<entry>.<stage>.txt` in that folder, which is made if
//! need be.

use crate::error::Error;
pub use downhill_graph::stages::Stage;
use std::ffi::OsStr;
use std::path::PathBuf;

/// The environment variable.
pub const VARIABLE: &str = "DOWNHILL_DUMP";

/// The environment variable that has machine code checked.
const VERIFY: &str = "DOWNHILL_VERIFY";

/// Whether machine code is to be verified and checked although this is a release build.
///
/// # Errors
/// A `DOWNHILL_VERIFY` that is neither `1` nor `0`.
pub(crate) fn verify_from_environment() -> Result<bool, Error> {
    read_verify(&std::env::var_os(VERIFY).unwrap_or_default())
}

fn read_verify(value: &OsStr) -> Result<bool, Error> {
    match value.to_str() {
        Some("1") => Ok(true),
        Some("" | "0") => Ok(false),
        _ => Err(Error::usage(
            format!("`{VERIFY}` is `{}`", value.to_string_lossy()),
            "it may be `1`, to have machine code checked, or `0`",
        )),
    }
}

/// What can be looked at, in the order of a build.
fn stages_with_text() -> impl Iterator<Item = Stage> {
    Stage::ALL.into_iter().filter(|stage| stage.has_text())
}

/// Which stages to show, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dump {
    stages: Vec<Stage>,
    folder: Option<PathBuf>,
}

impl Dump {
    /// What the environment asks for; nothing when the variable is not set.
    ///
    /// # Errors
    /// A word that names no stage; what is no Unicode.
    pub fn from_environment() -> Result<Dump, Error> {
        Dump::read(&std::env::var_os(VARIABLE).unwrap_or_default())
    }

    fn read(value: &OsStr) -> Result<Dump, Error> {
        let text = value.to_str().ok_or_else(|| {
            Error::usage(
                format!("`{VARIABLE}` is `{}`, which is no Unicode", value.to_string_lossy()),
                "name stages and a folder in Unicode: `graph,plan:/tmp/seen`",
            )
        })?;
        Dump::parse(text)
    }

    /// What `text` asks for: stages, then a folder after a colon.
    ///
    /// # Errors
    /// A word that names no stage.
    pub fn parse(text: &str) -> Result<Dump, Error> {
        let (words, folder) = match text.split_once(':') {
            Some((words, folder)) => (words, Some(PathBuf::from(folder))),
            None => (text, None),
        };
        let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
        let stages = words.map(|word| {
            let stage = stages_with_text().find(|stage| stage.name() == word);
            stage.ok_or_else(|| {
                Error::unknown("stage for DOWNHILL_DUMP", word, stages_with_text().map(Stage::name))
            })
        });
        Ok(Dump { stages: stages.collect::<Result<_, _>>()?, folder })
    }

    /// The stages that are asked for: what is not need not be made.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Shows the text of a stage. A folder that cannot be written to is reported on standard error: a build
    /// does not fail for being watched.
    pub fn show(&self, program: &str, entry: &str, stage: Stage, text: &str) {
        let Some(folder) = &self.folder else {
            eprintln!("──── {program} · {entry} · {}\n{}", stage.name(), text.trim_end());
            return;
        };
        let path = folder.join(format!("{program}.{}.{}.txt", entry.replace(' ', "_"), stage.name()));
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
        if let Err(error) = written {
            eprintln!("{VARIABLE}: {} could not be written: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_a_folder() {
        let dump = Dump::parse("graph, plan:/tmp/seen").expect("stages");
        assert_eq!(dump.stages(), [Stage::Graph, Stage::Plan]);
        assert_eq!(dump.folder, Some(PathBuf::from("/tmp/seen")));
        assert_eq!(Dump::parse("").expect("nothing"), Dump::default());
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_unicode_is_an_error() {
        use std::os::unix::ffi::OsStrExt;
        for bytes in [&b"\xff"[..], b"graph:/tmp/\xff"] {
            let error = Dump::read(OsStr::from_bytes(bytes)).expect_err("no Unicode").to_string();
            assert!(error.starts_with("`DOWNHILL_DUMP` is `") && error.contains("no Unicode"), "{error}");
        }
        assert_eq!(Dump::read(OsStr::new("")).expect("nothing"), Dump::default());
    }

    #[test]
    fn machine_code_is_checked_when_asked() {
        let read = |text: &str| read_verify(OsStr::new(text)).map_err(|error| error.to_string());
        assert_eq!((read("1"), read("0"), read("")), (Ok(true), Ok(false), Ok(false)));
        assert!(read("yes").expect_err("neither").starts_with("`DOWNHILL_VERIFY` is `yes`"));
    }

    #[test]
    fn an_unknown_stage_is_an_error() {
        let error = Dump::parse("grph").expect_err("no stage");
        assert_eq!(error.to_string(), "there is no stage for DOWNHILL_DUMP `grph`; did you mean `graph`?");
    }
}
