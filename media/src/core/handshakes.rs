//! Keys by DTLS on the ports of plain legs.

use std::net::SocketAddr;

use model::Now;

use super::{Core, Event, Output, Sink};
use crate::dtls::Outcome;
use crate::leg::Transport;

impl Core {
    /// One datagram of DTLS at the RTP port of a plain leg.
    pub(super) fn handle_handshake(
        &mut self,
        now: Now,
        index: usize,
        from: SocketAddr,
        packet: &[u8],
        out: &mut impl Sink,
    ) {
        let Some(leg) = self.leg_mut(index) else { return };
        let agreed = leg.agreed.is_some();
        let Transport::Rtp(rtp) = &mut leg.transport else { return };
        let outcome = rtp.handle_handshake(now.instant, from, packet, agreed);
        rtp.flush(out);
        self.conclude(now, index, outcome);
    }

    /// Says whether the next tick has to look again.
    pub(super) fn shake(&mut self, now: Now, index: usize, out: &mut impl Sink) -> bool {
        let Some(leg) = self.leg_mut(index) else { return false };
        let Transport::Rtp(rtp) = &mut leg.transport else { return false };
        if !rtp.is_shaking() {
            return false;
        }
        let outcome = rtp.shake(now.instant);
        rtp.flush(out);
        self.conclude(now, index, outcome);
        true
    }

    fn conclude(&mut self, now: Now, index: usize, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        let Some(leg) = self.legs.get_mut(index).and_then(|leg| leg.as_deref_mut()) else { return };
        let (Transport::Rtp(rtp), Some(agreed)) = (&mut leg.transport, &leg.agreed) else { return };
        match outcome {
            Outcome::Keys { from, own, peer } => {
                rtp.keyed(from, &own, &peer, agreed.rtcp_mux);
                leg.heard = now.instant;
                // What waited for somebody to hear it begins.
                self.busy[index] = true;
            }
            Outcome::Failed(why) => {
                let event = Event::HandshakeFailed { leg: leg.id, why };
                self.output.push_back(Output::Event(event));
            }
        }
    }
}
