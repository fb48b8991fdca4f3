//! A server that is killed at any moment, again and again, while people write, wait, are offered, are served and call.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use e2e::lab::sip::{Request, Udp};
use e2e::lab::{Api, Postgres, Tandem, Visitor, wait_for};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

const PLAN: &str = r#"
flow waits {
  entry sip "+74950000000"
  entry chat "main"
  state waiting {
    queue support { voice music "hold" }
    on full -> over
  }
  state over { close "Come again" { voice file "bye-ru" } }
}
"#;

const SDP: &str = "v=0\no=lab 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9000 RTP/AVP 0\n";

/// A customer who writes all the time.
struct Guest {
    name: String,
    visitor: Visitor,
    /// Everything he has written, in order; and the place of each text that was acknowledged.
    written: Vec<String>,
    acknowledged: BTreeMap<usize, u64>,
}

impl Guest {
    fn new(tandem: &Tandem, name: &str) -> Self {
        let visitor = Visitor::connect(tandem.http, None);
        let mut guest =
            Self { name: name.to_owned(), visitor, written: Vec::new(), acknowledged: BTreeMap::new() };
        assert!(guest.write());
        wait_for("an acknowledgement", PATIENCE, || {
            guest.listen(Duration::from_millis(50));
            (!guest.acknowledged.is_empty()).then_some(())
        });
        guest
    }

    fn id(&self, nth: usize) -> String {
        format!("{}-{nth}", self.name)
    }

    fn write(&mut self) -> bool {
        let nth = self.written.len();
        let text = format!("{} says {nth}", self.name);
        self.written.push(text.clone());
        self.visitor.try_write(&self.id(nth), &text)
    }

    /// Takes down what is acknowledged meanwhile.
    fn listen(&mut self, within: Duration) {
        while let Some(ack) = self.visitor.find("ack", within) {
            let nth = ack["id"].as_str().and_then(|id| id.rsplit('-').next()?.parse().ok());
            let (nth, seq): (usize, u64) = (nth.expect("our id"), ack["seq"].as_u64().expect("a place"));
            let before = *self.acknowledged.entry(nth).or_insert(seq);
            assert_eq!(before, seq, "{} {nth} was taken for two messages", self.name);
        }
    }

    /// Connects again, and says again what nobody has acknowledged, as the widget does.
    fn come_back(&mut self, tandem: &Tandem) {
        let mut visitor = Visitor::connect(tandem.http, Some(&self.visitor));
        assert_eq!(visitor.session, self.visitor.session, "{} is in his own session again", self.name);
        std::mem::swap(&mut self.visitor, &mut visitor);
        for nth in 0..self.written.len() {
            if !self.acknowledged.contains_key(&nth) {
                let (id, text) = (self.id(nth), self.written[nth].clone());
                let ack = self.visitor.say(&id, &text);
                assert_eq!(ack["id"], id.as_str());
                self.acknowledged.insert(nth, ack["seq"].as_u64().expect("a place"));
            }
        }
    }

    fn session(&self) -> &str {
        self.visitor.session.as_deref().expect("he has written")
    }
}

struct Desk {
    api: Api,
    agent: String,
}

impl Desk {
    fn new(tandem: &Tandem, admin: &Api, login: &str) -> Self {
        let api = tandem.sign_in(login);
        let agent = api.me["agent"].as_str().expect("an id").to_owned();
        admin.patch(&format!("/users/{agent}"), &json!({ "capacity": { "voice": 1, "chat": 1 } }));
        Self { api, agent }
    }

    fn view(&self) -> Value {
        self.api.get("/desk")
    }

    fn offer(&self) -> Value {
        wait_for("an offer", PATIENCE, || {
            let view = self.view();
            let offers = view["offers"].as_array()?;
            assert!(offers.len() < 2, "one chat at a time: {view}");
            offers.first().cloned()
        })
    }
}

fn story(kills: usize, extra: &str) {
    let seed =
        std::env::var("TANDEM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("TANDEM_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let plans = tempfile::tempdir().expect("a folder");
    fs::write(plans.path().join("waits.plan"), PLAN).expect("written");
    let extra = format!("[chat]\nframes_per_second = 1000\nconnections_per_minute = 10000\n{extra}");
    let mut tandem = Tandem::start_with(plans.path(), &extra);
    let admin = tandem.sign_in("admin");
    let (anna, boris) = (Desk::new(&tandem, &admin, "anna"), Desk::new(&tandem, &admin, "boris"));

    // Anna serves the first; the others wait, and boris, who never answers, is offered the first of them.
    let mut served = Guest::new(&tandem, "served");
    {
        let _desk = anna.api.open_desk(tandem.http);
        anna.api.ready();
        let offer = anna.offer();
        anna.api.desk(&json!({ "command": "accept", "offer": offer["offer"] }));
    }
    let mut waiting: Vec<Guest> =
        ["first", "second", "third"].iter().map(|name| Guest::new(&tandem, name)).collect();
    let mut answers = Vec::new();
    let mut callers = Vec::new();

    for kill in 0..kills {
        for guest in waiting.iter_mut().chain([&mut served]) {
            guest.come_back(&tandem);
        }
        let _desks = [&anna, &boris].map(|desk| desk.api.open_desk(tandem.http));
        for desk in [&anna, &boris] {
            desk.api.ready();
        }
        let offer = boris.offer();
        assert_eq!(offer["session"], waiting[0].session(), "kill {kill}: the first in the queue is offered");
        let view = anna.view();
        assert_eq!(view["offers"].as_array().map(Vec::len), Some(0), "anna has what she can: {view}");
        assert_eq!(view["sessions"][0]["session"], served.session(), "kill {kill}: it is still hers");
        let answer = format!("answer {kill}");
        let message =
            json!({ "command": "send", "session": served.session(), "external_id": answer, "text": answer });
        anna.api.desk(&message);
        answers.push(answer);

        let caller = format!("+7900555{:04}", 1000 + kill);
        let phone = Udp::new(tandem.sip, "127.0.0.1");
        let mut invite = Request::new("INVITE", &format!("sip:+74950000000@{}", tandem.sip)).with_sdp(SDP);
        invite.from = format!("sip:{caller}@127.0.0.1");
        let (status, answered) = phone.ask(&invite).expect("an answer");
        assert_eq!(status, 200, "{answered}");
        phone.send(&invite.within("ACK", 1, &answered, phone.address()));
        wait_for("the call waits", PATIENCE, || {
            let rows = admin.get("/sessions?state=open&limit=100");
            let calls = rows
                .as_array()?
                .iter()
                .filter(|row| row["media"]["voice"] == true && row["queue"] == "support");
            // Those whose calls were broken wait to be called back.
            (calls.count() == callers.len() + 1).then_some(())
        });
        callers.push(caller);

        let (id, delay) = (tandem.process().id(), Duration::from_millis(random.random_range(0..300)));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(delay);
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        });
        'writing: loop {
            for guest in waiting.iter_mut().chain([&mut served]) {
                if !guest.write() {
                    break 'writing;
                }
                guest.listen(Duration::from_millis(1));
            }
            if killer.is_finished() {
                break;
            }
        }
        killer.join().expect("it ends");
        // What has come before the end counts.
        for guest in waiting.iter_mut().chain([&mut served]) {
            guest.listen(Duration::from_millis(20));
        }
        tandem.kill();
        tandem.launch();
    }

    for guest in waiting.iter_mut().chain([&mut served]) {
        guest.come_back(&tandem);
        nothing_is_lost(&tandem, &admin, guest);
    }
    let journals = journals(&admin);
    offers_are_never_doubled(&journals, &boris.agent, waiting[0].session(), kills);
    let told = texts(&journals, served.session(), "agent");
    assert_eq!(told, answers, "each of the operator's answers once and in order");
    calls_are_marked(&journals, &callers);

    // Nobody has lost his place, and nobody is stuck.
    let _desk = boris.api.open_desk(tandem.http);
    boris.api.ready();
    for guest in &waiting {
        let offer = boris.offer();
        assert_eq!(offer["session"], guest.session(), "{} is next", guest.name);
        boris.api.desk(&json!({ "command": "accept", "offer": offer["offer"] }));
        let session = guest.session();
        boris.api.desk(&json!({ "command": "close_chat", "session": session }));
        let done =
            json!({ "command": "finish_wrap_up", "session": session, "disposition": null, "note": null });
        boris.api.desk(&done);
    }
}

/// Every text once, in its place and in order.
fn nothing_is_lost(tandem: &Tandem, admin: &Api, guest: &Guest) {
    let mut fresh = Visitor::connect(tandem.http, None);
    drop(std::mem::replace(&mut fresh.token, guest.visitor.token.clone()));
    let fresh = Visitor::connect(tandem.http, Some(&fresh));
    let entries = admin.get(&format!("/sessions/{}/entries", guest.session()));
    let entries = entries.as_array().expect("a journal");
    let seqs: Vec<u64> = entries.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{} has a hole in his journal", guest.name);
    let said: Vec<(u64, &str)> = entries
        .iter()
        .filter(|entry| entry["change"]["message"]["author"]["who"] == "customer")
        .filter_map(|entry| Some((entry["seq"].as_u64()?, entry["change"]["message"]["text"].as_str()?)))
        .collect();
    for (nth, seq) in &guest.acknowledged {
        let place = said.iter().find(|(place, _)| place == seq);
        assert_eq!(place.map(|(_, text)| *text), Some(guest.written[*nth].as_str()), "{} {nth}", guest.name);
    }
    let mut texts: Vec<&str> = said.iter().map(|(_, text)| *text).collect();
    texts.sort_unstable();
    let mut written: Vec<&str> = guest.written.iter().map(String::as_str).collect();
    written.sort_unstable();
    assert_eq!(texts, written, "each text of {} once", guest.name);
    let shown = fresh.shown.iter().filter(|(_, author, _)| author == "customer").count();
    assert!(shown > 0, "{} sees his conversation", guest.name);
}

type Journals = Vec<(String, Vec<Value>)>;

fn journals(admin: &Api) -> Journals {
    let rows = admin.get("/sessions?limit=500");
    let ids = rows.as_array().expect("a list").iter().filter_map(|row| row["session"].as_str());
    ids.map(|id| {
        let entries = admin.get(&format!("/sessions/{id}/entries"));
        (id.to_owned(), entries.as_array().cloned().expect("a journal"))
    })
    .collect()
}

fn of<'a>(journals: &'a Journals, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    journals
        .iter()
        .flat_map(|(id, entries)| entries.iter().map(move |entry| (id.as_str(), entry)))
        .filter(move |(_, entry)| entry["change"]["type"] == kind)
}

fn texts(journals: &Journals, session: &str, who: &str) -> Vec<String> {
    of(journals, "message")
        .filter(|(id, entry)| *id == session && entry["change"]["message"]["author"]["who"] == who)
        .filter_map(|(_, entry)| Some(entry["change"]["message"]["text"].as_str()?.to_owned()))
        .collect()
}

/// What boris was offered was the first each time, and one ended before the next began.
fn offers_are_never_doubled(journals: &Journals, boris: &str, first: &str, kills: usize) {
    let mut offers: Vec<(i64, bool, &str, &str)> = of(journals, "offered")
        .map(|pair| (pair, true))
        .chain(of(journals, "offer_ended").map(|pair| (pair, false)))
        .filter(|((_, entry), _)| entry["change"]["agent"] == boris)
        .map(|((id, entry), begins)| {
            (
                entry["at"].as_i64().expect("a time"),
                begins,
                id,
                entry["change"]["offer"].as_str().expect("an id"),
            )
        })
        .collect();
    offers.sort_by_key(|(at, begins, ..)| (*at, *begins));
    let mut open = None;
    for (_, begins, session, offer) in &offers {
        if *begins {
            assert_eq!(open.replace(offer), None, "he has two offers");
            assert_eq!(*session, first, "somebody was offered before the first");
        } else {
            assert_eq!(open.take(), Some(offer), "an offer ended that was not open");
        }
    }
    assert!(offers.iter().filter(|(_, begins, ..)| *begins).count() >= kills);
}

/// Every call that a kill broke says so, and is promised to be called back in its turn.
fn calls_are_marked(journals: &Journals, callers: &[String]) {
    let broken =
        of(journals, "leg_ended").filter(|(_, entry)| entry["change"]["ending"]["cause"] == "restarted");
    assert_eq!(broken.count(), callers.len());
    let mut promised: Vec<(i64, &str)> = of(journals, "callback_promised")
        .map(|(id, entry)| {
            assert_eq!(entry["change"]["by"], "system");
            let places = of(journals, "queued").filter(|(session, _)| *session == id);
            let places: Vec<&Value> = places.map(|(_, entry)| &entry["change"]).collect();
            let since = places[0]["since"].as_i64().expect("a time");
            assert!(
                places.iter().all(|place| place["since"] == since && place["priority"] == 0),
                "{places:?}"
            );
            (since, entry["change"]["number"].as_str().expect("a number"))
        })
        .collect();
    promised.sort_unstable();
    let order: Vec<&str> = promised.iter().map(|(_, number)| *number).collect();
    assert_eq!(order, callers, "each once, in the order of the queue");
}

#[test]
fn twenty_kills_at_any_moment_lose_no_word_no_place_and_no_call_and_double_no_offer() {
    story(20, "");
}

#[test]
fn nor_do_kills_with_postgresql() {
    let postgres = Postgres::new();
    story(5, &format!("[database]\nurl = \"{}\"\n", postgres.url()));
}
