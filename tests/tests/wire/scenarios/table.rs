//! Which file is played by whom, over what, and what is in the journal afterwards.

/// One file of `tests/sipp/scenarios`.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub file: &'static str,
    pub plays: Plays,
    pub flow: Flow,
    /// SIPp's own, such as its transport.
    pub arguments: &'static [&'static str],
    /// Endings that the journal of its session must have: who, why, by whom, SIP status. Empty: no session.
    pub ends: &'static [&'static str],
}

/// Who SIPp is.
#[derive(Clone, Copy)]
pub enum Plays {
    /// It speaks first: a carrier (127.0.0.1), a stranger (elsewhere) or, with an account, a phone of ours.
    Caller { account: bool },
    /// The desk phone of an operator, with so many contacts, whom the queue offers a call.
    Desk { contacts: u8, caller: Caller },
    /// The same, and the outside number that it leads to is answered.
    DeskToOutside { caller: Caller },
    /// A desk phone that has registered and is there no more.
    DeadDesk { caller: Caller },
    /// The far end of a trunk, where the flow calls.
    Trunk { caller: Caller },
}

/// Who calls us so that the scenario happens.
#[derive(Clone, Copy)]
pub enum Caller {
    /// Until he is hung up.
    Stays,
    /// After so many milliseconds.
    Leaves { after: u32 },
    /// He is not answered: early media, then 486.
    IsRefused,
}

/// What becomes of a call to the scenario's number.
#[derive(Clone, Copy)]
pub enum Flow {
    /// The number does not exist.
    None,
    /// A question; the key 1 hangs up.
    Menu,
    /// A greeting, and we hang up.
    Ends,
    /// The queue of the scenario's operator, nine seconds at most.
    Queue,
    /// A call through the trunk; we hang up when it fails.
    Outside,
    /// The same for a caller who has not been answered.
    Through,
}

const STAYS: Caller = Caller::Stays;
const TCP: &[&str] = &["-t", "t1"];
/// Repeats are seen, and not made.
const BARE: &[&str] = &["-nr"];
const STRANGER: &[&str] = &["-i", "127.0.0.2"];

const fn carrier(file: &'static str) -> Scenario {
    Scenario { file, plays: Plays::Caller { account: false }, flow: Flow::Menu, arguments: &[], ends: &[] }
}

const fn phone(file: &'static str) -> Scenario {
    Scenario { plays: Plays::Caller { account: true }, flow: Flow::None, ..carrier(file) }
}

const fn desk(file: &'static str) -> Scenario {
    Scenario { plays: Plays::Desk { contacts: 1, caller: STAYS }, flow: Flow::Queue, ..carrier(file) }
}

const fn desk_to_outside(file: &'static str) -> Scenario {
    let caller = Caller::Leaves { after: 4000 };
    Scenario { plays: Plays::DeskToOutside { caller }, ..desk(file) }
}

const fn trunk(file: &'static str) -> Scenario {
    Scenario { plays: Plays::Trunk { caller: STAYS }, flow: Flow::Outside, ..carrier(file) }
}

impl Scenario {
    const fn with(self, arguments: &'static [&'static str]) -> Self {
        Self { arguments, ..self }
    }

    const fn to(self, flow: Flow) -> Self {
        Self { flow, ..self }
    }

    const fn leaves(self, after: u32) -> Self {
        let caller = Caller::Leaves { after };
        let plays = match self.plays {
            Plays::Caller { account } => Plays::Caller { account },
            Plays::Desk { contacts, .. } => Plays::Desk { contacts, caller },
            Plays::DeskToOutside { .. } => Plays::DeskToOutside { caller },
            Plays::DeadDesk { .. } => Plays::DeadDesk { caller },
            Plays::Trunk { .. } => Plays::Trunk { caller },
        };
        Self { plays, ..self }
    }

    /// A trunk's call that its caller is refused for.
    const fn refuses(self) -> Self {
        Self { plays: Plays::Trunk { caller: Caller::IsRefused }, flow: Flow::Through, ..self }
    }

    /// A desk phone with so many contacts; SIPp plays them all.
    const fn devices(self, contacts: u8) -> Self {
        Self { plays: Plays::Desk { contacts, caller: STAYS }, arguments: &["-m", "2"], ..self }
    }

    const fn ends(self, ends: &'static [&'static str]) -> Self {
        Self { ends, ..self }
    }
}

pub const SCENARIOS: &[Scenario] = &[
    // These take their time, so they begin.
    carrier("timer_runs_out").ends(&["customer: lost by carrier 408", "session: lost by carrier 408"]),
    carrier("timer_refreshed_by_us_with_update")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("timer_refreshed_by_us_with_reinvite")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("glare").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    trunk("trunk_refreshed_by_us").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    carrier("ack_never_comes").ends(&["customer: lost by carrier", "session: lost by carrier"]),
    trunk("trunk_never_answers").ends(&[
        "external: lost by carrier 408",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    // Calls to us
    carrier("call_over_udp").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("call_over_tcp")
        .with(TCP)
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("late_offer").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("late_offer_over_tcp")
        .with(TCP)
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("late_offer_without_answer")
        .ends(&["customer: incompatible by customer", "session: incompatible by customer"]),
    carrier("late_offer_answered_with_nothing_in_common")
        .ends(&["customer: incompatible by system", "session: incompatible by system"]),
    carrier("we_hang_up").to(Flow::Ends).ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("we_hang_up_over_tcp")
        .with(TCP)
        .to(Flow::Ends)
        .ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("large_invite_over_tcp")
        .with(TCP)
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("rport").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("without_rport").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("record_route")
        .to(Flow::Ends)
        .ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("strict_router")
        .to(Flow::Ends)
        .ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("invite_repeated")
        .with(BARE)
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("ok_repeated_until_ack")
        .with(BARE)
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("bye_repeated")
        .with(BARE)
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("bye_after_bye").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("cancel_after_the_answer")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("cancel_of_nothing"),
    carrier("refusal_acknowledged").with(BARE).to(Flow::None),
    carrier("refusal_repeated_until_ack").with(BARE).to(Flow::None),
    carrier("early_bye").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("byes_cross").to(Flow::Ends).ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("call_with_three_codecs")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("audio_and_video").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    // Within a call
    carrier("hold_sendonly").ends(&[
        "customer: hung_up by customer",
        "held: true",
        "held: false",
        "session: hung_up by customer",
    ]),
    carrier("hold_inactive").ends(&[
        "customer: hung_up by customer",
        "held: true",
        "held: false",
        "session: hung_up by customer",
    ]),
    carrier("hold_by_address").ends(&[
        "customer: hung_up by customer",
        "held: true",
        "held: false",
        "session: hung_up by customer",
    ]),
    carrier("hold_by_update").ends(&[
        "customer: hung_up by customer",
        "held: true",
        "held: false",
        "session: hung_up by customer",
    ]),
    carrier("hold_by_session_line").ends(&[
        "customer: hung_up by customer",
        "held: true",
        "session: hung_up by customer",
    ]),
    carrier("update_without_offer").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("reinvite_without_offer")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("reinvite_refused").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("reinvite_before_the_ack")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("reinvite_moves_the_target")
        .to(Flow::Ends)
        .ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("cseq_too_low").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("options_in_dialog").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("unknown_method_in_dialog")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("unsupported_extension_in_dialog")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("digit_by_dtmf_relay").ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("digit_by_info").ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("digit_by_rtp").ends(&["customer: completed by flow", "session: completed by flow"]),
    carrier("info_of_another_kind").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("message_in_dialog").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("refer_without_target").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("refer_to_something_else")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("notify_of_nothing").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("reinvite_changes_the_codec")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("reinvite_repeated").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    // What is refused, and what is only asked
    carrier("options"),
    carrier("options_over_tcp").with(TCP),
    carrier("unknown_method"),
    carrier("publish"),
    carrier("unsupported_extension"),
    carrier("too_many_hops"),
    carrier("wrong_content_type"),
    carrier("content_encoding"),
    carrier("no_common_codec").ends(&["customer: refused by system 488", "session: refused by system 488"]),
    carrier("encrypted_with_nothing_that_we_know")
        .ends(&["customer: refused by system 488", "session: refused by system 488"]),
    carrier("garbage_sdp").ends(&["customer: refused by system 488", "session: refused by system 488"]),
    carrier("video_only").ends(&["customer: refused by system 488", "session: refused by system 488"]),
    carrier("unknown_scheme"),
    carrier("unknown_number").to(Flow::None),
    carrier("missing_contact"),
    carrier("missing_from"),
    carrier("wrong_version"),
    carrier("cseq_of_another_method"),
    carrier("content_length_too_large"),
    carrier("content_length_too_small")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("bye_for_no_dialog"),
    carrier("info_for_no_dialog"),
    carrier("reinvite_for_no_dialog"),
    carrier("merged_request").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("call_in_a_loop"),
    carrier("message"),
    carrier("replaces_nothing"),
    carrier("options_without_hops"),
    carrier("incomplete_number"),
    carrier("sips_over_udp"),
    carrier("nothing_that_we_have_is_accepted"),
    carrier("undecipherable_body"),
    carrier("body_too_large").with(TCP),
    carrier("uri_too_long"),
    carrier("two_content_lengths").with(TCP),
    carrier("bad_require"),
    carrier("broken_multipart"),
    // Other spellings of a call
    carrier("compact_headers").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("odd_case_and_spaces").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("folded_headers").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("several_vias_in_one_line"),
    carrier("escaped_number").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("tel_uri").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("uri_parameters").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("utf8_display_name").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("latin1_display_name").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("unquoted_display_name").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("multipart_body").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("asserted_identity").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("unknown_optional_part").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("rfc_2543_caller").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    // Who may call
    carrier("stranger_is_challenged").with(STRANGER),
    carrier("stranger_asks_options").with(STRANGER),
    phone("phone_calls").to(Flow::Menu).ends(&["customer: hung_up by agent", "session: hung_up by agent"]),
    phone("phone_calls_over_tcp")
        .with(TCP)
        .to(Flow::Menu)
        .ends(&["customer: hung_up by agent", "session: hung_up by agent"]),
    phone("phone_without_the_encryption_required")
        .to(Flow::Menu)
        .ends(&["customer: refused by system 488", "session: refused by system 488"]),
    phone("phone_with_wrong_password").to(Flow::Menu),
    phone("phone_calls_as_somebody_else").with(STRANGER).to(Flow::Menu),
    phone("carrier_claims_to_be_a_phone").to(Flow::Menu),
    carrier("message_from_a_stranger").with(STRANGER),
    // The registrar
    phone("register"),
    phone("register_over_tcp").with(TCP),
    phone("register_with_wrong_password"),
    phone("register_unknown_user"),
    phone("register_query"),
    phone("register_star"),
    phone("register_star_without_expires"),
    phone("register_two_contacts"),
    phone("register_expires_zero"),
    phone("register_too_brief"),
    phone("register_too_long"),
    phone("register_refresh"),
    phone("register_out_of_order"),
    phone("register_for_somebody_else"),
    phone("register_bad_contact"),
    phone("register_unsupported_extension"),
    phone("register_too_many_contacts"),
    phone("register_path"),
    phone("register_path_without_support"),
    phone("register_flow").with(TCP),
    phone("register_flow_over_udp"),
    phone("register_flow_through_others"),
    // Who wants to be told
    phone("subscribe_to_nothing_we_know"),
    phone("subscribe_to_presence"),
    phone("subscribe_to_dialog"),
    phone("subscribe_to_message_summary"),
    phone("subscribe_too_brief"),
    phone("subscribe_without_event"),
    phone("subscribe_in_no_dialog"),
    // Desk phones that are called
    desk("desk_answers").ends(&[
        "agent: hung_up by agent",
        "customer: hung_up by agent",
        "session: hung_up by agent",
    ]),
    desk("desk_answers_and_the_caller_leaves").leaves(3000).ends(&[
        "customer: hung_up by customer",
        "agent: hung_up by customer",
        "session: hung_up by customer",
    ]),
    desk("desk_is_busy").ends(&[
        "agent: refused by agent 486",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk("desk_declines").ends(&[
        "agent: refused by agent 603",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk("desk_is_broken").ends(&[
        "agent: refused by agent 500",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk("desk_redirects").ends(&[
        "agent: refused by agent 302",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk_to_outside("desk_forwards").ends(&[
        "agent: refused by agent 302",
        "agent: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    desk_to_outside("desk_sends_on").ends(&[
        "agent: replaced by system",
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    desk_to_outside("desk_consults").ends(&[
        "agent: replaced by system",
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    desk("desk_parks").leaves(3000).ends(&[
        "agent: replaced by system",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    desk("desk_is_picked_up").leaves(3000).ends(&[
        "agent: replaced by system",
        "agent: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    desk("desk_is_replaced").leaves(3000).ends(&[
        "agent: replaced by system",
        "agent: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    desk("desk_does_not_answer").ends(&[
        "agent: no_answer by agent",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk("desk_rings_after_we_gave_up").ends(&[
        "agent: no_answer by agent",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk("desk_answers_in_spite_of_the_cancel").ends(&[
        "agent: no_answer by agent",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk("desk_and_the_caller_gives_up").leaves(2000).ends(&[
        "customer: hung_up by customer",
        "agent: abandoned by customer",
        "session: abandoned by customer",
    ]),
    desk("desk_holds").ends(&[
        "agent: hung_up by agent",
        "customer: hung_up by agent",
        "held: true",
        "held: false",
        "session: hung_up by agent",
    ]),
    desk("desk_repeats_its_ok").with(BARE).ends(&[
        "agent: hung_up by agent",
        "customer: hung_up by agent",
        "session: hung_up by agent",
    ]),
    desk("desk_answers_without_sdp").ends(&[
        "agent: incompatible by system",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk("desk_with_nothing_in_common").leaves(3000).ends(&[
        "agent: incompatible by system",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    desk("desk_says_trying_and_no_more").ends(&[
        "agent: no_answer by agent",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    desk("desk_with_two_devices").devices(2).ends(&[
        "agent: replaced by system",
        "agent: hung_up by agent",
        "customer: hung_up by agent",
        "session: hung_up by agent",
    ]),
    Scenario { plays: Plays::DeadDesk { caller: STAYS }, ..desk("desk_went_away") }.ends(&[
        "agent: no_answer by agent",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    // Carriers that are called
    trunk("trunk_answers").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_answers_and_the_caller_leaves").leaves(2500).ends(&[
        "customer: hung_up by customer",
        "external: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_with_early_media").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_busy_behind_early_media").refuses().ends(&[
        "external: refused by customer 486",
        "customer: completed by flow 486",
        "session: completed by flow",
    ]),
    trunk("trunk_answers_in_the_183_only").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_busy").ends(&[
        "external: refused by customer 486",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_requires_an_extension").ends(&[
        "external: refused by customer 421",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_finds_the_number_ambiguous").ends(&[
        "external: refused by customer 485",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_number_not_found").ends(&[
        "external: refused by customer 404",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_temporarily_unavailable").ends(&[
        "external: refused by customer 480",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_request_timeout").ends(&[
        "external: no_answer by customer 408",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_not_acceptable").ends(&[
        "external: incompatible by customer 488",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_internal_error").ends(&[
        "external: refused by carrier 500",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_unavailable").ends(&[
        "external: refused by carrier 503",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_declines").ends(&[
        "external: refused by customer 603",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_busy_everywhere").ends(&[
        "external: refused by customer 600",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_redirects").ends(&[
        "external: refused by customer 302",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_challenges").ends(&[
        "external: refused by customer 401",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_proxy_challenges").ends(&[
        "external: refused by customer 407",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_forks").with(BARE).ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_rings_and_the_caller_gives_up").leaves(2000).ends(&[
        "customer: hung_up by customer",
        "external: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_answers_after_the_cancel").leaves(2000).ends(&[
        "customer: hung_up by customer",
        "external: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_holds").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "held: true",
        "held: false",
        "session: hung_up by customer",
    ]),
    trunk("trunk_with_record_route").leaves(2500).ends(&[
        "customer: hung_up by customer",
        "external: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_repeats_its_refusal").with(BARE).ends(&[
        "external: refused by customer 486",
        "customer: completed by flow",
        "session: completed by flow",
    ]),
    trunk("trunk_moves_by_reinvite").leaves(3000).ends(&[
        "customer: hung_up by customer",
        "external: hung_up by customer",
        "session: hung_up by customer",
    ]),
    // Session timers
    carrier("timer_too_short"),
    carrier("timer_refreshed_by_the_caller")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("timer_wanted_by_a_proxy")
        .ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    trunk("trunk_wants_a_longer_timer").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    // Provisional answers that must not get lost
    carrier("ringing_reliably").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("ringing_unreliably").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    carrier("prack_of_nothing").ends(&["customer: hung_up by customer", "session: hung_up by customer"]),
    trunk("trunk_progresses_reliably").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_progresses_out_of_order").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
    trunk("trunk_updates_before_it_answers").ends(&[
        "external: hung_up by customer",
        "customer: hung_up by customer",
        "session: hung_up by customer",
    ]),
];
