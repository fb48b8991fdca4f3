//! The folders of prompts and music, decoded.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use media::library::{Library, Pcm};
use media::prompts::{self, PromptError};

/// A file that will not play, and why. The rest of the library does.
#[derive(Debug, thiserror::Error)]
pub enum LibraryProblem {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Unplayable { path: PathBuf, source: PromptError },
    #[error("{}: prompts and music take more than {} MB decoded", path.display(), MOST_OCTETS / 1_000_000)]
    TooMuch { path: PathBuf },
    #[error("{}: there is already another file called {name:?}", path.display())]
    Twice { path: PathBuf, name: String },
}

/// Memory that everything decoded may take: six hours.
const MOST_OCTETS: usize = 1_000_000_000;

/// Decodes every audio file in the two folders, in order of name; files of other kinds and hidden ones are left alone. A folder that is
/// not there is empty. Takes a while: call it before serving, or from a thread of its own.
pub fn load_library(prompts: &Path, music: &Path) -> (Library, Vec<LibraryProblem>) {
    let mut library = Library::default();
    let mut problems = Vec::new();
    let mut octets = 0;
    let mut names = std::collections::BTreeSet::new();
    for (folder, is_music) in [(prompts, false), (music, true)] {
        names.clear();
        for path in audio_files(folder, &mut problems) {
            let Some((name, extension)) = name_of(&path) else {
                continue;
            };
            if !names.insert(name.to_owned()) {
                problems.push(LibraryProblem::Twice { name: name.to_owned(), path });
                continue;
            }
            match decode(&path, extension) {
                Ok(pcm) if octets + pcm.octets() > MOST_OCTETS => {
                    problems.push(LibraryProblem::TooMuch { path });
                    continue;
                }
                Ok(pcm) => {
                    octets += pcm.octets();
                    if is_music { library.insert_music(name, pcm) } else { library.insert_file(name, pcm) }
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    (library, problems)
}

/// One that is too large is not even read.
fn decode(path: &Path, extension: &str) -> Result<Pcm, LibraryProblem> {
    let unreadable = |source| LibraryProblem::Unreadable { path: path.to_owned(), source };
    let unplayable = |source| LibraryProblem::Unplayable { path: path.to_owned(), source };
    let size = usize::try_from(fs::metadata(path).map_err(unreadable)?.len()).unwrap_or(usize::MAX);
    if size > prompts::MAX_BYTES {
        return Err(unplayable(PromptError::TooLarge(size)));
    }
    prompts::decode(fs::read(path).map_err(unreadable)?, extension).map_err(unplayable)
}

fn audio_files(folder: &Path, problems: &mut Vec<LibraryProblem>) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(source) => {
            problems.push(LibraryProblem::Unreadable { path: folder.to_owned(), source });
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && name_of(path).is_some())
        .collect();
    paths.sort();
    paths
}

/// Name and extension of an audio file.
fn name_of(path: &Path) -> Option<(&str, &str)> {
    let extension = path.extension().and_then(OsStr::to_str)?;
    let known = ["wav", "mp3", "flac", "ogg", "oga", "opus"];
    let name = path.file_stem().and_then(OsStr::to_str).filter(|name| !name.starts_with('.'))?;
    known.iter().any(|kind| extension.eq_ignore_ascii_case(kind)).then_some((name, extension))
}

#[cfg(test)]
mod tests {
    use media::api::Prompt;

    use super::*;

    #[test]
    fn a_folder_is_loaded_by_name_and_its_bad_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (prompts, music) = (folder.path().join("prompts"), folder.path().join("music"));
        fs::create_dir(&prompts).unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(prompts.join("welcome.wav"), spec).unwrap();
        (0..800).for_each(|sample| wav.write_sample(sample).unwrap());
        wav.finalize().unwrap();
        fs::write(prompts.join("broken.mp3"), b"not music").unwrap();
        fs::write(prompts.join("welcome.flac"), b"the name is taken").unwrap();
        fs::write(prompts.join("README.txt"), b"left alone").unwrap();

        let (library, problems) = load_library(&prompts, &music);
        // The first by name is `welcome.flac`, which takes the name but does not play.
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[0].contains("broken.mp3")
                && told[1].contains("welcome.flac")
                && told[2].contains("already another")
        );
        assert!(library.get(&Prompt::File("welcome".into())).is_none());
        fs::remove_file(prompts.join("welcome.flac")).unwrap();
        let (library, _) = load_library(&prompts, &music);
        assert_eq!(library.get(&Prompt::File("welcome".into())).unwrap().narrow.len(), 800);
    }
}
