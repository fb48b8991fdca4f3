//! The sound files that the demo ships: all there, all playable, as loud as they should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use media::library::Pcm;
use media::prompts::decode;

#[test]
fn every_prompt_of_the_table_has_one_file_that_plays_at_the_common_level() {
    let folder = config().join("prompts");
    let files = sounds(&folder);
    let table = fs::read_to_string(folder.join("README.md")).expect("the table is there");
    let names: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(names.len() >= 5, "the table names prompts");
    for name in &names {
        let pcm = files.get(*name).unwrap_or_else(|| panic!("no file speaks {name}"));
        let seconds = pcm.wide.len() as f64 / 16_000.0;
        assert!((1.0..15.0).contains(&seconds), "{name} lasts {seconds} s");
        let level = level(&pcm.wide);
        assert!((-21.5..-18.5).contains(&level), "{name} is at {level} dBFS");
    }
    assert_eq!(files.len(), names.len(), "a file that the table does not name");
}

#[test]
fn the_prompts_and_the_music_exercise_every_decoder() {
    let mut kinds: Vec<String> =
        ["prompts", "music"].iter().flat_map(|it| paths(&config().join(it))).map(extension).collect();
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds, ["flac", "mp3", "ogg", "wav"]);
}

#[test]
fn the_music_on_hold_is_soft_and_joins_without_a_click() {
    let music = sounds(&config().join("music")).remove("hold").expect("there is music");
    let samples = &music.wide;
    let seconds = samples.len() as f64 / 16_000.0;
    assert!((39.9..40.1).contains(&seconds), "it lasts {seconds} s");
    let level = level(samples);
    assert!((-25.0..-23.0).contains(&level), "it is at {level} dBFS");
    let step = |from: i16, to: i16| (i32::from(to) - i32::from(from)).abs();
    let steepest = samples.windows(2).map(|pair| step(pair[0], pair[1])).max().expect("it has samples");
    let seam = step(samples[samples.len() - 1], samples[0]);
    assert!(seam < steepest / 2, "the seam jumps by {seam}, the music by {steepest} at most");
    let around = |at: usize| level_of(samples.iter().cycle().skip(at).take(800));
    let before = around(samples.len() - 800);
    assert!((before - around(0)).abs() < 6.0, "the seam is heard as a change of loudness");
}

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").join("config")
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let sound = |path: &PathBuf| ["flac", "mp3", "ogg", "wav"].contains(&extension(path.clone()).as_str());
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("it can be listed").path()).filter(sound).collect()
}

fn extension(path: PathBuf) -> String {
    path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_owned()
}

fn sounds(folder: &Path) -> BTreeMap<String, Pcm> {
    let mut sounds = BTreeMap::new();
    for path in paths(folder) {
        let name = path.file_stem().and_then(|it| it.to_str()).expect("it has a name").to_owned();
        let bytes = fs::read(&path).expect("it can be read");
        let pcm = decode(bytes, &extension(path)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(sounds.insert(name.clone(), pcm).is_none(), "{name} is there twice");
    }
    sounds
}

/// RMS in dBFS.
fn level(samples: &[i16]) -> f64 {
    level_of(samples.iter())
}

fn level_of<'a>(samples: impl Iterator<Item = &'a i16>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for sample in samples {
        sum += (f64::from(*sample) / 32768.0).powi(2);
        count += 1.0;
    }
    10.0 * (sum / count).log10()
}
