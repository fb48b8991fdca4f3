//! Subscriptions of our users to what we know: calls, presence, mailboxes. We are the notifier. RFC 6665
//!
//! Invariants: every subscription has a timer that ends it; one NOTIFY at a time is under way in each; a stranger gets none.

mod body;

use std::collections::BTreeMap;
use std::time::Duration;

use model::Now;

use crate::api::{ConnectionId, Event, Hop, Output, Package, Peer, Rejection, Subscription, SubscriptionId};
use crate::dialog::Dialog;
use crate::message::{Message, Method, Name};
use crate::respond::Refusal;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::Owner;

pub use body::{DialogState, dialog_info, message_summary, presence};

/// Who asks to be told for less than this asks too often. RFC 6665 §4.2.1.1
const MIN_EXPIRES: Duration = Duration::from_secs(60);
const MAX_EXPIRES: Duration = Duration::from_secs(3600);
const MAX_PER_USER: usize = 32;
const MAX_IN_ALL: usize = 10_000;
pub(crate) const ALLOW_EVENTS: &str = "dialog, message-summary, presence";

pub(crate) struct Entry {
    dialog: Dialog,
    local_tag: String,
    package: Package,
    /// The Event value, with its id: every NOTIFY repeats it. RFC 6665 §8.2.1
    event: Vec<u8>,
    username: String,
    ends: model::Instant,
    in_flight: bool,
    /// The state that waits for the answer to the last NOTIFY.
    queued: bool,
    /// As it was last told: who refreshes is told again.
    state: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Subscriptions {
    last: u64,
    entries: BTreeMap<SubscriptionId, Entry>,
    by_tag: BTreeMap<String, SubscriptionId>,
}

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn find(&self, request: &Message) -> Option<SubscriptionId> {
        let tag = std::str::from_utf8(request.to_tag()?).ok()?;
        let id = *self.by_tag.get(tag)?;
        let dialog = &self.entries.get(&id)?.dialog;
        (dialog.call_id == request.call_id() && dialog.is_with(request.from_tag())).then_some(id)
    }

    fn remove(&mut self, id: SubscriptionId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.by_tag.remove(&entry.local_tag);
        Some(entry)
    }
}

/// Why a SUBSCRIBE is not taken.
enum Refused {
    As(Refusal),
    TooBrief,
    BadEvent,
}

impl Stack {
    /// Tells a subscriber the whole state; of several in a row while one is under way, the last.
    pub fn notify(&mut self, now: Now, subscription: SubscriptionId, state: Vec<u8>) {
        let Some(entry) = self.subscriptions.entries.get_mut(&subscription) else { return };
        entry.state = state;
        if entry.in_flight {
            entry.queued = true;
            return;
        }
        self.send_notify(now, subscription, None);
    }

    /// Ends a subscription: `rejected`, `noresource`, `deactivated` … (RFC 6665 §4.1.3). [`Event::Unsubscribed`] follows.
    pub fn end_subscription(&mut self, now: Now, subscription: SubscriptionId, reason: &str) {
        self.send_notify(now, subscription, Some(reason));
        self.drop_subscription(subscription);
    }

    pub(crate) fn receive_subscribe(&mut self, now: Now, hop: Hop, request: &Message) {
        let Some((peer, one_time)) = self.identify(now, hop, request) else { return };
        let username = match &peer {
            Peer::User { aor, username } if !one_time && *aor == request.from().uri().user_text() => {
                username.clone()
            }
            Peer::User { .. } | Peer::Trunk { .. } => {
                return self.refuse(hop, request, Refusal::new(403), Some(Rejection::Forbidden));
            }
        };
        if self.refuses_extensions(hop, request) {
            return;
        }
        let (package, expires) = match asked(request) {
            Ok(asked) => asked,
            Err(refused) => return self.refuse_subscribe(hop, request, &refused),
        };
        let his = self.subscriptions.entries.values().filter(|entry| entry.username == username).count();
        if his >= MAX_PER_USER || self.subscriptions.len() >= MAX_IN_ALL {
            let status = if his >= MAX_PER_USER { 403 } else { 503 };
            return self.refuse(hop, request, Refusal::new(status), Some(Rejection::Overload));
        }
        let target = match request.contact() {
            Ok(Some(contact)) if contact.uri().is_sip() => contact.uri(),
            Ok(_) | Err(_) => {
                let refusal = Refusal::because(400, "Bad Contact Header");
                return self.refuse(hop, request, refusal, Some(Rejection::BadRequest));
            }
        };
        let tag = self.random.tag();
        let dialog = Dialog::as_server(request, target, &tag, hop, true);
        self.subscriptions.last += 1;
        let id = SubscriptionId(self.subscriptions.last);
        let event = request.header(Name::Event).unwrap_or_default().to_vec();
        let entry = Entry {
            dialog,
            local_tag: tag.clone(),
            package,
            event,
            username,
            ends: now.instant + expires,
            in_flight: false,
            queued: false,
            state: Vec::new(),
        };
        self.subscriptions.entries.insert(id, entry);
        self.subscriptions.by_tag.insert(tag.clone(), id);
        // Nobody's subscription outlives what was granted, though its owner never says a word.
        self.timers.arm(Timer::Subscription(id), now.instant + expires);
        self.grant_subscription(now, hop, request, &tag, expires);
        let user = request.request_uri().map(|uri| uri.user_text()).unwrap_or_default();
        let subscribed = Subscription { subscription: id, peer, package, user };
        self.output.push_back(Output::Event(Event::Subscribed(subscribed)));
    }

    /// A refresh, or the end of it. RFC 6665 §4.2.1
    pub(crate) fn receive_resubscribe(&mut self, now: Now, hop: Hop, id: SubscriptionId, request: &Message) {
        let cseq = request.cseq().number;
        let Some(entry) = self.subscriptions.entries.get_mut(&id) else { return };
        if *request.method() != Method::Subscribe {
            return self.refuse(hop, request, Refusal::new(405), None);
        }
        if entry.dialog.remote_cseq.is_some_and(|last| cseq <= last) {
            return self.refuse(hop, request, Refusal::because(500, "CSeq Out Of Order"), None);
        }
        entry.dialog.remote_cseq = Some(cseq);
        let same = request.header(Name::Event) == Some(entry.event.as_slice());
        let expires = match asked(request) {
            Ok((_, expires)) if same => expires,
            Ok(_) => return self.refuse_subscribe(hop, request, &Refused::BadEvent),
            Err(refused) => return self.refuse_subscribe(hop, request, &refused),
        };
        entry.dialog.refresh_target(request);
        entry.dialog.hop = hop;
        entry.ends = now.instant + expires;
        let in_flight = entry.in_flight;
        entry.queued |= in_flight;
        self.grant_subscription(now, hop, request, "", expires);
        self.timers.arm(Timer::Subscription(id), now.instant + expires);
        if expires.is_zero() {
            self.subscription_over(now, id);
        } else if !in_flight {
            self.send_notify(now, id, None);
        }
    }

    fn grant_subscription(&mut self, now: Now, hop: Hop, request: &Message, tag: &str, expires: Duration) {
        let answer = self
            .answer_to(request, hop.remote, 200, tag)
            .copy(request, Name::RecordRoute)
            .header(Name::Contact, self.contact(hop))
            .header(Name::Expires, expires.as_secs().to_string());
        self.respond_once(now, hop, request, 200, answer);
    }

    fn refuse_subscribe(&mut self, hop: Hop, request: &Message, refused: &Refused) {
        let tag = self.auth.stateless_tag(request);
        let answer = match refused {
            Refused::As(refusal) => return self.refuse(hop, request, *refusal, Some(Rejection::BadRequest)),
            Refused::TooBrief => self
                .answer_to(request, hop.remote, 423, &tag)
                .header(Name::MinExpires, MIN_EXPIRES.as_secs().to_string()),
            Refused::BadEvent => {
                self.answer_to(request, hop.remote, 489, &tag).header(Name::AllowEvents, ALLOW_EVENTS)
            }
        };
        self.send_stateless(hop, request, answer);
    }

    /// Its time is up, or its subscriber wants no more.
    pub(crate) fn subscription_over(&mut self, now: Now, id: SubscriptionId) {
        self.end_subscription(now, id, "timeout");
    }

    pub(crate) fn subscriber_answered(&mut self, now: Now, id: SubscriptionId, status: u16) {
        let Some(entry) = self.subscriptions.entries.get_mut(&id) else { return };
        match status {
            ..200 => {}
            // RFC 6665 §4.2.2: whoever does not want to hear us is not told more.
            300.. => self.drop_subscription(id),
            _ => {
                entry.in_flight = false;
                if std::mem::take(&mut entry.queued) {
                    self.send_notify(now, id, None);
                }
            }
        }
    }

    pub(crate) fn drop_subscriptions_of(&mut self, connection: ConnectionId) {
        let lost = |entry: &mut Entry| !entry.dialog.lose_connection(connection);
        let ids: Vec<SubscriptionId> = self
            .subscriptions
            .entries
            .iter_mut()
            .filter_map(|(id, entry)| lost(entry).then_some(*id))
            .collect();
        ids.into_iter().for_each(|id| self.drop_subscription(id));
    }

    fn drop_subscription(&mut self, id: SubscriptionId) {
        self.timers.disarm(Timer::Subscription(id));
        if self.subscriptions.remove(id).is_some() {
            self.output.push_back(Output::Event(Event::Unsubscribed { subscription: id }));
        }
    }

    fn send_notify(&mut self, now: Now, id: SubscriptionId, over: Option<&str>) {
        let Some(entry) = self.subscriptions.entries.get_mut(&id) else { return };
        entry.in_flight = true;
        entry.dialog.local_cseq += 1;
        let dialog = entry.dialog.clone();
        let (request, hop) = (dialog.request(&Method::Notify, dialog.local_cseq), dialog.next_hop());
        let left = entry.ends.saturating_since(now.instant).as_secs();
        let state = match over {
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={left}"),
        };
        let (event, body, kind) = (entry.event.clone(), entry.state.clone(), entry.package.content_type());
        let request = request
            .header(Name::Contact, self.contact(hop))
            .header(Name::Event, event)
            .header(Name::SubscriptionState, state)
            .body(kind, body);
        self.start_in_dialog(now, Owner::Subscription(id), Method::Notify, &dialog, request);
    }
}

/// What a SUBSCRIBE wants to hear of, and for how long.
fn asked(request: &Message) -> Result<(Package, Duration), Refused> {
    let bad = |reason| Refused::As(Refusal::because(400, reason));
    let event = request.event().map_err(|_| bad("Bad Event Header"))?.ok_or(Refused::BadEvent)?;
    let package = Package::of(event.package).ok_or(Refused::BadEvent)?;
    if !request.accepts(package.content_type()).map_err(|_| bad("Bad Accept Header"))?
        && request.header(Name::Accept).is_some()
    {
        return Err(Refused::As(Refusal::new(406)));
    }
    let wanted = request.expires().map_err(|_| bad("Bad Expires Header"))?;
    let wanted = wanted.map_or(MAX_EXPIRES, |seconds| Duration::from_secs(u64::from(seconds)));
    if !wanted.is_zero() && wanted < MIN_EXPIRES {
        return Err(Refused::TooBrief);
    }
    Ok((package, wanted.min(MAX_EXPIRES)))
}
