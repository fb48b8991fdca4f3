//! `voicemail "Please leave a message after the tone" { voice file "leave-a-message" }`: lets the customer leave a message.
//!
//! Callers hear the prompts and are recorded until they press a key or hang up, for 2m at most (`longest 1m` says otherwise);
//! the recording is the session's, so it is found and played where all recordings are. In a chat the customer is asked to
//! write, and what he writes within 10 minutes is the message. The session gets the context value `voicemail` = `left`.
//! Outcomes: `left`, `none` (a chat in which nothing was written); without handlers the next statement follows.

use std::time::Duration;

use model::Instant;

use crate::api::{ChannelKind, Effect, Input, RecordingAct};
use crate::check::Checker;
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::verb::wording::Wording;
use crate::verb::{Event, Next, Shape, Waiting, Way};

/// The context key.
pub(super) const VOICEMAIL: &str = "voicemail";
const LEFT: &str = "left";
const NONE: &str = "none";
const LONGEST: Duration = Duration::from_secs(120);
const TEXT_TIMEOUT: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub(crate) struct Voicemail {
    wording: Wording,
    longest: Duration,
}

/// How far the message is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Leaving {
    /// The prompts are still being played.
    Told,
    /// He speaks or writes, at most until then.
    Until(Instant),
}

impl Leaving {
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Leaving::Told => None,
            Leaving::Until(at) => Some(*at),
        }
    }
}

impl Voicemail {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Voicemail> {
        cursor.bump();
        let text = cursor.template("what is said before the message, between quotes")?;
        let longest = match cursor.eat_word("longest") {
            Some(_) => cursor.duration()?.value,
            None => LONGEST,
        };
        let wording = Wording::parse_block(cursor, text)?;
        Ok(Voicemail { wording, longest })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        self.wording.check(checker, false);
        self.wording.check_not_skipped(checker, "a mailbox");
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        let outcomes = match channel {
            ChannelKind::Voice => vec![LEFT],
            ChannelKind::Text => vec![LEFT, NONE],
        };
        Shape {
            outcomes: outcomes.into_iter().map(|to| Way { to, waits: true }).collect(),
            ..Shape::default()
        }
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        let voice = turn.channel() == ChannelKind::Voice;
        if voice && turn.must_answer() {
            return Next::Wait(Waiting::Answered);
        }
        let (text, prompts) = self.wording.said(turn).unwrap_or_default();
        turn.take_keys();
        if !voice {
            turn.put(Effect::Ask { text, prompts, buttons: Vec::new() });
            return Next::Wait(Waiting::Leaving(Leaving::Until(turn.now.instant + TEXT_TIMEOUT)));
        }
        if prompts.is_empty() {
            return self.record(turn);
        }
        turn.put(Effect::Say { text, prompts });
        Next::Wait(Waiting::Leaving(Leaving::Told))
    }

    pub fn on_event(&self, leaving: Leaving, event: Event, turn: &mut Turn<'_>) -> Next<'static> {
        match (leaving, event, turn.channel()) {
            (Leaving::Told, Event::Input(Input::PlayingEnded), _) => self.record(turn),
            (Leaving::Told, Event::Input(Input::Key(_)), _) => {
                turn.put(Effect::StopPlaying);
                self.record(turn)
            }
            (Leaving::Until(_), Event::Input(Input::Key(_)) | Event::Timeout, ChannelKind::Voice) => {
                turn.put(Effect::Record(RecordingAct::Stop));
                turn.set(VOICEMAIL, LEFT.to_owned());
                Next::Outcome(LEFT)
            }
            (Leaving::Until(_), Event::Input(Input::Text(_)), ChannelKind::Text) => {
                turn.set(VOICEMAIL, LEFT.to_owned());
                Next::Outcome(LEFT)
            }
            (Leaving::Until(_), Event::Timeout, ChannelKind::Text) => Next::Outcome(NONE),
            (leaving, Event::Input(_) | Event::Timeout, _) => Next::Wait(Waiting::Leaving(leaving)),
        }
    }

    fn record(&self, turn: &mut Turn<'_>) -> Next<'static> {
        turn.put(Effect::Record(RecordingAct::Start));
        Next::Wait(Waiting::Leaving(Leaving::Until(turn.now.instant + self.longest)))
    }
}
