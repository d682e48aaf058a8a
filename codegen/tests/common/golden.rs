//! Text as a person has seen it. In: a name and a text. Out: a failure where the text is another one than that in `tests/golden`.

use std::path::Path;

/// `text` as it was when last looked at by a person. `DOWNHILL_BLESS=1` writes it anew.
pub(crate) fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("DOWNHILL_BLESS").is_some() {
        std::fs::create_dir_all(path.with_file_name("")).expect("a writable folder");
        std::fs::write(&path, text).expect("a writable folder");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} changed; DOWNHILL_BLESS=1 writes it anew");
}
