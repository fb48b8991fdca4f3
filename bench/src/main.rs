//! `make bench`: what Tandem costs beside the least that the same work can cost, in the same run on the same machine.
//!
//! Wall times on a shared machine mean little, so everything is CPU time and is printed as a ratio. Loopback only, and over
//! within a minute and a half.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

mod calls;
mod cpu;
mod forward;

use anyhow::Result;

fn main() -> Result<()> {
    println!("{:<52} {:>10} {:>10} {:>8}  limit", "", "floor", "tandem", "ratio");
    forward::run()?;
    calls::run()
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
