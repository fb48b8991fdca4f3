//! The rules of the repository that the compiler does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates that do no input or output, and which of our crates each may know.
const PURE: [(&str, &[&str]); 7] = [
    ("model", &[]),
    ("sip-core", &["model"]),
    ("media", &["model"]),
    ("acd", &["model"]),
    ("digital-channels", &["model"]),
    ("dialplans", &["model"]),
    ("session", &["model", "sip-core", "media", "acd", "digital-channels", "dialplans"]),
];

/// Runtimes and sockets, which no pure crate may get by way of another crate either.
const WORLDLY_CRATES: [&str; 8] =
    ["tokio", "mio", "async-std", "smol", "hyper", "reqwest", "sqlx", "socket2"];

/// What a pure crate does not name, and what it is.
const WORLDLY_NAMES: [(&str, &str); 27] = [
    ("tokio", "a runtime"),
    ("async fn", "a runtime"),
    ("UdpSocket", "a socket"),
    ("TcpStream", "a socket"),
    ("TcpListener", "a socket"),
    ("UnixStream", "a socket"),
    ("UnixDatagram", "a socket"),
    ("socket2", "a socket"),
    ("rustix", "the system"),
    ("libc::", "the system"),
    ("std::process", "the system"),
    ("std::env", "the system"),
    ("std::fs", "a file"),
    ("fs::read", "a file"),
    ("File::open", "a file"),
    ("File::create", "a file"),
    ("Instant::now", "a clock"),
    ("SystemTime::now", "a clock"),
    ("Utc::now", "a clock"),
    ("Local::now", "a clock"),
    ("rand::rng()", "unseeded randomness"),
    ("thread_rng", "unseeded randomness"),
    ("make_rng", "unseeded randomness"),
    ("SysRng", "unseeded randomness"),
    ("std::thread", "a thread"),
    ("Mutex", "a lock"),
    ("RwLock", "a lock"),
];

const LONGEST_FILE: usize = 800;

/// Files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];

/// Written in pieces, so that this file does not break its own rule.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("to", "do!("),
    concat!("unimplemented", "!("),
    concat!("db", "g!("),
];

#[test]
fn pure_crates_know_only_the_crates_below_them() {
    let metadata = metadata();
    let ours = ours(&metadata);
    for (name, allowed) in PURE {
        for dependency in ours[name].intersection(&ours.keys().cloned().collect()) {
            // A crate names itself where its own tests need one of its features.
            let known = dependency == name || allowed.contains(&dependency.as_str());
            assert!(known, "{name} must not know {dependency}");
        }
    }
}

#[test]
fn nothing_but_tests_and_benchmarks_knows_the_server() {
    let metadata = metadata();
    for (name, dependencies) in ours(&metadata) {
        if !["e2e", "bench"].contains(&name.as_str()) {
            for shell in ["server", "e2e", "bench"] {
                assert!(!dependencies.contains(shell), "{name} must not know {shell}");
            }
        }
    }
}

#[test]
fn no_runtime_and_no_socket_reaches_a_pure_crate_through_its_dependencies() {
    let metadata = metadata();
    let names: BTreeMap<&str, &str> =
        list(&metadata["packages"]).iter().map(|it| (text(&it["id"]), text(&it["name"]))).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (text(&node["id"]), node)).collect();
    for (pure, _) in PURE {
        let root = names.iter().find(|(_, name)| **name == pure).expect("it is a member").0;
        // The way by which each crate was reached, for the message.
        let mut ways = BTreeMap::from([(*root, pure.to_owned())]);
        let mut open = vec![*root];
        while let Some(id) = open.pop() {
            for dependency in list(&nodes[id]["deps"]).iter().filter(|it| is_linked(it)) {
                let next = text(&dependency["pkg"]);
                if !ways.contains_key(next) {
                    let way = format!("{} → {}", ways[id], names[next]);
                    assert!(!WORLDLY_CRATES.contains(&names[next]), "{way}");
                    ways.insert(next, way);
                    open.push(next);
                }
            }
        }
    }
}

#[test]
fn pure_crates_name_no_runtime_socket_file_clock_thread_lock_or_chance() {
    let mut found = Vec::new();
    for (name, _) in PURE {
        let folder = root().join(name).join("src");
        let files = files(&folder, &["rs"]);
        assert!(!files.is_empty(), "{name} has sources");
        let only_for_tests: BTreeSet<PathBuf> = files.iter().flat_map(|file| test_modules(file)).collect();
        for file in files.iter().filter(|file| !only_for_tests.iter().any(|test| file.starts_with(test))) {
            for (number, line) in shipped(&read(file)) {
                for (word, what) in WORLDLY_NAMES.iter().filter(|(word, _)| names(line, word)) {
                    found.push(format!("{}:{number}: {word} is {what}", shown(file)));
                }
            }
        }
    }
    assert!(found.is_empty(), "pure crates get the world as arguments:\n{}", found.join("\n"));
}

#[test]
fn no_file_is_too_long_to_have_one_subject() {
    let mut long = Vec::new();
    for file in sources() {
        let lines = read(&file).lines().count();
        let excepted = LONG_FILES.iter().any(|(name, _)| *name == shown(&file));
        if lines > LONGEST_FILE && !excepted {
            long.push(format!("{}: {lines} lines", shown(&file)));
        } else if lines <= LONGEST_FILE && excepted {
            long.push(format!("{}: is no longer an exception", shown(&file)));
        }
    }
    assert!(long.is_empty(), "more than {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    let mut found = Vec::new();
    for file in sources() {
        for (number, line) in read(&file).lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{}: {word}", shown(&file), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "finish it or refuse it:\n{}", found.join("\n"));
}

#[test]
fn every_member_takes_its_lints_from_the_workspace() {
    for name in ours(&metadata()).keys().map(|name| if name == "e2e" { "tests" } else { name }) {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name}/Cargo.toml");
    }
}

#[test]
fn the_search_itself_finds_what_it_is_for() {
    assert!(names("let now = Instant::now();", "Instant::now"));
    assert!(names("use tokio::net;", "tokio"));
    assert!(!names("let tokio_like = 1;", "tokio"));
    assert!(!names("struct MyMutexes;", "Mutex"));
    let source = "use std::fs; // read once\n/// std::fs\nlet a = 1;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
    let lines: Vec<_> = shipped(source);
    assert_eq!(lines, [(1, "use std::fs; "), (2, ""), (3, "let a = 1;")]);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above its members").to_owned()
}

fn metadata() -> Value {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        // Only what this platform links: the rest may not have been fetched.
        .args(["metadata", "--format-version", "1", "--filter-platform", &platform])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// Our crates, each with all that its manifest names, for tests and build scripts, too.
fn ours(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let members: Vec<&str> = list(&metadata["workspace_members"]).iter().map(text).collect();
    list(&metadata["packages"])
        .iter()
        .filter(|package| members.contains(&text(&package["id"])))
        .map(|package| {
            // The server's own tests start real peers, too.
            let of_tests = |it: &&Value| it["kind"] == "dev" && it["name"] == "e2e";
            let dependencies = list(&package["dependencies"]).iter().filter(|it| !of_tests(it));
            let names = dependencies.map(|it| text(&it["name"]).to_owned());
            (text(&package["name"]).to_owned(), names.collect())
        })
        .collect()
}

/// Not only for building or testing.
fn is_linked(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// All that somebody writes by hand.
fn sources() -> Vec<PathBuf> {
    files(&root(), &["rs", "ts", "tsx", "mjs", "css", "sh", "plan", "toml"])
}

fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            let made_by_programs = ["target", "node_modules", "dist", "data", "out"].contains(&name);
            if !made_by_programs && !name.starts_with('.') {
                found.extend(files(&path, extensions));
            }
        } else if path.extension().and_then(|it| it.to_str()).is_some_and(|it| extensions.contains(&it))
            // Types made from the server's OpenAPI.
            && !path.ends_with("console/src/api/schema.ts")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

/// The files (or folders) of the modules that a file declares for tests only.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "mod") | None => file.with_file_name(""),
        Some(_) => file.with_extension(""),
    };
    let source = read(file);
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';'))
        .flat_map(|name| [folder.join(format!("{name}.rs")), folder.join(name)])
        .collect()
}

/// The numbered lines before the tests of a file, without comments.
fn shipped(source: &str) -> Vec<(usize, &str)> {
    let tests = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let without_comment = |line: &'_ str| line.find("//").unwrap_or(line.len());
    let lines = source[..tests].lines().enumerate();
    lines.map(|(number, line)| (number + 1, &line[..without_comment(line)])).collect()
}

/// Whether the line names this, not something longer.
fn names(line: &str, word: &str) -> bool {
    let part_of_a_name = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let open_end = !word.ends_with(|it: char| it.is_alphanumeric());
        !part_of_a_name(before.chars().next_back()) && (open_end || !part_of_a_name(after.chars().next()))
    })
}
