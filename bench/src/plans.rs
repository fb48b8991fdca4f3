//! How long a long dialplan takes from text to a plan that can be run, and how that grows.

use std::fmt::Write;
use std::time::Instant;

use anyhow::{Result, bail};
use dialplans::api::{Source, World};

use crate::beside_limit;

const LIMIT_MS: f64 = 100.0;
const RUNS: usize = 7;

pub fn run() -> Result<()> {
    let once = best(&plan(1_700))?;
    let twice = best(&plan(3_400))?;
    beside_limit("10,000 lines of dialplan checked, ms", LIMIT_MS, once);
    // What a plan costs grows as its text does.
    beside_limit("20,000 lines beside 10,000, times", 3.0, twice / once);
    Ok(())
}

/// Milliseconds of the fastest of some runs.
fn best(sources: &[Source]) -> Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let begin = Instant::now();
        if let Err(mistakes) = dialplans::compile(sources, &World::default()) {
            bail!("{} mistakes, the first: {:?}", mistakes.len(), mistakes.first().map(ToString::to_string));
        }
        best = best.min(begin.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(best)
}

/// Flows of fifty states; a state has six lines.
fn plan(states: usize) -> Vec<Source> {
    let mut text = String::new();
    for at in 0..states {
        if at % 50 == 0 {
            let close = if at == 0 { "" } else { "}\n" };
            let _ = writeln!(text, "{close}flow f{at} {{\n  entry chat \"c{at}\"");
        }
        let next = if at % 50 == 49 || at + 1 == states { at - at % 50 } else { at + 1 };
        let _ = writeln!(
            text,
            "  state s{at} {{\n    say \"Hello, {{customer.name or 'you'}}: {{session.k{at}}}\"\n    \
             ask q{at} \"Which?\" {{ a }} on a -> s{next}\n    set k{at} = customer.name + \"x\"\n    \
             when session.k{at} == \"x\" && queue.position > 1 -> s{next}\n    -> s{next}\n  }}"
        );
    }
    text.push('}');
    vec![Source::new("long.plan", text)]
}
