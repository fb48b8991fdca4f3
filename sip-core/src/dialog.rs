//! A dialog: the peer-to-peer relation that requests within a call travel by. RFC 3261 §12

use std::net::SocketAddr;

use crate::api::{ConnectionId, Hop, Transport};
use crate::locate::Wanted;
use crate::message::{Builder, Message, Method, Name, NameAddr, Uri, UriBuf};

#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: Vec<u8>,
    /// Our From (or To) value, tag included.
    pub(crate) local: Vec<u8>,
    /// The peer's From (or To) value, tag included.
    pub(crate) remote: Vec<u8>,
    /// Empty for a peer of RFC 2543.
    pub(crate) remote_tag: Vec<u8>,
    /// Of our last request.
    pub(crate) local_cseq: u32,
    /// Of the peer's last request, once there was one.
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) remote_target: UriBuf,
    /// Values of Route, nearest first.
    pub(crate) route_set: Vec<UriBuf>,
    /// Where the peer last spoke from, or was first spoken to.
    pub(crate) hop: Hop,
    /// The peer may sit behind a NAT: only the address that it speaks from can be trusted to reach it.
    pub(crate) symmetric: bool,
}

impl Dialog {
    /// RFC 3261 §12.1.1. `local_tag` is not in the request yet.
    pub(crate) fn as_server(
        invite: &Message,
        target: Uri<'_>,
        local_tag: &str,
        hop: Hop,
        symmetric: bool,
    ) -> Dialog {
        let mut local = unfolded(invite.to());
        local.extend(b";tag=");
        local.extend(local_tag.bytes());
        Dialog {
            call_id: invite.call_id().to_vec(),
            local,
            remote: unfolded(invite.from()),
            remote_tag: invite.from_tag().unwrap_or_default().to_vec(),
            local_cseq: 0,
            remote_cseq: Some(invite.cseq().number),
            remote_target: target.into(),
            route_set: routes(invite),
            hop,
            symmetric,
        }
    }

    /// RFC 3261 §12.1.2: out of the INVITE that we sent and a response with a To tag.
    pub(crate) fn as_client(invite: &Message, response: &Message, hop: Hop, symmetric: bool) -> Dialog {
        let target = response.contact().ok().flatten().map(|contact| UriBuf::from(contact.uri()));
        let mut route_set = routes(response);
        route_set.reverse();
        Dialog {
            call_id: invite.call_id().to_vec(),
            local: unfolded(invite.from()),
            remote: unfolded(response.to()),
            remote_tag: response.to_tag().unwrap_or_default().to_vec(),
            local_cseq: invite.cseq().number,
            remote_cseq: None,
            // A 2xx without Contact breaks the RFC; where the INVITE went is then the best guess.
            remote_target: target
                .unwrap_or_else(|| invite.request_uri().expect("an INVITE is a request").into()),
            route_set,
            hop,
            symmetric,
        }
    }

    /// The 2xx has the last word on the way to the peer; what was counted in the early dialog goes on. RFC 3261 §13.2.2.4
    pub(crate) fn confirmed(self, invite: &Message, response: &Message, hop: Hop, symmetric: bool) -> Dialog {
        let Dialog { local_cseq, remote_cseq, .. } = self;
        Dialog { local_cseq, remote_cseq, ..Dialog::as_client(invite, response, hop, symmetric) }
    }

    /// Whether a message from the peer belongs here, as far as its tag tells.
    pub(crate) fn is_with(&self, remote_tag: Option<&[u8]>) -> bool {
        self.remote_tag == remote_tag.unwrap_or_default()
    }

    /// A request of INVITE or UPDATE, or its answer, moves the peer. RFC 3261 §12.2
    pub(crate) fn refresh_target(&mut self, message: &Message) {
        if let Ok(Some(contact)) = message.contact() {
            self.remote_target = contact.uri().into();
        }
    }

    /// RFC 3261 §12.2.1.1. Via, Max-Forwards and whatever the method needs are still to be added.
    pub(crate) fn request(&self, method: &Method, cseq: u32) -> Builder {
        let target = self.remote_target.get();
        let strict = self.route_set.first().filter(|route| !route.get().is_loose_router());
        let mut request = match strict {
            None => Builder::request(method, target.without_headers()),
            Some(first) => Builder::request(method, first.get().without_headers()),
        };
        for route in self.route_set.iter().skip(usize::from(strict.is_some())) {
            request = request.header(Name::Route, bracketed(route.as_bytes()));
        }
        if strict.is_some() {
            request = request.header(Name::Route, bracketed(target.raw()));
        }
        request
            .header(Name::From, &self.local)
            .header(Name::To, &self.remote)
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, [cseq.to_string().as_bytes(), b" ", method.as_bytes()].concat())
    }

    /// Where requests go now.
    pub(crate) fn next_hop(&self) -> Hop {
        // RFC 7118 §5: a browser cannot be connected to. A live TCP connection serves as well as a new one.
        if self.hop.transport.is_websocket() || self.hop.connection.is_some() {
            return self.hop;
        }
        if self.symmetric && self.route_set.is_empty() && self.hop.transport == Transport::Udp {
            return self.hop;
        }
        let uri = self.route_set.first().unwrap_or(&self.remote_target);
        // A name that cannot be looked up: the peer is then spoken to where it spoke from.
        let remote = address(&uri.get()).unwrap_or(self.hop.remote);
        Hop { remote, ..self.hop }
    }

    /// What the URI says that the next request goes to, unless the peer is spoken to where it spoke from anyway.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        if self.hop.transport.is_websocket() || self.hop.connection.is_some() {
            return None;
        }
        if self.symmetric && self.route_set.is_empty() && self.hop.transport == Transport::Udp {
            return None;
        }
        Wanted::of(&self.route_set.first().unwrap_or(&self.remote_target).get())
    }

    /// Nothing can be sent to the peer but answers to the address that it speaks from.
    pub(crate) fn is_behind_nat(&self) -> bool {
        self.symmetric && address(&self.remote_target.get()) != Some(self.hop.remote)
    }

    /// The connection is gone. False when the peer cannot be reached in any other way.
    pub(crate) fn lose_connection(&mut self, connection: ConnectionId) -> bool {
        if self.hop.connection != Some(connection) {
            return true;
        }
        self.hop.connection = None;
        !self.hop.transport.is_websocket()
    }
}

/// The socket address that a URI with a literal address stands for.
pub(crate) fn address(uri: &Uri<'_>) -> Option<SocketAddr> {
    Some(SocketAddr::new(uri.host()?.ip()?, uri.port().unwrap_or(5060)))
}

pub(crate) fn bracketed(uri: &[u8]) -> Vec<u8> {
    [b"<", uri, b">"].concat()
}

fn routes(message: &Message) -> Vec<UriBuf> {
    message.record_routes().unwrap_or_default().iter().map(|route| UriBuf::from(route.uri())).collect()
}

/// A header value as one line.
fn unfolded(value: NameAddr<'_>) -> Vec<u8> {
    let raw = value.raw();
    if !raw.contains(&b'\n') {
        return raw.to_vec();
    }
    let text: Vec<u8> =
        raw.iter().map(|c| if matches!(c, b'\r' | b'\n' | b'\t') { b' ' } else { *c }).collect();
    text
}
