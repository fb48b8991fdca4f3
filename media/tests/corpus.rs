//! The seeds of the fuzz targets in `../fuzz`, put to its checks without a fuzzer.

mod checks;

use std::fs;
use std::path::Path;

#[test]
fn every_description_of_the_corpus_holds_what_is_checked_of_any_bytes() {
    for bytes in corpus("sdp") {
        checks::description(&bytes);
        for end in 0..bytes.len() {
            checks::description(&bytes[..end]);
        }
    }
}

#[test]
fn no_datagrams_of_the_corpus_harm_a_call() {
    for bytes in corpus("packets") {
        for choice in 0..16 {
            let chosen = [&[choice], &bytes[1..]].concat();
            checks::packets(&chosen);
        }
        for end in (0..bytes.len()).step_by(bytes.len() / 20) {
            checks::packets(&bytes[..end]);
        }
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() >= 8);
    paths.iter().map(|path| fs::read(path).expect("it can be read")).collect()
}
