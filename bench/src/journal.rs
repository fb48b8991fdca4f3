//! The journal: how many events a second reach the disk, and how long a start takes after a million of them.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use model::{
    AgentId, Author, Cause, Change, CustomerId, Ending, Entry, LegId, Medium, Message, MessageId, OfferId,
    OfferOutcome, Party, QueueName, Record, SessionId, Side, Timestamp, VisitorId,
};
use server::config::Database;
use server::store::{Store, Work, Writer};
use session::api::{Reply, RequestId};

use crate::tandem::{Tandem, free_udp};

const EVENTS: u32 = 1_000_000;
/// Of each chat.
const LENGTH: u32 = 20;
/// One of so many is open when the server ends.
const OPEN: u32 = 10;
/// Most events that have not reached the disk: a server refuses new work long before.
const AHEAD: usize = 50_000;
const LIMIT_MICROS: f64 = 50.0;
const LIMIT_START_SECONDS: f64 = 5.0;

pub fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data)?;
    let file = data.join("tandem.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let written = runtime.block_on(write(&file))?;
    let micros = written * 1e6 / f64::from(EVENTS);
    crate::beside_limit("journal to SQLite, each event, µs", LIMIT_MICROS, micros);
    println!("    {:<48} {:>21.0}", "events a second", f64::from(EVENTS) / written);

    let start = Instant::now();
    let tandem = Tandem::start(folder.path(), free_udp()?, 0)?;
    let took = start.elapsed().as_secs_f64();
    let sessions = EVENTS / LENGTH / OPEN;
    let log = tandem.log(folder.path());
    ensure!(!log.contains("ERROR"), "{log}");
    crate::beside_limit("start after 1,000,000 events, until ready, s", LIMIT_START_SECONDS, took);
    println!("    {:<48} {:>21}", "sessions that were open", sessions);
    Ok(())
}

/// How many seconds it took until all were durable.
async fn write(file: &Path) -> Result<f64> {
    let store = Store::open(&Database::Sqlite(file.to_owned())).await?;
    let (writer, thread) = Writer::start(&store, |_| {})?;
    let backlog = writer.backlog();
    let start = Instant::now();
    for number in 0..EVENTS / LENGTH {
        for (index, change) in chat(number).into_iter().enumerate() {
            let answered = matches!(change, Change::Message { .. });
            let at = Timestamp::from_micros(1_790_000_000_000_000 + i64::from(number) * 1000 + index as i64);
            let entry = Entry { session: id(SessionId::new, number), seq: index as u64 + 1, at, change };
            writer.write(Work::Journal(Record::Session(entry)));
            if answered {
                writer.write(Work::Reply { request: RequestId(u64::from(number)), result: Ok(Reply::Done) });
            }
        }
        while backlog.waiting() > AHEAD {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    writer.flush().await;
    let took = start.elapsed().as_secs_f64();
    drop(writer);
    ensure!(thread.join().is_ok(), "the writer failed");
    store.close().await;
    Ok(took)
}

/// A chat that waits, is offered twice, is served and, mostly, ends.
fn chat(number: u32) -> Vec<Change> {
    let agent = id(AgentId::new, number % 100);
    let (customer, leg) = (id(CustomerId::new, number / 3), id(LegId::new, number));
    let queue = QueueName::new("support");
    let said = |nth: u32, author| {
        let text = "The parcel has not come, and nobody can tell me where it is.".to_owned();
        let message = Message {
            id: id(MessageId::new, number * LENGTH + nth),
            author,
            text,
            buttons: Vec::new(),
            external_id: Some(format!("m-{number}-{nth}")),
        };
        Change::Message { message }
    };
    let offered = |nth: u32, outcome| {
        let (offer, queue) = (id(OfferId::new, number * 2 + nth), queue.clone());
        [Change::Offered { offer, agent, queue, why: None }, Change::OfferEnded { offer, agent, outcome }]
    };
    let address = id(VisitorId::new, number).to_string();
    let mut changes = vec![
        Change::SessionOpened { customer, entry: "main".to_owned(), medium: Medium::Chat },
        Change::LegOpened { leg, medium: Medium::Chat, party: Party::Customer, address },
        said(0, Author::Customer),
        Change::Queued { queue: queue.clone(), priority: 0, since: Timestamp(1), asks: Box::default() },
    ];
    changes.extend(offered(0, OfferOutcome::TimedOut));
    changes.extend(offered(1, OfferOutcome::Accepted));
    changes.push(Change::Dequeued { queue: queue.clone(), why: model::Left::Answered });
    changes.push(Change::OwnerChanged { agent: Some(agent) });
    let is_open = number.is_multiple_of(OPEN);
    let ending = Ending::new(Cause::HungUp, Side::Customer);
    let mut end = if is_open {
        Vec::new()
    } else {
        vec![
            Change::LegEnded { leg, ending: ending.clone() },
            Change::SessionEnded { ending },
            Change::WrapUpStarted { agent },
            Change::WrapUpEnded { agent, disposition: None, note: None },
        ]
    };
    for nth in 1..=LENGTH - (changes.len() + end.len()) as u32 {
        let author =
            if nth % 2 == 0 { Author::Customer } else { Author::Agent { agent, name: "Anna".to_owned() } };
        changes.push(said(nth, author));
    }
    changes.append(&mut end);
    changes
}

fn id<T>(make: impl Fn(Timestamp, [u8; 10]) -> T, n: u32) -> T {
    let mut random = [7; 10];
    random[..4].copy_from_slice(&n.to_be_bytes());
    make(Timestamp::from_micros(1_790_000_000_000_000 + i64::from(n) * 1000), random)
}
