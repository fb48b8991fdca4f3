//! Where recordings lie: the journal names them `recordings/NAME.wav`, wherever the configured folder is.

use std::path::{Component, Path, PathBuf};

/// What names in the journal begin with.
pub const PREFIX: &str = "recordings";

/// The file of a name from the journal; `None` for one that leads out of the folder.
pub fn file(folder: &Path, name: &Path) -> Option<PathBuf> {
    let inside = name.strip_prefix(PREFIX).ok()?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && inside.file_name().is_some()).then(|| folder.join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_lies_in_the_folder_and_nowhere_else() {
        let file = |name: &str| file(Path::new("/data/r"), Path::new(name));
        assert_eq!(file("recordings/a.wav"), Some(PathBuf::from("/data/r/a.wav")));
        for bad in [
            "recordings/../a.wav",
            "recordings",
            "recordings/",
            "/etc/passwd",
            "a.wav",
            "recordings//../../x",
        ] {
            assert_eq!(file(bad), None, "{bad}");
        }
    }
}
