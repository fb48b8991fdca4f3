//! The dialplans in force: loaded from their folder, checked against the names that exist, swapped as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acd::api::QueueConfig;
use dialplans::api::{Source, World};
use dialplans::{Diagnostic, Plan, TestReport};
use model::Timestamp;

use crate::clock;
use crate::config::Config;

#[derive(Debug)]
pub struct Plans {
    folder: PathBuf,
    current: Mutex<Option<Loaded>>,
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
        Self { folder: config.dialplans.folder.clone(), current: Mutex::new(None) }
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

/// The `*.plan` files of a folder, in the order of their names.
pub fn read_folder(folder: &Path) -> io::Result<Vec<Source>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "plan") {
            files.push(path);
        }
    }
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Ok(Source { name, text: fs::read_to_string(&path)? })
        })
        .collect()
}

/// The names that exist outside dialplans.
pub fn world(config: &Config, queues: &[QueueConfig], operators: impl IntoIterator<Item = String>) -> World {
    World {
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
