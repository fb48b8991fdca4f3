//! `invite call "{session.phone}"`: offers a chat to be gone on with by phone: the customer is rung on that number as soon as
//! an operator has the session (or at once when one has). Outcomes: `invited`; `refused` when the number cannot be called. A
//! caller is on the phone already, so on calls the verb does nothing.

use crate::api::{ChannelKind, Effect, Input};
use crate::check::Checker;
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::template::Template;
use crate::verb::{Event, Next, Shape, Waiting, Way};

const INVITED: &str = "invited";
const REFUSED: &str = "refused";

#[derive(Clone, Debug)]
pub(crate) struct Invite {
    number: Template,
}

impl Invite {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Invite> {
        cursor.bump();
        cursor.expect_word("call")?;
        cursor
            .template("the number between quotes, such as \"{session.phone}\"")
            .map(|number| Invite { number })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        checker.template(&self.number);
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        match channel {
            ChannelKind::Voice => Shape::PLAIN,
            ChannelKind::Text => {
                let outcomes = [INVITED, REFUSED].map(|to| Way { to, waits: false });
                Shape { outcomes: outcomes.into(), ..Shape::default() }
            }
        }
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        if turn.channel() == ChannelKind::Voice {
            turn.trace("skipped");
            return Next::Continue;
        }
        let number = self.number.render(&turn.scope());
        if number.trim().is_empty() {
            return Next::Outcome(REFUSED);
        }
        turn.put(Effect::InviteCall { number });
        Next::Wait(Waiting::Outside)
    }

    pub fn on_event(&self, waiting: Waiting, event: Event) -> Next<'static> {
        match event {
            Event::Input(Input::Invited { accepted: true }) => Next::Outcome(INVITED),
            Event::Input(Input::Invited { accepted: false }) => Next::Outcome(REFUSED),
            Event::Input(_) | Event::Timeout => Next::Wait(waiting),
        }
    }
}
