//! The seeds of the fuzz targets in `../fuzz`, and every torture message, put to the same checks without a fuzzer.

mod checks;

use std::fs;
use std::path::Path;

/// The files of a folder under this crate, in the order of their names.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| path.extension().is_none_or(|extension| extension != "md"));
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read(&path).expect("it can be read")))
        .collect()
}

#[test]
fn every_message_of_the_corpora_holds_what_is_checked_of_any_bytes() {
    for folder in ["fuzz/corpus/message", "tests/rfc4475", "tests/rfc5118"] {
        for (name, bytes) in files(folder) {
            println!("{name}");
            checks::message(&bytes);
            checks::stream(&bytes);
        }
    }
}

#[test]
fn every_uri_of_the_corpus_holds_what_is_checked_of_any_bytes() {
    for (name, bytes) in files("fuzz/corpus/uri") {
        println!("{name}");
        checks::uri(&bytes);
    }
}

#[test]
fn every_stream_of_the_corpus_is_cut_alike_by_framer_and_parser() {
    for (name, bytes) in files("fuzz/corpus/stream") {
        println!("{name}");
        checks::stream(&bytes);
    }
}

#[test]
fn every_prefix_of_a_torture_message_is_cut_alike_too() {
    for (name, bytes) in files("tests/rfc4475").into_iter().filter(|(_, bytes)| bytes.len() < 1500) {
        println!("{name}");
        for end in (0..bytes.len()).step_by(7) {
            checks::message(&bytes[..end]);
            checks::stream(&bytes[..end]);
        }
    }
}
