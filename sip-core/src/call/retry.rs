//! An INVITE of ours once more, with what the refusal says that it lacked.

use std::collections::VecDeque;

use model::Now;

use super::outgoing::Cancel;
use super::{Call, Phase};
use crate::api::CallId;
use crate::message::{Builder, Message, Method, Name};
use crate::respond::MAX_FORWARDS;
use crate::stack::Stack;
use crate::way::{Draft, Step};

/// Who has never enough is not asked again.
const MAX_RETRIES: u32 = 3;

impl Stack {
    /// A 422 says which interval is long enough. RFC 4028 §7.3
    pub(crate) fn invite_with_longer_interval(&mut self, now: Now, id: CallId, refusal: &Message) -> bool {
        let policy = self.session_timers;
        let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.live_mut(id) else {
            return false;
        };
        if !outgoing.timer.raise(refusal) {
            return false;
        }
        let timer = outgoing.timer;
        self.invite_again(now, id, &[Name::SessionExpires, Name::MinSe], |invite| timer.ask(invite, policy))
    }

    /// Sends the INVITE of an unanswered call again as a request of its own in the same dialog to be: `without` some headers, and
    /// with what `adds` adds. False when the call is over or has been tried often enough.
    pub(crate) fn invite_again(
        &mut self,
        now: Now,
        id: CallId,
        without: &[Name],
        adds: impl FnOnce(Builder) -> Builder,
    ) -> bool {
        let Some(Call { invite, phase: Phase::Outgoing(outgoing), .. }) = self.calls.live_mut(id) else {
            return false;
        };
        if outgoing.retries >= MAX_RETRIES || outgoing.cancel != Cancel::No {
            return false;
        }
        let (before, hop) = (invite.clone(), outgoing.hop);
        let Some(uri) = before.request_uri() else { return false };
        let cseq = before.cseq().number + 1;
        let mut request = Builder::request(&Method::Invite, uri.raw());
        let mut last = None;
        for header in before.headers() {
            match header.id {
                // Made anew for every request.
                Name::Via
                | Name::CSeq
                | Name::MaxForwards
                | Name::UserAgent
                | Name::ContentType
                | Name::ContentLength => {}
                Name::Other => {
                    let (name, value) =
                        (String::from_utf8_lossy(header.name), String::from_utf8_lossy(header.value));
                    let Ok(extended) = request.clone().extension(&name, &value) else { continue };
                    request = extended;
                }
                // All lines of one name are copied together, and stand together in what we write.
                id if without.contains(&id) || last == Some(id) => {}
                id => {
                    request = request.copy(&before, id);
                    last = Some(id);
                }
            }
        }
        let content_type = before.text(Name::ContentType).unwrap_or_default();
        let request = adds(request.header(Name::CSeq, format!("{cseq} INVITE")))
            .body(&content_type, before.body().to_vec());
        if let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.live_mut(id) {
            outgoing.retries += 1;
        }
        let draft = Draft { method: Method::Invite, request, contact: None, forwards: MAX_FORWARDS };
        self.invite_located(now, id, draft, VecDeque::from([Step::to(hop)]));
        true
    }
}
