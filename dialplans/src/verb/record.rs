//! `record start`, `record stop`, `record pause`, `record resume`: the recording of the session's call.
//!
//! Without the verb the configuration decides whether calls are recorded, from when an operator is there. `start` records from now on,
//! the flow's own part too (and answers the call for it); `stop` keeps this session from being recorded at all, such as for want of
//! consent. Between `pause` and `resume` there is silence in the file, such as while the customer keys in the number of his card; a
//! pause goes on until somebody resumes it, also when an operator takes the call. In a chat the verb does nothing.

use crate::api::{ChannelKind, Effect, RecordingAct};
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::verb::{Next, Waiting};

const ACTS: [(&str, RecordingAct); 4] = [
    ("start", RecordingAct::Start),
    ("stop", RecordingAct::Stop),
    ("pause", RecordingAct::Pause),
    ("resume", RecordingAct::Resume),
];

#[derive(Clone, Debug)]
pub(crate) struct Record {
    act: RecordingAct,
    word: &'static str,
}

impl Record {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Record> {
        cursor.bump();
        let found = ACTS.iter().find(|(word, _)| cursor.at_word(word) && !cursor.starts_line());
        let Some((word, act)) = found else {
            return Err(cursor.expected("`start`, `stop`, `pause` or `resume`"));
        };
        cursor.bump();
        Ok(Record { act: *act, word })
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        if turn.channel() == ChannelKind::Text {
            return Next::Continue;
        }
        if self.act == RecordingAct::Start && turn.must_answer() {
            return Next::Wait(Waiting::Answered);
        }
        turn.put(Effect::Record(self.act));
        turn.trace(self.word);
        Next::Continue
    }
}
