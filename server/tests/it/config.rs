use std::fs;
use std::path::Path;

use server::config::{self, Config, Database};

const SHIPPED: &str = include_str!("../../../config/tandem.toml");

#[test]
fn the_shipped_file_shows_every_key_with_its_default() {
    let file = Path::new("config/tandem.toml");
    let with_queue = "[[queue]]\nname = \"support\"\n";
    let defaults = config::parse(file, with_queue).expect("defaults");
    assert_eq!(config::parse(file, SHIPPED).expect("as shipped"), defaults);

    // With every default written out nothing changes.
    let written: String = SHIPPED.lines().map(|line| uncomment(line, "#") + "\n").collect();
    let mut written = config::parse(file, &written).expect("written out");
    assert!(written.sip.listeners.iter().all(|listener| listener.advertised.is_none()));
    normalise(&mut written);
    let mut defaults = defaults;
    normalise(&mut defaults);
    assert_eq!(written, defaults);

    // Keys without a default are shown by examples.
    let examples: String = SHIPPED.lines().map(|line| uncomment(line, "#example:") + "\n").collect();
    let examples = config::parse(file, &examples).expect("examples");
    assert_eq!(examples.trunks.len(), 1);
    assert!(examples.http.public_url.is_some());
}

#[test]
fn every_key_that_is_read_is_shown() {
    for section in include_str!("../../src/config/raw.rs").split("pub struct ").skip(1) {
        let (name, fields) = section.split_once('{').expect("a struct");
        let fields = fields.split_once("\n}").expect("its end").0;
        for key in fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next()) {
            let shown = SHIPPED.lines().any(|line| {
                let line = line.trim_start_matches("#example:").trim_start_matches('#');
                line.starts_with(&format!("{key} ="))
                    || line.starts_with(&format!("[{key}]"))
                    || line.starts_with(&format!("[[{key}]]"))
                    || line.starts_with(&format!("[[sip.{key}]]"))
                    || line.starts_with(&format!("[trunk.{key}]"))
                    || line.starts_with(&format!("[[queue.{key}]]"))
            });
            // `advertised` of a listener is told in words: by default there is none.
            assert!(shown, "{} {key} is not in config/tandem.toml", name.trim());
        }
    }
}

#[test]
fn mistakes_are_shown_with_their_place_and_a_hint() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config");
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("cases").map(|entry| entry.expect("a case").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() >= 5, "the cases are there");
    for path in files {
        let text = fs::read_to_string(&path).expect("a case");
        let name = path.file_name().expect("a name");
        let said = match config::parse(Path::new(name), &text) {
            Ok(config) => {
                let warnings = config.warnings.iter().map(|warning| format!("warning: {warning}\n"));
                warnings.chain(["no mistake\n".to_owned()]).collect()
            }
            Err(problems) => format!("{problems}\n"),
        };
        let golden = path.with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&golden, &said).expect("written");
        }
        let expected = fs::read_to_string(&golden).expect("what is expected stands beside the case");
        assert_eq!(said, expected, "{}", name.display());
    }
}

#[test]
fn paths_count_from_the_folder_of_the_file() {
    let config = config::parse(
        Path::new("/etc/tandem/tandem.toml"),
        "[server]\ndata = \"/var/lib/tandem\"\n[prompts]\nfolder = \"p\"",
    );
    let config = config.expect("good");
    assert_eq!(config.prompts.folder, Path::new("/etc/tandem/p"));
    assert_eq!(config.database, Database::Sqlite("/var/lib/tandem/tandem.db".into()));
    assert_eq!(config.recording.folder, Path::new("/var/lib/tandem/recordings"));
}

#[test]
fn the_demo_is_refused_while_something_listens_to_other_machines() {
    let text = "[http]\nlisten = \"0.0.0.0:8080\"\n";
    let mut config = config::parse(Path::new("tandem.toml"), text).expect("good");
    let refused = server::demo::prepare(&mut config).expect_err("public passwords");
    assert!(refused.to_string().contains("http 0.0.0.0:8080"), "{refused}");
}

fn uncomment(line: &str, mark: &str) -> String {
    match line.strip_prefix(mark) {
        Some(rest) if !rest.starts_with(' ') && !rest.starts_with("example:") => rest.to_owned(),
        _ => line.to_owned(),
    }
}

/// `a/../b` and `b` are the same path here.
fn normalise(config: &mut Config) {
    let paths = [
        &mut config.server.data,
        &mut config.recording.folder,
        &mut config.dialplans.folder,
        &mut config.prompts.folder,
        &mut config.prompts.music,
    ];
    for path in paths {
        *path = path.components().collect();
    }
    if let Database::Sqlite(file) = &mut config.database {
        *file = file.components().collect();
    }
}
