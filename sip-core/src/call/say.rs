//! Text and signals beside the sound: INFO (RFC 6086) and MESSAGE (RFC 3428), in and out of calls.

use model::Now;

use super::outgoing::Route;
use super::{Call, Phase};
use crate::api::{
    CallId, Event, Hop, InstantMessage, MessageId, Peer, Rejection, SayError, Target, Transport,
};
use crate::dialog::bracketed;
use crate::message::{Message, Method, Name, name_addr, sip_uri};
use crate::respond::MAX_FORWARDS;
use crate::respond::Refusal;
use crate::stack::Stack;
use crate::transaction::Owner;
use crate::way::Draft;

/// RFC 3428 §8: a whole MESSAGE on a path whose MTU nobody knows.
const LARGEST_DATAGRAM: usize = 1300;
/// Larger bodies are no messages of people.
const LARGEST_BODY: usize = 16 * 1024;

impl Stack {
    /// Sends INFO within an answered call: a digit as `application/dtmf-relay`, for one.
    ///
    /// # Errors
    /// When the call is not answered or over, or the body too large.
    pub fn send_info(
        &mut self,
        now: Now,
        call: CallId,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), SayError> {
        self.say_in(now, call, Method::Info, content_type, body)
    }

    /// Sends MESSAGE within an answered call.
    ///
    /// # Errors
    /// When the call is not answered or over, or the body too large.
    pub fn send_message_in(
        &mut self,
        now: Now,
        call: CallId,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), SayError> {
        self.say_in(now, call, Method::Message, content_type, body)
    }

    /// Sends MESSAGE outside of calls. [`Event::MessageAnswered`] tells what became of it.
    ///
    /// # Errors
    /// When there is nobody to send it to, or it is too large.
    pub fn send_message(
        &mut self,
        now: Now,
        target: &Target,
        from: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<MessageId, SayError> {
        let Route { uri, to, goal, path, trunk, .. } = self.resolve(target)?;
        let tag = self.random.tag();
        let cseq = self.random.cseq();
        let mut request = crate::message::Builder::request(&Method::Message, &uri);
        for route in &path {
            request = request.header(Name::Route, bracketed(route.as_bytes()));
        }
        let request = request
            .header(Name::From, name_addr(None, &sip_uri(Some(from), &self.config.domain), Some(&tag)))
            .header(Name::To, name_addr(None, &to, None))
            .header(Name::CallId, self.random.call_id())
            .header(Name::CSeq, format!("{cseq} MESSAGE"))
            .body(content_type, body);
        fits(&request, self.likely_hop(&goal))?;
        self.last_message += 1;
        let id = MessageId(self.last_message);
        if let Some(trunk) = trunk {
            self.trunks.take_message(id, trunk);
        }
        let draft = Draft { method: Method::Message, request, contact: None, forwards: MAX_FORWARDS };
        self.start_towards(now, Owner::Message(id), draft, goal);
        Ok(id)
    }

    fn say_in(
        &mut self,
        now: Now,
        call: CallId,
        method: Method,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), SayError> {
        let Some(Call { phase: Phase::Confirmed(exchange), .. }) = self.calls.live_mut(call) else {
            return Err(SayError::NoCall);
        };
        let hop = exchange.dialog.next_hop();
        let request =
            exchange.dialog.request(&method, exchange.dialog.local_cseq + 1).body(content_type, body);
        fits(&request, hop)?;
        exchange.dialog.local_cseq += 1;
        let dialog = exchange.dialog.clone();
        self.start_in_dialog(now, Owner::Said(call), method, &dialog, request);
        Ok(())
    }

    pub(crate) fn message_answered(&mut self, message: MessageId, status: u16) {
        if status >= 200 {
            self.trunks.message_done(message);
            self.output.push_back(crate::api::Output::Event(Event::MessageAnswered { message, status }));
        }
    }

    pub(crate) fn receive_message_in(&mut self, now: Now, hop: Hop, call: CallId, request: &Message) {
        if !self.keeps_messages {
            return self.refuse_once(now, hop, request, 405);
        }
        match instant(request) {
            Err(Refusal { status, .. }) => self.refuse_once(now, hop, request, status),
            Ok((content_type, body)) => {
                self.refuse_once(now, hop, request, 200);
                let message = addressed(request, Some(call), None, content_type, body);
                self.emit(call, Event::Message(message));
            }
        }
    }

    /// From whom we would take a call, we take a message.
    pub(crate) fn receive_message(&mut self, now: Now, hop: Hop, request: &Message) {
        let Some((peer, one_time)) = self.identify(now, hop, request) else { return };
        // A one-time credential is for one call and nothing else.
        let fits = match &peer {
            Peer::User { aor, .. } => *aor == request.from().uri().user_text() && !one_time,
            Peer::Trunk { .. } => true,
        };
        if !fits {
            return self.refuse(hop, request, Refusal::new(403), Some(Rejection::Forbidden));
        }
        if self.refuses_extensions(hop, request) {
            return;
        }
        if !self.keeps_messages {
            return self.refuse(hop, request, Refusal::new(405), None);
        }
        match instant(request) {
            Err(refusal) => self.refuse(hop, request, refusal, Some(Rejection::BadRequest)),
            Ok((content_type, body)) => {
                let tag = self.auth.stateless_tag(request);
                let answer = self.answer_to(request, hop.remote, 200, &tag);
                self.respond_once(now, hop, request, 200, answer);
                let message = addressed(request, None, Some(peer), content_type, body);
                self.output.push_back(crate::api::Output::Event(Event::Message(message)));
            }
        }
    }
}

fn addressed(
    request: &Message,
    call: Option<CallId>,
    peer: Option<Peer>,
    content_type: String,
    body: Vec<u8>,
) -> InstantMessage {
    InstantMessage {
        call,
        peer,
        from: request.from().uri().user_text(),
        to: request.request_uri().map(|uri| uri.user_text()).unwrap_or_default(),
        content_type,
        body,
    }
}

/// What a MESSAGE says, if it says anything that can be passed on.
fn instant(request: &Message) -> Result<(String, Vec<u8>), Refusal> {
    if request.body().len() > LARGEST_BODY {
        return Err(Refusal::new(413));
    }
    match request.content_type() {
        Ok(Some(content_type)) => Ok((content_type.media_type(), request.body().to_vec())),
        Ok(None) if request.body().is_empty() => Ok(("text/plain".to_owned(), Vec::new())),
        Ok(None) => Err(Refusal::because(400, "Missing Content-Type Header")),
        Err(_) => Err(Refusal::because(400, "Bad Content-Type Header")),
    }
}

fn fits(request: &crate::message::Builder, hop: Hop) -> Result<(), SayError> {
    let largest = match hop.transport {
        Transport::Udp => LARGEST_DATAGRAM,
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => LARGEST_BODY,
    };
    // Via, Max-Forwards and User-Agent are still to come.
    let around = 200;
    if request.clone().finish().len() + around > largest { Err(SayError::TooLarge(largest)) } else { Ok(()) }
}
