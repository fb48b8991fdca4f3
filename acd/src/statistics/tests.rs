use std::time::Duration;

use model::{
    AgentChange, AgentId, AgentStatus, Cause, Change, CustomerId, Destination, Ending, Entry, Left, LegId,
    Medium, OfferId, OfferOutcome, Party, QueueName, Record, SessionId, Side, Timestamp,
};

use super::{Figures, Key, Occupation, Report, Rules, Statistics};

/// At the begin of a quarter.
const START: i64 = 1_790_000_100_000_000;

struct Story {
    statistics: Statistics,
    seqs: std::collections::BTreeMap<SessionId, u64>,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(START + seconds * 1_000_000)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn session(n: u8) -> SessionId {
    SessionId::new(at(0), [n; 10])
}

fn agent(n: u8) -> AgentId {
    AgentId::new(at(0), [n; 10])
}

fn customer(n: u8) -> CustomerId {
    CustomerId::new(at(0), [n; 10])
}

fn queue(name: &str) -> QueueName {
    QueueName::new(name)
}

impl Story {
    fn new() -> Self {
        Self { statistics: Statistics::new(Rules::default(), at(0)), seqs: Default::default() }
    }

    fn tell(&mut self, n: u8, when: i64, change: Change) {
        let seq = self.seqs.entry(session(n)).or_default();
        *seq += 1;
        let entry = Entry { session: session(n), seq: *seq, at: at(when), change };
        self.statistics.add(&Record::Session(entry));
    }

    /// Customer `n` calls.
    fn calls(&mut self, n: u8, when: i64) {
        let entry = "sip:+1".to_owned();
        self.tell(n, when, Change::SessionOpened { customer: customer(n), entry, medium: Medium::Voice });
        self.leg(n, when, n, Party::Customer);
    }

    fn leg(&mut self, n: u8, when: i64, leg: u8, party: Party) {
        let leg = LegId::new(at(0), [leg; 10]);
        self.tell(n, when, Change::LegOpened { leg, medium: Medium::Voice, party, address: String::new() });
    }

    fn waits(&mut self, n: u8, when: i64, name: &str) {
        self.tell(
            n,
            when,
            Change::Queued { queue: queue(name), priority: 0, since: at(when), asks: Box::default() },
        );
    }

    fn leaves(&mut self, n: u8, when: i64, why: Left) {
        self.tell(n, when, Change::Dequeued { queue: queue("support"), why });
    }

    fn is_answered(&mut self, n: u8, when: i64, by: u8) {
        self.leaves(n, when, Left::Answered);
        self.tell(n, when, Change::OwnerChanged { agent: Some(agent(by)) });
    }

    fn ends(&mut self, n: u8, when: i64) {
        let ending = Ending::new(Cause::HungUp, Side::Customer);
        self.tell(n, when, Change::SessionEnded { ending });
    }

    fn status(&mut self, n: u8, when: i64, status: AgentStatus) {
        let change = AgentChange { agent: agent(n), at: at(when), status, by: Side::Agent };
        self.statistics.add(&Record::Agent(change));
    }

    fn report(&self, when: i64) -> Report {
        let report = self.statistics.report(at(when));
        assert!(report.figures.values().all(Figures::balance), "{report:?}");
        report
    }

    fn total(&self, when: i64) -> Figures {
        let mut total = Figures::default();
        for figures in self.report(when).figures.values() {
            total += figures;
        }
        total
    }
}

#[test]
fn who_waits_is_offered_and_in_progress_until_he_is_something_else() {
    let mut story = Story::new();
    for (n, why) in [Left::Answered, Left::Abandoned, Left::Overflowed, Left::CalledBack, Left::Dropped]
        .into_iter()
        .enumerate()
    {
        let n = n as u8 + 1;
        story.calls(n, 0);
        story.waits(n, 1, "support");
        assert_eq!(story.total(1).waiting, 1);
        story.leaves(n, 11, why);
        assert_eq!(story.total(11).waiting, 0);
    }
    let total = story.total(20);
    assert_eq!((total.offered, total.answered, total.abandoned), (5, 1, 1));
    assert_eq!((total.overflowed, total.called_back, total.dropped), (1, 1, 1));
    assert_eq!((total.waited_for_answer, total.waited_in_vain), (seconds(10), seconds(10)));
}

#[test]
fn who_is_called_in_vain_goes_on_waiting_and_is_offered_once() {
    let mut story = Story::new();
    story.calls(1, 0);
    story.waits(1, 0, "support");
    story.tell(1, 5, Change::CallbackPromised { number: "+1".to_owned(), by: Side::Customer });
    story.leaves(1, 10, Left::CalledBack);
    story.tell(1, 10, Change::OwnerChanged { agent: Some(agent(1)) });
    story.tell(1, 30, Change::OwnerChanged { agent: None });
    story.tell(1, 30, Change::CallbackTried { reached: false, again: Some(at(90)) });
    let total = story.total(40);
    assert_eq!((total.called_back, total.waiting, total.callbacks_failed), (1, 0, 0));
    story.waits(1, 90, "support");
    let total = story.total(91);
    assert_eq!((total.offered, total.called_back, total.waiting), (1, 0, 1));
    story.leaves(1, 100, Left::CalledBack);
    story.tell(1, 100, Change::OwnerChanged { agent: Some(agent(1)) });
    story.tell(1, 110, Change::CallbackTried { reached: true, again: None });
    let total = story.total(200);
    assert_eq!((total.offered, total.called_back, total.callbacks_reached, total.answered), (1, 1, 1, 0));
    // His operator is lost: another is wanted, which is another wait.
    story.tell(1, 210, Change::OwnerChanged { agent: None });
    story.waits(1, 210, "support");
    story.is_answered(1, 220, 2);
    story.ends(1, 230);
    let total = story.total(230);
    assert_eq!((total.offered, total.called_back, total.answered), (2, 1, 1));
}

#[test]
fn a_better_place_in_the_same_queue_is_no_new_offer_and_another_queue_is_one() {
    let mut story = Story::new();
    story.calls(1, 0);
    story.waits(1, 0, "support");
    story.waits(1, 5, "support");
    assert_eq!(story.total(6).offered, 1);
    story.waits(1, 10, "sales");
    let total = story.total(11);
    assert_eq!((total.offered, total.overflowed, total.waiting), (2, 1, 1));
}

#[test]
fn the_service_level_leaves_those_out_who_gave_up_at_once() {
    let mut story = Story::new();
    for (n, waited) in [(1, 5), (2, 20), (3, 21), (4, 60)] {
        story.calls(n, 0);
        story.waits(n, 0, "support");
        story.is_answered(n, waited, n);
    }
    for (n, waited) in [(5, 4), (6, 30)] {
        story.calls(n, 0);
        story.waits(n, 0, "support");
        story.leaves(n, waited, Left::Abandoned);
        story.ends(n, waited);
    }
    let total = story.total(100);
    assert_eq!((total.answered, total.answered_in_time), (4, 2));
    assert_eq!((total.abandoned, total.abandoned_short), (2, 1));
    assert_eq!(total.service_level_of_answered(), Some(0.5));
    assert_eq!(total.service_level_of_offered(), Some(0.4));
    assert_eq!(total.average_answer(), Some(Duration::from_millis(26_500)));
    assert_eq!(total.longest_wait, seconds(60));
}

#[test]
fn talk_time_is_split_at_the_transfer_and_the_wrap_up_is_each_agents_own() {
    let mut story = Story::new();
    story.calls(1, 0);
    story.waits(1, 0, "support");
    story.is_answered(1, 10, 1);
    story.leg(1, 10, 11, Party::Agent { agent: agent(1) });
    let held = |held| Change::LegHeld { leg: LegId::new(at(0), [11; 10]), held };
    story.tell(1, 40, held(true));
    story.tell(1, 55, held(false));
    story.tell(1, 70, Change::Transferred { by: agent(1), to: Destination::Agent { agent: agent(2) } });
    story.tell(1, 70, Change::OwnerChanged { agent: Some(agent(2)) });
    story.tell(1, 70, Change::WrapUpStarted { agent: agent(1) });
    story.tell(1, 80, Change::WrapUpEnded { agent: agent(1), disposition: None, note: None });
    assert_eq!(story.total(90).in_conversation, 1, "the second has him");
    story.ends(1, 100);
    story.tell(1, 100, Change::WrapUpStarted { agent: agent(2) });
    story.tell(1, 105, Change::WrapUpEnded { agent: agent(2), disposition: None, note: None });
    let report = story.report(200);
    let of = |n| {
        let key =
            Key { from: at(0), queue: Some(queue("support")), agent: Some(agent(n)), medium: Medium::Voice };
        report.figures[&key]
    };
    let (first, second) = (of(1), of(2));
    assert_eq!((first.talk, first.hold, first.wrap_up), (seconds(45), seconds(15), seconds(10)));
    assert_eq!((second.talk, second.hold, second.wrap_up), (seconds(30), seconds(0), seconds(5)));
    assert_eq!((first.transferred, second.transferred), (1, 0));
    let total = story.total(200);
    assert_eq!((total.answered, total.handled), (1, 2), "one customer, two conversations");
    assert_eq!(total.average_handling(), Some(Duration::from_millis(52_500)));
}

#[test]
fn figures_belong_to_the_quarter_in_which_they_began_and_time_to_its_own() {
    let mut story = Story::new();
    story.status(1, 0, AgentStatus::Ready);
    story.calls(1, 800);
    story.waits(1, 890, "support");
    story.is_answered(1, 910, 1);
    story.ends(1, 1_900);
    let report = story.report(2_000);
    let counted = report.figures.iter().filter(|(_, figures)| figures.answered + figures.handled > 0);
    let quarters: Vec<_> =
        counted.map(|(key, figures)| (key.from, figures.answered, figures.handled)).collect();
    assert_eq!(quarters, [(at(0), 1, 0), (at(900), 0, 1)]);
    let times: Vec<_> = report.times.values().map(|time| (time.idle, time.busy)).collect();
    assert_eq!(
        times,
        [(seconds(900), seconds(0)), (seconds(10), seconds(890)), (seconds(100), seconds(100))]
    );
}

#[test]
fn an_agent_with_three_chats_is_busy_once() {
    let mut story = Story::new();
    story.status(1, 0, AgentStatus::Ready);
    for n in 1..=3 {
        let when = i64::from(n) * 10;
        story.calls(n, when);
        story.tell(n, when, Change::OwnerChanged { agent: Some(agent(1)) });
        story.ends(n, 100 + when);
    }
    story.status(1, 150, AgentStatus::NotReady { reason: "lunch".to_owned() });
    let report = story.report(200);
    let time = report.times.values().next().expect("his first quarter");
    assert_eq!((time.idle, time.busy, time.away), (seconds(30), seconds(120), seconds(50)));
    assert_eq!(time.occupancy(), Some(0.8));
    let now: Vec<_> = story.statistics.occupations().collect();
    assert_eq!(now, [(agent(1), Occupation::Away, at(150))]);
}

#[test]
fn a_further_channel_is_no_repeat_and_a_further_contact_is_one() {
    let mut story = Story::new();
    story.calls(1, 0);
    story.is_answered(1, 10, 1);
    story.tell(1, 20, Change::Escalated { to: Medium::Chat, by: Side::Agent, how: "code".to_owned() });
    let leg = LegId::new(at(0), [99; 10]);
    let address = String::new();
    story.tell(1, 21, Change::LegOpened { leg, medium: Medium::Chat, party: Party::Customer, address });
    story.ends(1, 100);
    assert_eq!(story.total(200).resolved_at_first_contact(), Some(1.0));
    // The same customer, an hour later.
    let entry = "main".to_owned();
    story.tell(2, 3_700, Change::SessionOpened { customer: customer(1), entry, medium: Medium::Chat });
    let total = story.total(3_700);
    assert_eq!((total.served, total.repeated), (1, 1));
    // A day after that.
    story.ends(2, 3_800);
    story.calls(3, 200_000);
    story.ends(3, 200_001);
    let total = story.total(200_002);
    assert_eq!((total.served, total.repeated), (1, 1), "what was counted stays so");
}

#[test]
fn offers_that_came_to_nothing_are_the_agents() {
    let mut story = Story::new();
    story.calls(1, 0);
    story.waits(1, 0, "support");
    for (n, outcome) in
        [(1, OfferOutcome::Declined), (2, OfferOutcome::TimedOut), (3, OfferOutcome::Withdrawn)]
    {
        let offer = OfferId::new(at(0), [n; 10]);
        story.tell(1, 1, Change::Offered { offer, agent: agent(n), queue: queue("support"), why: None });
        story.tell(1, 2, Change::OfferEnded { offer, agent: agent(n), outcome });
    }
    let total = story.total(10);
    assert_eq!((total.rung, total.declined, total.not_answered), (3, 1, 1));
}

#[test]
fn an_entry_that_is_read_twice_counts_once() {
    let (mut once, mut twice) = (Story::new(), Story::new());
    for (story, times) in [(&mut once, 1), (&mut twice, 2)] {
        for (seq, change) in [
            Change::SessionOpened { customer: customer(1), entry: String::new(), medium: Medium::Voice },
            Change::Queued { queue: queue("support"), priority: 0, since: at(0), asks: Box::default() },
            Change::OwnerChanged { agent: Some(agent(1)) },
        ]
        .into_iter()
        .enumerate()
        {
            let entry = Entry { session: session(1), seq: seq as u64 + 1, at: at(seq as i64), change };
            for _ in 0..times {
                story.statistics.add(&Record::Session(entry.clone()));
            }
        }
    }
    assert_eq!(once.report(50), twice.report(50));
}
