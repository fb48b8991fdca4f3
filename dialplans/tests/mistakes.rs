//! Every mistake has its file: what an admin writes in `mistakes/*.plan`, what he is told in `mistakes/*.expected`. With
//! `UPDATE_EXPECTED=1` the latter are written anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dialplans::api::{Source, World};
use dialplans::{Code, Severity, compile, render};

fn world() -> World {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    World {
        queues: names(&["support", "sales"]),
        prompts: names(&["hello", "menu", "wait", "bye"]),
        music: names(&["hold"]),
        trunks: Some(names(&["mts", "backup"])),
        operators: names(&["anna"]),
        context: names(&["page"]),
        secrets: names(&["crm"]),
    }
}

fn plans() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let files = std::fs::read_dir(folder).expect("the folder of mistakes");
    let mut plans: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    plans.retain(|path| path.extension().is_some_and(|extension| extension == "plan"));
    plans.sort();
    plans
}

fn source(path: &PathBuf) -> Source {
    let name = path.file_name().expect("a name").to_string_lossy();
    Source::new(name, std::fs::read_to_string(path).expect("a text"))
}

#[test]
fn every_mistake_is_told_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for path in plans() {
        let sources = [source(&path)];
        let diagnostics = match compile(&sources, &world()) {
            Ok(plan) => plan.warnings().to_vec(),
            Err(diagnostics) => diagnostics,
        };
        assert!(!diagnostics.is_empty(), "{} has no mistake", path.display());
        let lines: Vec<_> = diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
        let told = format!("{}\n{}", lines.concat(), render(&diagnostics, &sources, false));
        let expected = path.with_extension("expected");
        if update {
            std::fs::write(&expected, &told).expect("written");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_is_a_file_for_every_kind_of_mistake() {
    let mut seen: BTreeSet<Code> = BTreeSet::new();
    for path in plans() {
        let sources = [source(&path)];
        let diagnostics = match compile(&sources, &world()) {
            Ok(plan) => plan.warnings().to_vec(),
            Err(diagnostics) => diagnostics,
        };
        seen.extend(diagnostics.iter().map(|diagnostic| diagnostic.code));
    }
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn places_are_exact_in_lines_and_characters() {
    let text = "flow f {\n  entry chat \"main\"\n  state с { say \"щ\" -> нет }\n}\n";
    let diagnostics = compile(&[Source::new("f.plan", text)], &world()).expect_err("a mistake");
    let [diagnostic] = &diagnostics[..] else { panic!("{diagnostics:?}") };
    let place = (diagnostic.line, diagnostic.column, diagnostic.end_line, diagnostic.end_column);
    assert_eq!((diagnostic.code, place), (Code::UnknownState, (3, 24, 3, 27)));
    assert_eq!(diagnostic.severity, Severity::Error);
    assert!(diagnostic.to_string().starts_with("f.plan:3:24: error[unknown-state]: there is no state `нет`"));
}

#[test]
fn warnings_do_not_stop_a_plan() {
    let text = "flow f { entry chat \"main\"\n state a { close }\n state b { close } }";
    let plan = compile(&[Source::new("f.plan", text)], &world()).expect("only a warning");
    let [warning] = plan.warnings() else { panic!("{:?}", plan.warnings()) };
    assert_eq!((warning.severity, warning.code), (Severity::Warning, Code::UnreachableState));
}

#[test]
fn mistakes_of_several_files_are_told_together() {
    let sources = [
        Source::new("a.plan", "flow a { entry chat \"main\" state s { -> x } }"),
        Source::new("b.plan", "flow b { entry chat \"main\" state s { close } }"),
    ];
    let diagnostics = compile(&sources, &world()).expect_err("two mistakes");
    let codes: Vec<_> = diagnostics.iter().map(|d| (d.source.as_str(), d.code)).collect();
    assert_eq!(codes, [("a.plan", Code::UnknownState), ("b.plan", Code::OverlappingEntries)]);
    assert_eq!(diagnostics[1].related.as_ref().map(|r| r.source.as_str()), Some("a.plan"));
}
