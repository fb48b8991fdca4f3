//! What the visitors of the web chat do.

use std::time::Duration;

use model::VisitorId;
use rand::RngExt;
use session::api::{VisitorCommand, VisitorEvent};

use super::people::{Visitor, VisitorAct};
use super::{Event, World};

impl World {
    pub(crate) fn new_visitor(&mut self, at: model::Instant, n: usize, callers: usize) {
        let id = VisitorId::new(self.now.wall, self.random.random());
        // Every other one is also one of those who call.
        let phone = (callers > 0 && n.is_multiple_of(2)).then(|| format!("+7900{:07}", n % callers));
        self.visitors.insert(id, Visitor { phone: phone.clone(), messages: 0 });
        self.schedule(at, Event::Visitor(id, VisitorAct::Hello));
        let mut at = at;
        for n in 0..self.random.random_range(1..6) {
            at += Duration::from_millis(self.random.random_range(1..15_000));
            let repeats = self.random.random_range(1..4);
            self.schedule(at, Event::Visitor(id, VisitorAct::Write { n, repeats }));
        }
        if let Some(phone) = phone.filter(|_| n.is_multiple_of(5)) {
            let later = at + Duration::from_millis(self.random.random_range(1..30_000));
            self.schedule(later, Event::Visitor(id, VisitorAct::CallMe { phone }));
        }
        if n.is_multiple_of(3) {
            let later = at + Duration::from_millis(self.random.random_range(1..60_000));
            self.schedule(later, Event::Visitor(id, VisitorAct::Close));
        }
    }

    pub(crate) fn visitor_acts(&mut self, id: VisitorId, act: VisitorAct) {
        match act {
            VisitorAct::Hello => self.visitor_says_hello(id),
            VisitorAct::Write { n, repeats } => {
                if let Some(visitor) = self.visitors.get_mut(&id) {
                    visitor.messages = visitor.messages.max(n + 1);
                }
                for _ in 0..repeats {
                    let send = VisitorCommand::Send {
                        external_id: format!("{id}-{n}"),
                        text: if n == 0 { "sales".to_owned() } else { format!("message {n}") },
                        account: "main".to_owned(),
                    };
                    self.visitor_says(id, send);
                }
            }
            VisitorAct::Close => {
                self.visitor_says(id, VisitorCommand::Close);
            }
            VisitorAct::CallMe { phone } => {
                self.visitor_says(id, VisitorCommand::CallMe { phone });
            }
        }
    }

    pub(crate) fn visitor_is_told(&mut self, id: VisitorId, event: VisitorEvent) {
        // A real widget says what it has got.
        if let VisitorEvent::Message { seq, .. } = event
            && self.visitors.contains_key(&id)
        {
            let request = self.request();
            let command = VisitorCommand::Delivered { up_to: seq };
            self.engine.handle(self.now, session::api::Input::Visitor { request, visitor: id, command });
        }
    }
}
