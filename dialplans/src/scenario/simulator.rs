//! A flow that a person talks to: the same virtual world as that of the tests, one line at a time.

use std::sync::Arc;

use model::Timestamp;

use super::runner::Stage;
use super::{Act, Scenario, act};
use crate::api::{ChannelKind, Entry};
use crate::plan::Plan;
use crate::source::{At, Span};
use crate::syntax::cursor::Cursor;
use crate::syntax::lexer::Kind;

pub struct Simulator {
    stage: Stage,
    channel: ChannelKind,
    told: usize,
}

impl Simulator {
    /// Calls or writes to an entry; `None`: no flow serves it.
    pub fn new(plan: &Arc<Plan>, entry: &Entry, at: Timestamp) -> Option<Simulator> {
        let index = plan.entry(entry)?;
        let flow = plan.flow(index)?;
        let (channel, to) = match entry {
            Entry::Sip(number) => (ChannelKind::Voice, Some(number.clone())),
            Entry::Chat(_) => (ChannelKind::Text, None),
            Entry::After(_) => (ChannelKind::Voice, None),
        };
        let nowhere = Span::default();
        let visit = Scenario {
            name: At::new(String::new(), nowhere),
            channel: At::new(channel, nowhere),
            from: None,
            to: to.map(|to| At::new(to, nowhere)),
            at,
            with: Vec::new(),
            steps: Vec::new(),
        };
        let mut stage = Stage::new(plan, index, flow, &visit);
        // What goes wrong shows in the trace, too.
        let _ = stage.settle();
        Some(Simulator { stage, channel, told: 0 })
    }

    /// One step in the words of tests (`key 1`, `wait 30s`, `operator answers`). A caller may write the keys alone, and in a
    /// chat whatever is no step is what the customer writes.
    pub fn step(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        let keys = !line.is_empty() && line.chars().all(|c| matches!(c, '0'..='9' | '*' | '#'));
        let step = match self.channel {
            ChannelKind::Voice if keys => Act::Keys(line.to_owned()),
            ChannelKind::Voice | ChannelKind::Text => {
                let mut cursor = Cursor::new(0, line);
                let read = act(&mut cursor);
                let whole = cursor.kind() == Kind::End && cursor.problems.is_empty();
                match (read, self.channel) {
                    (Ok(step), _) if whole => step,
                    (_, ChannelKind::Text) => Act::Type(line.to_owned()),
                    (_, ChannelKind::Voice) => {
                        return Err(
                            "write keys such as 1, or a step such as `wait 30s`, `hang up`, `silence`"
                                .to_owned(),
                        );
                    }
                }
            }
        };
        self.stage.act(&step).and_then(|()| self.stage.settle())
    }

    /// What the flow did since the last time, one line for each thing.
    pub fn news(&mut self) -> Vec<String> {
        let news = self.stage.trace.get(self.told..).unwrap_or_default().to_vec();
        self.told = self.stage.trace.len();
        news
    }

    pub fn is_over(&self) -> bool {
        self.stage.run.is_over()
    }

    /// The state that the flow is in.
    pub fn state(&self) -> &str {
        self.stage.run.state()
    }
}
