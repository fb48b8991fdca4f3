//! `make bench`: what Tandem costs beside the least that the same work can cost, in the same run on the same machine.
//!
//! Wall times on a shared machine mean little, so everything is CPU time and is printed as a ratio. Loopback only, and over
//! within seven minutes. Names of parts as arguments run only those: `cargo run --release -p bench -- calls`; with `--soak` the
//! calls end with 100,000 more of them.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

mod browser;
mod calls;
mod conference;
mod forward;
mod journal;
mod load;
mod plans;
mod process;
mod register;
mod rig;
mod routing;
mod shards;
mod sound;
mod stream;
mod tandem;

use anyhow::Result;

/// What may be named as an argument.
type Part = (&'static str, fn() -> Result<()>);

fn main() -> Result<()> {
    println!("{:<52} {:>10} {:>10} {:>8}  limit", "", "floor", "tandem", "ratio");
    let parts: [Part; 11] = [
        ("forward", forward::run),
        ("register", register::run),
        ("calls", calls::run),
        ("conference", conference::run),
        ("music", sound::music),
        ("recording", sound::recording),
        ("browsers", sound::browsers),
        ("shards", shards::run),
        ("journal", journal::run),
        ("plans", plans::run),
        ("routing", routing::run),
    ];
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for (name, run) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            run()?;
        }
    }
    Ok(())
}

/// One line of the table.
fn row(what: &str, unit: &str, floor: f64, tandem: f64, limit: Option<f64>) {
    let limit = limit.map_or(String::new(), |limit| format!("{limit:.2}"));
    println!(
        "{:<52} {floor:>10.2} {tandem:>10.2} {:>8.2}  {limit}",
        format!("{what}, {unit}"),
        tandem / floor
    );
}

/// One line about a figure that has a limit and no floor.
fn beside_limit(what: &str, limit: f64, tandem: f64) {
    println!("{what:<52} {limit:>10.2} {tandem:>10.3} {:>8.2}  1.00", tandem / limit);
}
