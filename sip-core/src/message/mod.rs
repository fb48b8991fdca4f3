//! SIP messages: one buffer, an index of spans over it, and typed headers that are read when asked for.
//!
//! - [`Message::parse`] (datagrams, WebSocket) and [`Message::parse_stream`] (TCP) copy the bytes once and index the headers. What
//!   every transaction needs is checked there and then (start line, Via, From, To, Call-ID, CSeq, Max-Forwards, Content-Length), so
//!   its accessors cannot fail. All other headers are parsed when asked for and give a [`HeaderError`] that names the header.
//! - Nothing is normalised: [`Message::bytes`] is what came, byte for byte, without the CRLFs before it and the surplus after it.
//! - [`ParseError::answerable`] is set when a malformed request can still be answered.
//! - [`Builder`] writes requests and responses; [`Message::response`] begins an answer. CR, LF and NUL never get into a header.
//!
//! | what | where |
//! |---|---|
//! | start line | [`Message::is_request`], [`method`](Message::method), [`request_uri`](Message::request_uri), [`status`](Message::status), [`reason`](Message::reason) |
//! | always there | [`via`](Message::via), [`from`](Message::from), [`to`](Message::to), [`from_tag`](Message::from_tag), [`to_tag`](Message::to_tag), [`call_id`](Message::call_id), [`cseq`](Message::cseq) |
//! | numbers | [`max_forwards`](Message::max_forwards), [`expires`](Message::expires), [`min_expires`](Message::min_expires), [`min_se`](Message::min_se), [`rseq`](Message::rseq) |
//! | addresses | [`contacts`](Message::contacts), [`contact`](Message::contact), [`routes`](Message::routes), [`record_routes`](Message::record_routes), [`addresses`](Message::addresses) (Path, Service-Route, P-Asserted-Identity, Alert-Info, …), [`address`](Message::address) |
//! | lists | [`tokens`](Message::tokens) (Require, Supported, Allow, …), [`vias`](Message::vias), [`warnings`](Message::warnings), [`reasons`](Message::reasons), [`privacy`](Message::privacy), [`diversions`](Message::diversions), [`history_info`](Message::history_info) |
//! | what is taken | [`accepts`](Message::accepts), [`media_ranges`](Message::media_ranges), [`weighted`](Message::weighted) |
//! | dialogs | [`session_expires`](Message::session_expires), [`rack`](Message::rack), [`replaces`](Message::replaces), [`refer_to`](Message::refer_to), [`referred_by`](Message::referred_by), [`event`](Message::event), [`subscription_state`](Message::subscription_state) |
//! | times | [`date`](Message::date), [`timestamp`](Message::timestamp), [`retry_after`](Message::retry_after) |
//! | auth | [`credentials`](Message::credentials) |
//! | body | [`body`](Message::body), [`body_of`](Message::body_of), [`parts`](Message::parts), [`content_type`](Message::content_type), [`content_disposition`](Message::content_disposition), [`mime_version`](Message::mime_version) |
//! | raw | [`header`](Message::header), [`extension`](Message::extension), [`values`](Message::values), [`headers`](Message::headers) |

mod accept;
mod body;
mod build;
mod content_type;
mod credentials;
mod cseq;
mod date;
mod error;
mod event;
mod host;
mod identity;
mod lex;
mod list;
mod method;
mod name;
mod name_addr;
mod params;
mod parse;
mod phone;
mod reason;
mod refer;
mod reliable;
mod replaces;
mod session_timer;
mod span;
mod uri;
mod via;
mod warning;

use std::sync::Arc;

pub use accept::{MediaRange, Weighted};
pub use body::{BodyError, Part};
pub use build::{BuildError, Builder, reason_phrase};
pub use content_type::{ContentDisposition, ContentType};
pub use credentials::Credentials;
pub use cseq::CSeq;
pub use date::Date;
pub use error::{Defect, HeaderError, ParseError, SyntaxError};
pub use event::{Event, SubState, SubscriptionState};
pub use host::Host;
pub use identity::{Diversion, HistoryInfo};
pub use list::Tokens;
pub use method::Method;
pub use name::Name;
pub use name_addr::{Contacts, NameAddr, name_addr, quote};
pub use params::Params;
pub use parse::{MAX_BODY, MAX_HEAD, MAX_HEADER, MAX_HEADERS, MAX_MESSAGE, MAX_URI};
pub use phone::Phone;
pub use reason::{Reason, q850_of_status, reason, status_of_q850};
pub use refer::ReferTo;
pub use reliable::RAck;
pub use replaces::Replaces;
pub use session_timer::{Refresher, SessionExpires};
pub use uri::{Scheme, Uri, UriBuf, escape_header, sip_uri};
pub use via::{MAGIC_COOKIE, Via};
pub use warning::{RetryAfter, Warning, warning};

use name_addr::NameAddrAt;
use span::Span;
use uri::UriAt;
use via::ViaAt;

/// A whole, checked SIP message. Cloning copies the index, not the bytes.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Arc<[u8]>,
    start: Start,
    method: Method,
    cseq: u32,
    /// These are always there, but in what is [`Answerable`] only.
    via: Option<ViaAt>,
    from: Option<NameAddrAt>,
    to: Option<NameAddrAt>,
    headers: Vec<Line>,
    /// The first line of each header.
    first: Firsts,
    /// Whether any header has several lines.
    repeated: bool,
    /// Whether a line end may stand in a value: a fold, or what is no line end in what is [`Answerable`] only.
    folded: bool,
    /// Where the body begins; it goes to the end.
    body: u16,
}

/// A malformed request of which enough is known to answer it.
#[derive(Clone, Debug)]
pub struct Answerable {
    message: Message,
}

/// One header as it stands in the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    pub id: Name,
    /// As written.
    pub name: &'a [u8],
    /// Without the white space around it; folds inside are as they came.
    pub value: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Request { uri: Option<UriAt> },
    Response { status: u16, reason: Span },
}

#[derive(Clone, Copy, Debug)]
struct Line {
    id: Name,
    /// From its name to the CRLF behind its value it stands as we would write it.
    usual: bool,
    name_len: u8,
    name: u16,
    value: Span,
}

/// By [`Name`]: where its first line stands among all. Fewer than [`NONE`](Firsts::NONE) lines are there.
#[derive(Clone, Copy, Debug)]
struct Firsts([u8; Name::ContentLength as usize + 1]);

impl Default for Firsts {
    fn default() -> Self {
        Firsts([Firsts::NONE; Name::ContentLength as usize + 1])
    }
}

impl Firsts {
    const NONE: u8 = u8::MAX;

    #[inline]
    fn of(&self, name: Name) -> Option<usize> {
        let first = self.0[name as usize];
        (first != Firsts::NONE).then_some(usize::from(first))
    }
}

impl Message {
    /// One whole message: a datagram, a WebSocket message, or what [`crate::frame::Framer`] cut from a stream.
    ///
    /// Bytes after the body are thrown away and a missing Content-Length means "to the end" (RFC 3261 §18.3). CRLFs before the start
    /// line are skipped (§7.5); a packet of nothing but CRLFs is a keep-alive and is [`Defect::Empty`] here.
    pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
        parse::parse(bytes, false)
    }

    /// The same for what came over TCP: Content-Length is mandatory there (RFC 3261 §20.14).
    pub fn parse_stream(bytes: &[u8]) -> Result<Message, ParseError> {
        parse::parse(bytes, true)
    }

    /// The message as it came, from start line to end of body.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same bytes to keep or send on.
    pub fn shared_bytes(&self) -> Arc<[u8]> {
        self.bytes.clone()
    }

    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// Of a request its own, of a response that in CSeq.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// `None` for responses. Any scheme; never with `?headers`.
    pub fn request_uri(&self) -> Option<Uri<'_>> {
        match self.start {
            Start::Request { uri } => Some(uri.expect("checked by parse").on(&self.bytes)),
            Start::Response { .. } => None,
        }
    }

    /// 100 to 699; `None` for requests.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase as it came, maybe empty; `None` for requests.
    pub fn reason(&self) -> Option<&[u8]> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { reason, .. } => Some(self.slice(reason)),
        }
    }

    /// The topmost Via.
    pub fn via(&self) -> Via<'_> {
        self.via.expect("checked by parse").on(&self.bytes)
    }

    /// All Vias, topmost first.
    pub fn vias(&self) -> Result<Vec<Via<'_>>, HeaderError> {
        self.each(Name::Via, |value| Via::parse(value).ok())
    }

    pub fn from(&self) -> NameAddr<'_> {
        self.from.expect("checked by parse").on(&self.bytes)
    }

    pub fn to(&self) -> NameAddr<'_> {
        self.to.expect("checked by parse").on(&self.bytes)
    }

    pub fn from_tag(&self) -> Option<&[u8]> {
        self.from?.tag(&self.bytes)
    }

    pub fn to_tag(&self) -> Option<&[u8]> {
        self.to?.tag(&self.bytes)
    }

    pub fn call_id(&self) -> &[u8] {
        self.header(Name::CallId).expect("checked by parse")
    }

    pub fn cseq(&self) -> CSeq<'_> {
        CSeq { number: self.cseq, method: &self.method }
    }

    /// `None` when absent: then 70 is meant (RFC 3261 §8.1.1.6 makes it mandatory, RFC 2543 peers do not send it).
    pub fn max_forwards(&self) -> Option<u8> {
        self.header(Name::MaxForwards).and_then(lex::number)
    }

    /// Seconds.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.number(Name::Expires)
    }

    /// Seconds.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.number(Name::MinExpires)
    }

    /// The values of all Contact lines.
    pub fn contacts(&self) -> Result<Contacts<'_>, HeaderError> {
        let mut values = self.values(Name::Contact);
        if values.next() == Some(b"*") {
            return match values.next() {
                None => Ok(Contacts::Any),
                Some(_) => Err(HeaderError { header: Name::Contact }),
            };
        }
        self.addresses(Name::Contact).map(Contacts::List)
    }

    /// The one Contact that a dialog needs; `None` when there is none. More than one, or `*`, is an error.
    pub fn contact(&self) -> Result<Option<NameAddr<'_>>, HeaderError> {
        self.address(Name::Contact)
    }

    /// Topmost first; empty when there are none.
    pub fn routes(&self) -> Result<Vec<NameAddr<'_>>, HeaderError> {
        self.addresses(Name::Route)
    }

    /// Topmost first; empty when there are none.
    pub fn record_routes(&self) -> Result<Vec<NameAddr<'_>>, HeaderError> {
        self.addresses(Name::RecordRoute)
    }

    /// All values of a header made of name-addrs, such as P-Asserted-Identity, Path or Diversion.
    pub fn addresses(&self, name: Name) -> Result<Vec<NameAddr<'_>>, HeaderError> {
        self.each(name, |value| NameAddr::parse(value).ok())
    }

    /// The only value of a header made of a name-addr, such as Refer-To.
    pub fn address(&self, name: Name) -> Result<Option<NameAddr<'_>>, HeaderError> {
        let mut all = self.values(name);
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => NameAddr::parse(value).map(Some).map_err(|_| HeaderError { header: name }),
            (Some(_), Some(_)) => Err(HeaderError { header: name }),
        }
    }

    /// Require, Proxy-Require, Supported, Unsupported, Allow, Allow-Events, Privacy, ….
    pub fn tokens(&self, name: Name) -> Result<Tokens<'_>, HeaderError> {
        // RFC 3261 §20.37: Supported may be empty; so may Allow (§20.5).
        let mut tokens = Vec::new();
        for value in self.values(name).filter(|value| !value.is_empty()) {
            if !lex::all_of(value, lex::TOKEN) {
                return Err(HeaderError { header: name });
            }
            tokens.push(value);
        }
        Ok(Tokens(tokens))
    }

    /// Authorization, Proxy-Authorization, WWW-Authenticate, Proxy-Authenticate: one per line, malformed lines skipped.
    pub fn credentials(&self, name: Name) -> impl Iterator<Item = Credentials<'_>> {
        self.lines(name).filter_map(|value| Credentials::parse(value).ok())
    }

    pub fn content_type(&self) -> Result<Option<ContentType<'_>>, HeaderError> {
        self.one(Name::ContentType, |value| ContentType::parse(value).ok())
    }

    /// Opaque; cut to Content-Length.
    pub fn body(&self) -> &[u8] {
        &self.bytes[usize::from(self.body)..]
    }

    /// The first line of a header: its value without the white space around it.
    pub fn header(&self, name: Name) -> Option<&[u8]> {
        self.first_line(name).map(|line| self.slice(line.value))
    }

    /// The same by name, long or compact, in any case: for headers that have no [`Name`].
    pub fn extension(&self, name: &str) -> Option<&[u8]> {
        match Name::of(name.as_bytes()) {
            Name::Other => self
                .headers()
                .find(|header| header.id == Name::Other && header.name.eq_ignore_ascii_case(name.as_bytes()))
                .map(|header| header.value),
            id => self.header(id),
        }
    }

    /// The comma-separated values of all lines of a header, in order, trimmed.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.lines(name).flat_map(list::Split::new)
    }

    /// A header's value as text: folds are single spaces, Latin-1 when it is no UTF-8.
    pub fn text(&self, name: Name) -> Option<String> {
        self.header(name).map(|value| text(&lex::unfold(value)))
    }

    /// All headers in their order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.headers.iter().map(|line| Header {
            id: line.id,
            name: &self.bytes[usize::from(line.name)..][..usize::from(line.name_len)],
            value: self.slice(line.value),
        })
    }

    fn lines(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.lines_of(name).map(|line| self.slice(line.value))
    }

    fn lines_of(&self, name: Name) -> impl Iterator<Item = &Line> {
        let first = self.first.of(name);
        let others = match first {
            Some(first) if self.repeated => &self.headers[first + 1..],
            Some(_) | None => &[],
        };
        let first = first.map(|first| &self.headers[first]);
        first.into_iter().chain(others.iter().filter(move |line| line.id == name))
    }

    fn first_line(&self, name: Name) -> Option<&Line> {
        self.first.of(name).map(|first| &self.headers[first])
    }

    fn slice(&self, span: Span) -> &[u8] {
        span.on(&self.bytes)
    }

    fn number(&self, name: Name) -> Result<Option<u32>, HeaderError> {
        self.one(name, lex::number)
    }

    /// A header of one line and one value.
    fn one<'a, T>(
        &'a self,
        name: Name,
        parse: impl Fn(&'a [u8]) -> Option<T>,
    ) -> Result<Option<T>, HeaderError> {
        match self.header(name) {
            None => Ok(None),
            Some(value) => parse(value).map(Some).ok_or(HeaderError { header: name }),
        }
    }

    fn each<'a, T>(
        &'a self,
        name: Name,
        parse: impl Fn(&'a [u8]) -> Option<T>,
    ) -> Result<Vec<T>, HeaderError> {
        self.values(name).map(|value| parse(value).ok_or(HeaderError { header: name })).collect()
    }
}

impl Answerable {
    /// The token in the request line.
    pub fn method(&self) -> &Method {
        &self.message.method
    }
}

/// A decimal number of digits only that fits.
pub(crate) fn decimal<T: TryFrom<u64>>(bytes: &[u8]) -> Option<T> {
    lex::number(bytes)
}

/// Bytes as text: UTF-8, or else Latin-1, so that nothing is lost.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&c| char::from(c)).collect(),
    }
}
