//! `queue`: waits for an operator.
//!
//! ```text
//! queue support priority 5 skills "tech >= 3", "ru" {
//!   voice music "hold"
//!   every 30s say "You are number {queue.position}" { voice file "please-wait" }
//!   offer callback after 1m key 1 say "Press 1 and we call you back" { voice file "callback" }
//!   after 5m -> patient
//!   after 10m overflow
//! }
//! on overflow -> …
//! on callback -> …
//! ```
//!
//! An operator who takes it ends the flow. Outcomes: `full` when the queue does not take the session; `overflow` after the
//! time that `after … overflow` says, or when the queue's own rules put it out; either's handler serves both when there is no other.
//! `after … -> state` leaves the queue. Who is wanted is in `asks.rs`, a
//! callback in `offer.rs`.

use std::time::Duration;

use model::{Instant, QueueName};

use crate::api::{ChannelKind, Effect, Input};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Target;
use crate::verb::asks::Wants;
use crate::verb::offer::{CALLBACK, Offer};
use crate::verb::wording::Wording;
use crate::verb::{Event, Next, Shape, Waiting, Way};

pub(super) const FULL: &str = "full";
pub(super) const OVERFLOW: &str = "overflow";
const MAX_PRIORITY: i32 = 100;

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    name: At<String>,
    priority: i32,
    music: Option<At<String>>,
    wants: Wants,
    every: Vec<(Duration, Wording)>,
    after: Vec<(Duration, After)>,
    offer: Option<Offer>,
}

#[derive(Clone, Debug)]
enum After {
    Goto(Target),
    Overflow,
}

/// A place in the queue.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Queued {
    since: Instant,
    /// When each `every` speaks next.
    announcements: Vec<Instant>,
    /// When the first `after` strikes.
    leave: Option<Instant>,
    /// When a callback is offered, until it is.
    offer: Option<Instant>,
    offered: bool,
}

impl Queued {
    pub fn deadline(&self) -> Option<Instant> {
        self.announcements.iter().copied().chain(self.leave).chain(self.offer).min()
    }

    /// Keys and words ask for something.
    pub fn offers(&self) -> bool {
        self.offered
    }
}

impl Queue {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Queue> {
        cursor.bump();
        let name = cursor.name("the name of a queue")?;
        let mut queue = Queue {
            name,
            priority: 0,
            music: None,
            wants: Wants::default(),
            every: Vec::new(),
            after: Vec::new(),
            offer: None,
        };
        loop {
            if cursor.eat_word("priority").is_some() {
                let priority = cursor.integer("a number from -100 to 100")?;
                if priority.value.abs() > MAX_PRIORITY {
                    let message = "a priority must be from -100 to 100";
                    cursor.problems.push(Problem::error(Code::BadNumber, priority.span, message));
                }
                queue.priority = priority.value;
            } else if !queue.wants.parse_head(cursor)? {
                break;
            }
        }
        if cursor.kind() == Kind::OpenBrace {
            cursor.verb_block(|c| queue.parse_line(c))?;
        }
        Ok(queue)
    }

    fn parse_line(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        if cursor.eat_word("every").is_some() {
            let period = cursor.duration()?.value;
            cursor.expect_word("say")?;
            self.every.push((period, Wording::parse(cursor, "what to say between quotes")?));
        } else if cursor.eat_word("after").is_some() {
            let time = cursor.duration()?.value;
            if cursor.eat_word("widen").is_some() {
                return self.wants.parse_widen(cursor, time);
            }
            let what = if cursor.eat_word("overflow").is_some() {
                After::Overflow
            } else if let Some(problem) = crate::verb::argument_hint(cursor) {
                return Err(cursor.fail(problem));
            } else if cursor.kind() == Kind::Arrow {
                After::Goto(cursor.target()?)
            } else {
                return Err(cursor.expected("`-> state`, `overflow` or `widen skills`"));
            };
            self.after.push((time, what));
        } else if let Some(span) = cursor.eat_word("offer") {
            if self.offer.replace(Offer::parse(cursor)?).is_some() {
                let message = "a callback is offered twice";
                cursor.problems.push(Problem::error(Code::DuplicateName, span, message));
            }
        } else if cursor.at_word("voice") && cursor.slice_after(1) == "music" {
            let span = cursor.bump().to(cursor.bump());
            let music = cursor.text("the name of the music between quotes")?;
            if self.music.replace(music).is_some() {
                let message = "the music is chosen twice";
                cursor.problems.push(Problem::error(Code::DuplicateName, span, message));
            }
        } else if cursor.eat_word("first").is_some() {
            self.wants.parse_first(cursor)?;
        } else {
            return Err(cursor.expected(
                "`every … say`, `after …`, `offer callback`, `first … agent`, `voice music` or `}`",
            ));
        }
        Ok(())
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        checker.queue(&self.name);
        self.wants.check(checker);
        self.music.iter().for_each(|music| checker.music(music));
        self.every.iter().for_each(|(_, wording)| wording.check(checker, true));
        self.offer.iter().for_each(|offer| offer.check(checker));
        let leaves = self.after.iter().map(|(time, after)| match after {
            After::Goto(target) => (format!("{time:?}"), target.span),
            After::Overflow => (format!("{time:?}"), self.name.span),
        });
        checker.unique("time", leaves);
    }

    pub fn shape(&self) -> Shape<'_> {
        let jumps = self.targets().into_iter().map(|to| Way { to, waits: true }).collect();
        // A full queue answers at once.
        let mut outcomes = vec![Way { to: FULL, waits: false }];
        if self.after.iter().any(|(_, after)| matches!(after, After::Overflow)) {
            outcomes.push(Way { to: OVERFLOW, waits: true });
        }
        if self.offer.is_some() {
            outcomes.push(Way { to: CALLBACK, waits: true });
        }
        Shape { jumps, outcomes, goes_on: false }
    }

    pub fn targets(&self) -> Vec<&Target> {
        self.after
            .iter()
            .filter_map(|(_, after)| match after {
                After::Goto(target) => Some(target),
                After::Overflow => None,
            })
            .collect()
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        if turn.channel() == ChannelKind::Voice && turn.must_answer() {
            return Next::Wait(Waiting::Answered);
        }
        turn.take_keys();
        let now = turn.now.instant;
        turn.put(Effect::Queue {
            queue: QueueName::new(&self.name.value),
            priority: self.priority,
            music: self.music.as_ref().map(|m| m.value.clone()),
            asks: Box::new(self.wants.asks.clone()),
        });
        turn.trace(&self.name.value);
        Next::Wait(Waiting::Queued(self.place(now, now)))
    }

    /// Waits on in a place that was taken at `since` and survived the run that took it.
    pub fn resume(&self, queue: &QueueName, since: Instant, now: Instant) -> Option<Waiting> {
        (*self.name.value == *queue.0).then(|| Waiting::Queued(self.place(since, now)))
    }

    fn place(&self, since: Instant, now: Instant) -> Queued {
        Queued {
            since,
            announcements: self.every.iter().map(|(period, _)| now + *period).collect(),
            leave: self.after.iter().map(|(time, _)| since + *time).min(),
            offer: self.offer.as_ref().map(|offer| offer.due(since)),
            offered: false,
        }
    }

    pub fn on_event<'p>(&'p self, mut queued: Queued, event: Event, turn: &mut Turn<'_>) -> Next<'p> {
        match event {
            Event::Input(Input::QueueAnswered) => {
                turn.trace("answered");
                Next::Over
            }
            Event::Input(Input::QueueFull) => Next::Outcome(FULL),
            Event::Input(Input::QueueOverflow) => {
                turn.put(Effect::LeaveQueue);
                Next::Outcome(OVERFLOW)
            }
            Event::Input(Input::Callback { promised: true }) => Next::Outcome(CALLBACK),
            Event::Input(input) => {
                let offer = self.offer.as_ref().filter(|_| queued.offered);
                if offer.is_some_and(|offer| offer.is_asked_for(&input)) {
                    turn.put(Effect::Callback);
                } else if input == (Input::Callback { promised: false }) {
                    turn.trace("no callback");
                }
                Next::Wait(Waiting::Queued(queued))
            }
            Event::Timeout => {
                let now = turn.now.instant;
                let due = self
                    .after
                    .iter()
                    .filter(|(time, _)| queued.since + *time <= now)
                    .min_by_key(|(time, _)| *time);
                if let Some((_, after)) = due {
                    turn.put(Effect::LeaveQueue);
                    return match after {
                        After::Goto(target) => {
                            turn.trace("waited long enough");
                            Next::Goto(&target.value)
                        }
                        After::Overflow => Next::Outcome(OVERFLOW),
                    };
                }
                if let Some(offer) = self.offer.as_ref().filter(|_| queued.offer.is_some_and(|at| at <= now))
                {
                    offer.put(turn);
                    (queued.offer, queued.offered) = (None, true);
                }
                for ((period, wording), next) in self.every.iter().zip(&mut queued.announcements) {
                    if *next <= now {
                        if let Some((text, prompts)) = wording.said(turn) {
                            turn.put(Effect::Announce { text, prompts });
                        }
                        // From now on: what was missed by a late wake-up is not said twice.
                        *next = now + *period;
                    }
                }
                Next::Wait(Waiting::Queued(queued))
            }
        }
    }
}
