//! The seeds of the fuzz target in `../fuzz`, put to its checks without a fuzzer.

mod checks;

use std::fs;
use std::path::Path;

#[test]
fn every_description_of_the_corpus_holds_what_is_checked_of_any_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/sdp");
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() >= 8);
    for path in paths {
        println!("{}", path.display());
        let bytes = fs::read(&path).expect("it can be read");
        checks::description(&bytes);
        for end in 0..bytes.len() {
            checks::description(&bytes[..end]);
        }
    }
}
