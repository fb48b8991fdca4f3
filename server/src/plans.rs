//! The dialplans in force: loaded from their folder, checked against the names that exist, swapped as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acd::api::QueueConfig;
use dialplans::api::{Source, World};
use dialplans::{Diagnostic, Plan, TestReport};
use model::Timestamp;

use crate::clock;
use crate::config::Config;
use crate::outside;

#[derive(Debug)]
pub struct Plans {
    folder: PathBuf,
    current: Mutex<Option<Loaded>>,
    turning: tokio::sync::Mutex<()>,
}

/// A plan with the files that it was made of.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub plan: Arc<Plan>,
    pub sources: Arc<[Source]>,
    pub at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    #[error("the dialplans in {folder} cannot be read: {source}")]
    Io { folder: PathBuf, source: io::Error },
    #[error("the dialplans have mistakes")]
    Wrong { diagnostics: Vec<Diagnostic>, sources: Vec<Source> },
    #[error("tests of the dialplans fail")]
    TestsFail { report: Box<TestReport>, sources: Vec<Source> },
}

impl Plans {
    pub fn new(config: &Config) -> Self {
        Self {
            folder: config.dialplans.folder.clone(),
            current: Mutex::new(None),
            turning: tokio::sync::Mutex::default(),
        }
    }

    /// Held by whoever turns a switch, so that no two forget each other's.
    pub async fn turning(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turning.lock().await
    }

    pub fn current(&self) -> Option<Loaded> {
        self.lock().clone()
    }

    /// Reads and checks the folder, and runs the tests that the plans carry. What was in force stays on any error.
    pub fn reload(&self, world: &World) -> Result<Loaded, PlansError> {
        let sources = read_folder(&self.folder)
            .map_err(|source| PlansError::Io { folder: self.folder.clone(), source })?;
        let plan = match dialplans::compile(&sources, world) {
            Ok(plan) => Arc::new(plan),
            Err(diagnostics) => return Err(PlansError::Wrong { diagnostics, sources }),
        };
        let report = dialplans::run_tests(&plan);
        if report.results.iter().any(|result| result.failure.is_some()) {
            return Err(PlansError::TestsFail { report: Box::new(report), sources });
        }
        let loaded = Loaded { plan, sources: sources.into(), at: clock::wall() };
        *self.lock() = Some(loaded.clone());
        Ok(loaded)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PlansError {
    /// With snippets, for a terminal or a log.
    pub fn render(&self, colour: bool) -> String {
        match self {
            PlansError::Io { .. } => format!("{self}\n"),
            PlansError::Wrong { diagnostics, sources } => dialplans::render(diagnostics, sources, colour),
            PlansError::TestsFail { report, sources } => {
                let failures: Vec<Diagnostic> =
                    report.results.iter().filter_map(|result| result.failure.clone()).collect();
                dialplans::render(&failures, sources, colour)
            }
        }
    }
}

/// Files that one set of dialplans is made of.
const MOST_FILES: usize = 500;

/// The `*.plan` files of a folder, in the order of their names, and those that they include.
pub fn read_folder(folder: &Path) -> io::Result<Vec<Source>> {
    let sources: io::Result<Vec<Source>> = files_of(&[folder.to_owned()])?
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Ok(Source { name, text: fs::read_to_string(&path)? })
        })
        .collect();
    let mut sources = sources?;
    read_included(folder, "", &mut sources);
    Ok(sources)
}

/// Files as they are, and of folders the `*.plan` files in the order of their names.
pub fn files_of(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "plan") {
                found.push(path);
            }
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// Adds what the sources include, and what those include, from below `folder`; `prefix` stands before the names. What is not
/// there is left to the checker to tell.
pub fn read_included(folder: &Path, prefix: &str, sources: &mut Vec<Source>) {
    let named = |name: &str| match prefix {
        "" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    };
    let mut at = 0;
    while at < sources.len() && sources.len() < MOST_FILES {
        for name in dialplans::included(&sources[at].text) {
            let plain = Path::new(&name).components().all(|part| matches!(part, Component::Normal(_)));
            let full = named(&name);
            if !plain || sources.iter().any(|source| source.name == full || source.name == name) {
                continue;
            }
            if let Ok(text) = fs::read_to_string(folder.join(&name)) {
                sources.push(Source { name: full, text });
            }
        }
        at += 1;
    }
}

/// The names that exist outside dialplans.
pub fn world(config: &Config, queues: &[QueueConfig], operators: impl IntoIterator<Item = String>) -> World {
    World {
        secrets: outside::secrets_in(&config.outside.secrets).into_iter().collect(),
        queues: queues.iter().map(|queue| queue.name.to_string()).collect(),
        prompts: file_stems(&config.prompts.folder),
        music: file_stems(&config.prompts.music),
        trunks: Some(trunk_names(config)),
        operators: operators.into_iter().collect(),
        context: ["page", "locale", "diverted_from", "diversion_reason"].map(str::to_owned).into(),
    }
}

/// Of trunks and of their groups.
fn trunk_names(config: &Config) -> BTreeSet<String> {
    let groups = config.trunks.iter().filter_map(|trunk| trunk.place.group.clone());
    config.trunks.iter().map(|trunk| trunk.name.clone()).chain(groups).collect()
}

fn file_stems(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let playable =
                path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
                    matches!(extension.to_ascii_lowercase().as_str(), "wav" | "mp3" | "flac" | "ogg" | "oga")
                });
            if playable { Some(path.file_stem()?.to_str()?.to_owned()) } else { None }
        })
        .collect()
}
