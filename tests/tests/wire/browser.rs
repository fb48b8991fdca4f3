//! Chromium as operator and customer, and a phone (baresip); `tests/browser` holds what they do.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use e2e::lab::sound::Channel;
use e2e::lab::{Api, Process, Tandem, free_port, project};
use serde_json::{Value, json};

/// Calls out ring the phone.
fn config(phone: u16) -> String {
    format!(
        r#"
[[trunk]]
name = "carrier"
sources = ["127.0.0.1"]
destination = "127.0.0.1:{phone}"
"#
    )
}

const CALLER: f64 = 1000.0;
const OPERATOR: f64 = 440.0;
const CUSTOMER: f64 = 1300.0;

/// A script that leaves something out must not pass.
const CHECKS: [&str; 26] = [
    "the operator signs in, and his phone registers",
    "the caller hears the greeting",
    "the operator sees who calls, why and since when before accepting",
    "after accepting each hears the other",
    "the operator gives the caller a name",
    "the caller types the operator's code on the page and is in the same session",
    "call and chat run at once",
    "a held caller hears music, and the operator after it",
    "a muted operator is not heard until he unmutes",
    "a reload of the operator's tab gives the caller music and then the operator back",
    "who was muted when he reloaded is muted when he is back",
    "the operator hangs up, the caller's call ends, and the chat goes on",
    "after the chat is closed he wraps up with a disposition",
    "the recording plays in the console",
    "a customer writes, and the flow asks him with buttons",
    "his choice brings him to an operator, who sees it before accepting",
    "each sees the other type, and what he wrote",
    "messages are delivered and read on both sides",
    "HTML from a customer is shown as text on both sides",
    "a reload of either side loses and doubles nothing",
    "the customer calls from the page, and each hears the other",
    "the chat runs on during the call and after it",
    "the operator calls the customer's phone out of the chat, and each hears the other",
    "the end is wrapped up, and the widget can begin anew",
    "the wallboard shows what became of the day's contacts",
    "the report says the same in its table, its chart and its file",
];

#[test]
fn an_operator_in_a_browser_serves_a_phone_and_a_page() {
    let phone = free_port();
    let tandem = Tandem::start(&config(phone));
    let facts = run_browser(&tandem, phone);
    let by = tandem.sign_in("vera");

    let rows = by.get("/sessions?limit=500");
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "one session each: {rows}");
    assert_eq!(by.get("/sessions?state=open"), json!([]));

    let call = by.get(&format!("/sessions/{}", facts["phone.session"]));
    in_order(
        &call,
        &[
            "session_opened voice",
            "context_set topic=support",
            "queued support",
            "offered",
            "leg_answered agent voice",
            "offer_ended accepted",
            "owner_changed",
            "recording_started",
            "customer_named",
            "escalated chat by agent",
            "leg_opened customer chat",
            "message agent: Отправляю ссылку на заказ: https://shop.example.org/orders/1042",
            "message customer: Вижу, спасибо! А доставка завтра?",
            "leg_held agent voice",
            "leg_muted agent voice",
            "leg_ended agent voice: lost by system",
            "leg_answered agent voice",
            "leg_ended customer voice: hung_up by agent",
            "recording_ended",
            "message customer: До свидания!",
            "leg_ended customer chat: hung_up by agent",
            "session_ended",
            "wrap_up_started",
            "wrap_up_ended resolved",
        ],
    );
    check_recordings(&by, &call, &[CALLER]);

    let chat = by.get(&format!("/sessions/{}", facts["chat.session"]));
    in_order(
        &chat,
        &[
            "session_opened chat",
            "message customer: Здравствуйте!",
            "context_set topic=support",
            "queued support",
            "offered",
            "offer_ended accepted",
            "owner_changed",
            "message agent: Чем могу помочь?",
            "message customer: Не приходит код подтверждения",
            "message agent: Пока вас не было",
            "message customer: И пока вас не было",
            "escalated voice by customer",
            "leg_opened customer voice",
            "leg_answered agent voice",
            "recording_started",
            "message customer: Слышу вас хорошо",
            "leg_ended customer voice: hung_up by customer",
            "recording_ended",
            "message agent: Хорошего дня!",
            "escalated voice by agent",
            "leg_answered agent voice",
            "leg_answered customer voice",
            "recording_started",
            "leg_ended customer voice: hung_up by customer",
            "recording_ended",
            "session_ended",
            "wrap_up_started",
            "wrap_up_ended sold",
        ],
    );
    check_recordings(&by, &chat, &[CUSTOMER, CALLER]);
    let texts: Vec<&str> = entries(&chat)
        .filter(|change| change["type"] == "message" && change["message"]["author"]["who"] != "flow")
        .filter_map(|change| change["message"]["text"].as_str())
        .collect();
    let mut once = texts.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), texts.len(), "a message stands there twice: {texts:?}");
    tandem.settles(
        &["tandem_sessions_open", "tandem_legs", "tandem_offers", "tandem_sip_calls"],
        Duration::from_secs(5),
    );
}

/// Runs the script, and gives the facts that it found when every check was made and is good.
fn run_browser(tandem: &Tandem, phone: u16) -> BTreeMap<String, String> {
    let folder = tandem.folder.path();
    let pictures = project().join("tests/out");
    let settings = json!({
        "http": format!("http://{}", tandem.http), "sip": tandem.sip, "folder": folder, "pictures": pictures,
        "login": "anna", "password": "demo-anna", "phonePort": phone,
    });
    let script = project().join("tests/browser/run.mjs");
    let log = folder.join("browser.log");
    let mut command = Command::new("node");
    command.arg(script).arg(settings.to_string());
    let mut node = Process::start(&mut command, &log);
    let status = node.wait(Duration::from_secs(180));
    let said = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let good: Vec<&str> =
        lines.iter().filter(|line| line["ok"] == true).filter_map(|line| line["check"].as_str()).collect();
    for line in lines.iter().filter(|line| line["check"].is_string()) {
        eprintln!("{line}");
    }
    let phone = fs::read_to_string(folder.join("phone.log")).unwrap_or_default();
    assert!(status.success() && good == CHECKS, "{status}\n{said}\n{phone}\n{}", tandem.log());
    let fact = |line: &Value| Some((line["fact"].as_str()?.to_owned(), line["value"].as_str()?.to_owned()));
    lines.iter().filter_map(fact).collect()
}

fn entries(session: &Value) -> impl Iterator<Item = &Value> {
    session["entries"].as_array().expect("entries").iter().map(|entry| &entry["change"])
}

/// The timeline as lines of what matters here.
fn told(session: &Value) -> Vec<String> {
    let legs: BTreeMap<&str, String> = entries(session)
        .filter(|change| change["type"] == "leg_opened")
        .map(|leg| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (leg["leg"].as_str().expect("an id"), text(&leg["party"]["who"]) + " " + &text(&leg["medium"]))
        })
        .collect();
    entries(session)
        .map(|change| {
            let text = |key: &str| change[key].as_str().unwrap_or_default();
            let leg = legs.get(text("leg")).cloned().unwrap_or_default();
            match text("type") {
                "session_opened" => format!("session_opened {}", text("medium")),
                "context_set" => format!("context_set {}={}", text("key"), text("value")),
                "queued" => format!("queued {}", text("queue")),
                "offer_ended" => format!("offer_ended {}", text("outcome")),
                "escalated" => format!("escalated {} by {}", text("to"), text("by")),
                "wrap_up_ended" => format!("wrap_up_ended {}", text("disposition")),
                "message" => {
                    let message = &change["message"];
                    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    format!("message {}: {}", part(&message["author"]["who"]), part(&message["text"]))
                }
                "leg_ended" => {
                    let part = |key: &str| change["ending"][key].as_str().unwrap_or_default();
                    format!("leg_ended {leg}: {} by {}", part("cause"), part("by"))
                }
                kind if kind.starts_with("leg_") => format!("{kind} {leg}"),
                kind => kind.to_owned(),
            }
        })
        .collect()
}

#[track_caller]
fn in_order(session: &Value, expected: &[&str]) {
    let told = told(session);
    let mut rest = told.iter();
    for line in expected {
        assert!(
            rest.any(|one| one == line),
            "“{line}” is missing or stands too early in\n{}",
            told.join("\n")
        );
    }
}

/// The session's recordings, one for each call in it, hold the customer on the left and the operator on the right, each apart
/// from the other, and together they are as long as was talked.
#[track_caller]
fn check_recordings(by: &Api, session: &Value, customers: &[f64]) {
    let recordings = session["recordings"].as_array().expect("recordings");
    assert_eq!(recordings.len(), customers.len(), "{recordings:?}");
    let mut told = 0.0;
    let mut held = 0.0;
    for customer in customers {
        let channels = recordings.iter().map(|recording| listen(by, recording));
        let found = channels.filter(|[left, _]| left.seconds_of(*customer) > 0.2).collect::<Vec<_>>();
        let [[left, right]] = found.as_slice() else {
            panic!("{} recordings hold {customer} Hz", found.len())
        };
        check_recording(left, right, *customer);
        held += left.seconds();
    }
    for recording in recordings {
        told += recording["millis"].as_f64().expect("its length") / 1000.0;
    }
    assert!((held - told).abs() < 0.5, "they last {held} s and are said to last {told} s");
    let talked = talked(session);
    assert!((held - talked).abs() < 1.5, "they talked for {talked} s, and the recordings last {held} s");
}

fn listen(by: &Api, recording: &Value) -> [Channel; 2] {
    let id = recording["recording"].as_str().expect("an id");
    let channels = Channel::of_wav(&by.bytes(&format!("/recordings/{id}/audio")));
    channels.try_into().unwrap_or_else(|channels: Vec<Channel>| panic!("{} channels", channels.len()))
}

#[track_caller]
fn check_recording(customer: &Channel, operator: &Channel, tone: f64) {
    let heard = customer.hears(tone, 0.1);
    let begin = heard.iter().position(|heard| *heard).unwrap_or(heard.len());
    // A browser that was just let in needs a moment for its first sound.
    assert!(begin < 20, "the customer is first heard after {begin} tenths of a second");
    let silent = heard[begin..].iter().filter(|heard| !**heard).count();
    assert!(silent * 8 < heard.len() - begin, "{silent} of {} tenths are missing on the left", heard.len());
    let (spoken, whole) = (operator.seconds_of(OPERATOR), operator.seconds());
    assert!(spoken > whole * 0.4, "the operator is heard for {spoken} of {whole} s on the right");
    assert!(customer.seconds_of(OPERATOR) < 0.3, "the operator is heard on the left");
    assert!(operator.seconds_of(tone) < 0.3, "the customer is heard on the right");
}

/// Seconds in which a customer was in a call that an operator had joined, however often the operator's leg was replaced.
fn talked(session: &Value) -> f64 {
    let lines = told(session);
    let at = |place: usize| session["entries"][place]["at"].as_f64().expect("a time") / 1e6;
    let (mut sum, mut since) = (0.0, None);
    for (place, line) in lines.iter().enumerate() {
        if line == "recording_started" {
            since = since.or(Some(at(place)));
        } else if line.starts_with("leg_ended customer voice") {
            sum += since.take().map_or(0.0, |since| at(place) - since);
        }
    }
    sum
}
