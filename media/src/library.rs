use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::Prompt;

/// Mono 16-bit PCM of one prompt or piece of music at both rates in which it is played: G.711 legs take `narrow`,
/// Opus legs `wide`. Both hold the same time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pcm {
    /// 8,000 samples a second.
    pub narrow: Vec<i16>,
    /// 16,000 samples a second.
    pub wide: Vec<i16>,
}

impl Pcm {
    /// Memory that it takes.
    pub fn octets(&self) -> usize {
        2 * (self.narrow.len() + self.wide.len())
    }
}

/// Everything that can be played by name. The shell decodes it once (`prompts`) and shares it between media threads;
/// a reload makes a new library for [`crate::core::Core::set_library`], running playbacks finish from the old one.
#[derive(Clone, Debug, Default)]
pub struct Library {
    files: BTreeMap<Arc<str>, Arc<Pcm>>,
    music: BTreeMap<Arc<str>, Arc<Pcm>>,
}

impl Library {
    /// A prompt under its file name without extension; replaces one of the same name.
    pub fn insert_file(&mut self, name: &str, pcm: Pcm) {
        self.files.insert(name.into(), Arc::new(pcm));
    }

    /// Music on hold under its file name without extension; replaces one of the same name.
    pub fn insert_music(&mut self, name: &str, pcm: Pcm) {
        self.music.insert(name.into(), Arc::new(pcm));
    }

    /// The samples of a `File` or `Music`, `None` for an unknown name and for what is not a recording.
    pub fn get(&self, prompt: &Prompt) -> Option<&Arc<Pcm>> {
        match prompt {
            Prompt::File(name) => self.files.get(name),
            Prompt::Music(name) => self.music.get(name),
            Prompt::Ringback | Prompt::Silence(_) => None,
        }
    }

    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(|name| &**name)
    }

    pub fn music_names(&self) -> impl Iterator<Item = &str> {
        self.music.keys().map(|name| &**name)
    }
}
