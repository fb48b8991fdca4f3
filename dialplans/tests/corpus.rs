//! The fuzzer's corpus, and every plan of the other tests, with the checks of the fuzz target.

use std::path::Path;

mod checks;

#[test]
fn every_text_of_the_corpora_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in [
        "fuzz/corpus/text",
        "tests/mistakes",
        "tests/traces",
        "../config/dialplans",
        "../config/dialplans/examples",
    ] {
        for file in std::fs::read_dir(root.join(folder)).expect(folder) {
            let path = file.expect("a file").path();
            if path.is_file() && path.extension().is_none_or(|extension| extension == "plan") {
                checks::text(&std::fs::read(&path).expect("bytes"));
                count += 1;
            }
        }
    }
    assert!(count > 120, "{count}");
}
