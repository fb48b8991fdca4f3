//! What `/metrics` says. Everything is counted where it happens; here it is only written down.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sip_core::api::{RegistrationState, Rejection, TrunkState};

use crate::app::App;
use crate::guard;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfTrunk {
    trunk: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TrunkCalls {
    trunk: String,
    direction: &'static str,
}

/// OpenMetrics text of this moment.
pub fn render(app: &App, trunks: &[TrunkState]) -> String {
    let mut registry = Registry::with_prefix("tandem");
    let counts = app.vitals.counts();
    let (desks, visitors) = app.hub.counts();
    let gauges: [(&str, &str, usize); 14] = [
        ("sessions_open", "Open sessions", counts.sessions),
        ("legs", "Live legs of all media", counts.legs),
        ("offers", "Offers to operators that are out", counts.offers),
        ("waiting", "Sessions waiting in queues", counts.waiting),
        ("pending_resolves", "Contacts whose customer is being looked up", counts.pending_resolves),
        ("sip_calls", "Live SIP calls", counts.sip.calls),
        ("sip_transactions", "Live SIP transactions", counts.sip.transactions),
        ("sip_bindings", "Registered SIP contacts", counts.sip.bindings),
        ("consoles", "Open event streams of consoles", desks),
        ("visitors", "Visitors whose widget is connected", visitors),
        ("inbox_waiting", "Inputs waiting for the engine", app.inbox.waiting()),
        ("journal_waiting", "Outputs waiting for the journal's writer", app.backlog.waiting()),
        (
            "journal_failures",
            "Failed writes of the journal since the last good one",
            app.backlog.failures_in_a_row(),
        ),
        ("draining", "1 while the server takes no new contacts", usize::from(app.vitals.is_draining())),
    ];
    for (name, help, value) in gauges {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    let (running, failed) = app.vitals.recordings.counts();
    let alarm = app.vitals.recordings.alarm().is_some();
    let gauges = [
        ("recordings_running", "Recordings that are being written", running as i64),
        ("recording_alarm", "1 while recordings fail", i64::from(alarm)),
    ];
    for (name, help, value) in gauges {
        let gauge: Gauge = Gauge::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
    let recordings_failed: Counter = Counter::default();
    recordings_failed.inc_by(failed);
    registry.register(
        "recordings_failed",
        "Recordings that could not be written to their end",
        recordings_failed,
    );
    let refused: Counter = Counter::default();
    refused.inc_by(app.inbox.refused());
    registry.register("inputs_refused", "Inputs that the engine's inbox had no room for", refused);
    if let Some(wires) = app.wires.get() {
        let figures = wires.network.figures();
        let connections: Gauge = Gauge::default();
        connections.set(i64::try_from(figures.connections).unwrap_or(i64::MAX));
        registry.register("sip_connections", "Open TCP and WebSocket connections of SIP", connections);
        let mut counted = vec![
            ("sip_udp_received", "SIP datagrams received", figures.udp_received),
            ("sip_udp_sent", "SIP datagrams sent", figures.udp_sent),
            ("sip_udp_dropped", "SIP datagrams that were not taken", figures.udp_dropped),
            (
                "sip_connections_refused",
                "SIP connections refused for want of room",
                figures.connections_refused,
            ),
            (
                "sip_connections_cut",
                "SIP connections cut for what came or did not come on them",
                figures.connections_cut,
            ),
        ];
        if let Some(media) = wires.media.upgrade() {
            let figures = media.figures();
            let sockets: Gauge = Gauge::default();
            sockets.set(i64::try_from(figures.sockets).unwrap_or(i64::MAX));
            registry.register("media_sockets", "Open UDP sockets of media", sockets);
            counted.extend([
                ("media_packets_received", "Media packets received", figures.packets_received),
                ("media_packets_sent", "Media packets sent", figures.packets_sent),
                ("media_late_ticks", "Ticks of 20 ms that were missed and made up for", figures.late_ticks),
            ]);
        }
        for (name, help, value) in counted {
            let counter: Counter = Counter::default();
            counter.inc_by(value);
            registry.register(name, help, counter);
        }
    }
    let rejections: Family<Why, Counter> = Family::default();
    for (why, count) in app.vitals.rejections() {
        rejections.get_or_create(&Why { reason: reason(why) }).inc_by(count);
    }
    registry.register("sip_rejected", "SIP messages refused or thrown away", rejections);
    let guard = app.guard.figures();
    let thrown: Family<Why, Counter> = Family::default();
    let counts = [
        ("banned", guard.banned),
        ("rate", guard.rate),
        ("scanner", guard.scanner),
        ("question", guard.question),
    ];
    for (reason, count) in counts {
        thrown.get_or_create(&Why { reason }).inc_by(count);
    }
    registry.register("sip_dropped", "SIP messages of strangers that were thrown away unread", thrown);
    let refused: Counter = Counter::default();
    refused.inc_by(guard.refused);
    registry.register(
        "sip_overload_refused",
        "New SIP requests answered 503 because the engine was behind",
        refused,
    );
    let bans: Family<Why, Counter> = Family::default();
    for (why, count) in guard.bans {
        bans.get_or_create(&Why { reason: guard::reason(why) }).inc_by(count);
    }
    registry.register("sip_bans", "Addresses banned since the start", bans);
    let in_force: Gauge = Gauge::default();
    in_force.set(i64::try_from(guard.in_force).unwrap_or(i64::MAX));
    registry.register("sip_bans_in_force", "Addresses that are banned now", in_force);
    register_trunks(&mut registry, trunks);
    app.tap.meter.register(&mut registry);
    app.tap.sound.register(&mut registry);
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = text::encode(&mut out, &registry);
    out
}

fn register_trunks(registry: &mut Registry, trunks: &[TrunkState]) {
    let (up, live, registered) = (
        Family::<OfTrunk, Gauge>::default(),
        Family::<OfTrunk, Gauge>::default(),
        Family::<OfTrunk, Gauge>::default(),
    );
    let (calls, failures, changes) = (
        Family::<TrunkCalls, Counter>::default(),
        Family::<OfTrunk, Counter>::default(),
        Family::<OfTrunk, Counter>::default(),
    );
    for state in trunks {
        let of = OfTrunk { trunk: state.name.clone() };
        up.get_or_create(&of).set(i64::from(state.usable));
        live.get_or_create(&of).set(i64::from(state.calls));
        let asked_for = match state.registration {
            RegistrationState::None => None,
            RegistrationState::Registered { .. } => Some(1),
            RegistrationState::Asking | RegistrationState::Failed { .. } | RegistrationState::Left => Some(0),
        };
        if let Some(is_registered) = asked_for {
            registered.get_or_create(&of).set(is_registered);
        }
        for (direction, count) in [("in", state.figures.calls_in), ("out", state.figures.calls_out)] {
            calls.get_or_create(&TrunkCalls { trunk: state.name.clone(), direction }).inc_by(count);
        }
        failures.get_or_create(&of).inc_by(state.figures.failures);
        changes.get_or_create(&of).inc_by(state.figures.changes);
    }
    registry.register("sip_trunk_up", "1 while calls may go through the trunk", up);
    registry.register("sip_trunk_registered", "1 while we are registered with the carrier", registered);
    registry.register("sip_trunk_calls_live", "Live calls of the trunk, both ways", live);
    registry.register("sip_trunk_calls", "Calls of the trunk; of ours every try counts", calls);
    registry.register("sip_trunk_failures", "Calls of ours that the trunk did not carry", failures);
    registry.register("sip_trunk_changes", "How often the trunk went up or down", changes);
}

pub fn reason(why: Rejection) -> &'static str {
    match why {
        Rejection::Unparsable => "unparsable",
        Rejection::BadRequest => "bad_request",
        Rejection::Unauthenticated => "unauthenticated",
        Rejection::WrongPassword => "wrong_password",
        Rejection::Forbidden => "forbidden",
        Rejection::Limit => "limit",
        Rejection::NotFound => "not_found",
        Rejection::StrayResponse => "stray_response",
        Rejection::StrayAck => "stray_ack",
        Rejection::Overload => "overload",
    }
}
