use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use e2e::lab::Postgres;
use model::{
    AgentChange, AgentId, AgentStatus, Author, Cause, Change, CustomerId, Ending, Entry, Evidence, Identity,
    LegId, Medium, Message, MessageId, Party, QueueName, Record, RecordingId, SessionId, Side, Timestamp,
    VisitorId,
};
use server::config::{Database, PostgresUrl};
use server::store::{Page, SessionFilter, Store, Work, Writer, Written};
use session::api::{Reply, RequestId};
use tempfile::TempDir;

/// Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(20);

struct Disk {
    store: Store,
    writer: Writer,
    written: mpsc::Receiver<Written>,
    thread: JoinHandle<()>,
    place: Place,
}

/// Where a test has its database.
enum Place {
    Sqlite(TempDir),
    Postgres(Postgres),
}

impl Place {
    fn database(&self) -> Database {
        match self {
            Self::Sqlite(folder) => Database::Sqlite(folder.path().join("t.db")),
            Self::Postgres(postgres) => {
                Database::Postgres(PostgresUrl::new(&postgres.url()).expect("an address"))
            }
        }
    }
}

/// A test for both databases.
macro_rules! on_both {
    ($(async fn $name:ident($disk:ident: Disk) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test($disk: Disk) $body

            #[tokio::test]
            async fn on_sqlite() {
                test(Disk::sqlite().await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                test(Disk::postgres().await).await;
            }
        }
    )+};
}

/// Which customer, his name, his identities, his earlier sessions.
type Contact = (usize, Option<String>, Vec<Identity>, u32);

impl Disk {
    async fn sqlite() -> Self {
        Self::open(Place::Sqlite(tempfile::tempdir().expect("a temporary folder"))).await
    }

    async fn postgres() -> Self {
        Self::open(Place::Postgres(Postgres::new())).await
    }

    async fn another(&self) -> Self {
        match self.place {
            Place::Sqlite(_) => Self::sqlite().await,
            Place::Postgres(_) => Self::postgres().await,
        }
    }

    async fn open(place: Place) -> Self {
        let store = Store::open(&place.database()).await.expect("the database opens");
        let (sender, written) = mpsc::channel();
        let (writer, thread) = Writer::start(&store, move |written| {
            let _ = sender.send(written);
        })
        .expect("the writer starts");
        Self { store, writer, written, thread, place }
    }

    /// Opens the same database again.
    async fn restart(self) -> Self {
        let Self { store, writer, thread, place, .. } = self;
        drop(writer);
        thread.join().expect("the writer ends");
        store.close().await;
        Self::open(place).await
    }

    /// Nobody else can write until the returned is called.
    async fn block(&self) -> impl FnOnce() {
        let (free, blocked) = mpsc::channel::<()>();
        let (sender, is_locked) = mpsc::channel();
        let database = self.place.database();
        let blocker = std::thread::spawn(move || match database {
            Database::Sqlite(file) => {
                let blocker = rusqlite::Connection::open(file).expect("the database");
                blocker.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
                sender.send(()).expect("the test waits");
                let _ = blocked.recv();
                blocker.execute_batch("ROLLBACK").expect("the lock is free again");
            }
            Database::Postgres(url) => {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    use sqlx::Connection as _;
                    let mut blocker = sqlx::PgConnection::connect(url.reveal()).await.expect("the database");
                    for sql in ["BEGIN", "LOCK TABLE journal, customers IN EXCLUSIVE MODE"] {
                        sqlx::query(sql).execute(&mut blocker).await.expect("the lock");
                    }
                    sender.send(()).expect("the test waits");
                    let _ = blocked.recv();
                    sqlx::query("ROLLBACK").execute(&mut blocker).await.expect("the lock is free again");
                });
            }
        });
        is_locked.recv().expect("the lock is taken");
        move || {
            drop(free);
            blocker.join().expect("the lock is free again");
        }
    }

    async fn write(&self, session: SessionId, changes: impl IntoIterator<Item = Change>) {
        for (index, change) in changes.into_iter().enumerate() {
            let seq = index as u64 + 1;
            let at = Timestamp::from_micros(1_000_000 * seq as i64);
            self.writer.write(Work::Journal(Record::Session(Entry { session, seq, at, change })));
        }
        self.writer.flush().await;
    }

    /// Writes what the seed says and tells what was found of each contact; customers by their number of appearance.
    async fn contacts(&self, mut seed: u64, flush_each: bool) -> Vec<Contact> {
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut contacts, mut customers, mut sessions) = (Vec::new(), Vec::new(), 0);
        for _ in 0..60 {
            let number = phone(&format!("+7900111220{}", random(4)));
            let customer = customers.get(random(3) as usize).copied();
            let change = match (random(9), customer) {
                (0, Some(customer)) => {
                    Change::SessionOpened { customer, entry: "main".to_owned(), medium: Medium::Voice }
                }
                (1, Some(customer)) => {
                    let evidence = if random(2) == 0 { Evidence::Origin } else { Evidence::Stated };
                    Change::IdentityLinked { customer, identity: number, evidence }
                }
                (2, Some(customer)) => Change::CustomerNamed { customer, name: "Ivan".to_owned() },
                (known, _) => {
                    let mut identities = vec![(number, Evidence::Origin)];
                    if known == 3 {
                        identities.push((phone("+79001112209"), Evidence::Origin));
                    }
                    identities.truncate(if known == 4 { 0 } else { 2 });
                    let name = (known == 5).then(|| "Petr".to_owned());
                    // Another contact with one of the two comes before the first is answered.
                    let right_behind = identities.get(1).cloned().map(|identity| vec![identity]);
                    let asked = 1 + right_behind.iter().len();
                    for (request, identities) in std::iter::once(identities).chain(right_behind).enumerate() {
                        let request = RequestId(request as u64);
                        self.writer.write(Work::Resolve { request, identities, name: name.clone() });
                    }
                    let mut cards: Vec<_> =
                        std::iter::from_fn(|| Some(self.written.recv().expect("the writer lives")))
                            .filter_map(|written| match written {
                                Written::Resolved { request, customer } => Some((request.0, customer)),
                                _ => None,
                            })
                            .take(asked)
                            .collect();
                    cards.sort_by_key(|(request, _)| *request);
                    for (_, card) in cards {
                        let known = customers.iter().position(|known| *known == card.customer);
                        let place = known.unwrap_or(customers.len());
                        if known.is_none() {
                            customers.push(card.customer);
                        }
                        contacts.push((place, card.name, card.identities, card.earlier_sessions));
                    }
                    continue;
                }
            };
            sessions += 1;
            let (session, at) = (id(SessionId::new, sessions), Timestamp::from_micros(1));
            self.writer.write(Work::Journal(Record::Session(Entry { session, seq: 1, at, change })));
            if flush_each {
                self.writer.flush().await;
            }
        }
        contacts
    }

    async fn resolve(&self, identities: &[(Identity, Evidence)]) -> CustomerId {
        let request = RequestId(1);
        self.writer.write(Work::Resolve { request, identities: identities.to_vec(), name: None });
        self.writer.flush().await;
        self.written
            .try_iter()
            .find_map(|written| match written {
                Written::Resolved { customer, .. } => Some(customer.customer),
                _ => None,
            })
            .expect("a customer")
    }
}

fn id<T>(make: impl Fn(Timestamp, [u8; 10]) -> T, n: u8) -> T {
    make(Timestamp::from_micros(1_000_000), [n; 10])
}

fn message(author: Author, text: &str, external_id: &str, n: u8) -> Change {
    let message = Message {
        id: id(MessageId::new, n),
        author,
        text: text.to_owned(),
        buttons: Vec::new(),
        external_id: Some(external_id.to_owned()),
    };
    Change::Message { message }
}

fn phone(number: &str) -> Identity {
    Identity::Phone(number.to_owned())
}

/// The chat leg of visitor `n`.
fn chat_opened(n: u8) -> Change {
    let (leg, visitor) = (id(LegId::new, n.wrapping_add(100)), id(VisitorId::new, n));
    Change::LegOpened { leg, medium: Medium::Chat, party: Party::Customer, address: visitor.to_string() }
}

on_both! {
async fn the_tables_follow_from_the_journal_and_survive_a_restart(disk: Disk) {
    let customer = disk.resolve(&[(phone("+79001112233"), Evidence::Origin)]).await;
    let (session, agent) = (id(SessionId::new, 1), id(AgentId::new, 2));
    let (leg, recording) = (id(LegId::new, 3), id(RecordingId::new, 4));
    let by_agent = Author::Agent { agent, name: "Anna".to_owned() };
    let queue = QueueName::new("support");
    let ending = Ending::new(Cause::HungUp, Side::Customer);
    disk.write(
        session,
        [
            Change::SessionOpened { customer, entry: "main".to_owned(), medium: Medium::Chat },
            chat_opened(1),
            Change::CustomerNamed { customer, name: "Ivan".to_owned() },
            message(Author::Customer, "hello", "1", 10),
            Change::Queued { queue, priority: 0, since: Timestamp::from_micros(3), asks: Default::default() },
            Change::OwnerChanged { agent: Some(agent) },
            message(by_agent, "good day", "1", 11),
            Change::LegOpened {
                leg,
                medium: Medium::Voice,
                party: Party::Customer,
                address: "+79001112233".into(),
            },
            Change::RecordingStarted { recording, file: "recordings/a.wav".to_owned() },
            Change::RecordingEnded { recording, millis: 1_500 },
            Change::LegEnded { leg, ending: ending.clone() },
            Change::SessionEnded { ending: ending.clone() },
            Change::WrapUpStarted { agent },
            Change::OwnerChanged { agent: None },
            Change::WrapUpEnded { agent, disposition: Some("solved".to_owned()), note: None },
        ],
    )
    .await;
    let disk = disk.restart().await;

    let row = disk.store.session(session).await.expect("read").expect("there");
    assert_eq!(row.head.customer.name.as_deref(), Some("Ivan"));
    assert!(row.head.media.voice && row.head.media.chat);
    assert_eq!(row.head.owner.map(|owner| owner.agent), Some(agent), "an ended session keeps its last owner");
    assert_eq!((row.head.ending, row.recordings), (Some(ending), 1));
    assert_eq!(row.head.disposition.as_deref(), Some("solved"));
    assert_eq!(
        (row.head.opened.as_micros(), row.head.ended.map(Timestamp::as_micros)),
        (1_000_000, Some(12_000_000))
    );

    let stranger = disk.store.messages(session, id(VisitorId::new, 2), 0).await.expect("read");
    assert!(stranger.is_empty(), "whoever has no chat in the session reads nothing of it");
    let messages = disk.store.messages(session, id(VisitorId::new, 1), 4).await.expect("read");
    assert_eq!(
        messages.iter().map(|(seq, _, message)| (*seq, message.text.as_str())).collect::<Vec<_>>(),
        [(7, "good day")]
    );
    let entries = disk.store.entries(session, 0).await.expect("read");
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=15).collect::<Vec<_>>());
    let recordings = disk.store.recordings(None, Some(agent), Page::default()).await.expect("read");
    assert_eq!(recordings[0].millis, Some(1_500));
    assert!(
        disk.store
            .recordings(None, Some(id(AgentId::new, 9)), Page::default())
            .await
            .expect("read")
            .is_empty()
    );
    assert!(disk.store.open_sessions().await.expect("read").is_empty());
}
}

on_both! {
async fn open_sessions_come_back_whole_and_in_order(disk: Disk) {
    let customer = disk.resolve(&[(phone("+79001112233"), Evidence::Origin)]).await;
    let opened =
        |entry: &str| Change::SessionOpened { customer, entry: entry.to_owned(), medium: Medium::Chat };
    let (first, second, ended) = (id(SessionId::new, 1), id(SessionId::new, 2), id(SessionId::new, 3));
    disk.write(second, [opened("b")]).await;
    disk.write(first, [opened("a"), message(Author::Customer, "hi", "x", 1)]).await;
    let ending = Ending::new(Cause::Idle, Side::System);
    disk.write(ended, [opened("c"), Change::SessionEnded { ending }]).await;
    let open = disk.store.open_sessions().await.expect("read");
    let seen: Vec<_> = open.iter().map(|open| (open.entries[0].session, open.entries.len())).collect();
    assert_eq!(seen, [(first, 2), (second, 1)]);
    assert_eq!(open[0].customer.customer, customer);
    assert_eq!(open[0].customer.identities, [phone("+79001112233")]);
    assert_eq!(open[0].customer.earlier_sessions, 2, "all of his but this one");
}
}

on_both! {
async fn an_entry_that_comes_twice_stands_once(disk: Disk) {
    let customer = disk.resolve(&[]).await;
    let session = id(SessionId::new, 1);
    let opened = Change::SessionOpened { customer, entry: "main".to_owned(), medium: Medium::Chat };
    disk.write(session, [opened.clone(), chat_opened(1), message(Author::Customer, "one", "x", 1)]).await;
    disk.write(session, [opened, chat_opened(1), message(Author::Customer, "two", "x", 2)]).await;
    let messages = disk.store.messages(session, id(VisitorId::new, 1), 0).await.expect("read");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].2.text, "one");
}
}

on_both! {
async fn a_customer_is_found_by_the_first_identity_that_is_known(disk: Disk) {
    let origin = |number: &str| (phone(number), Evidence::Origin);
    let a = disk.resolve(&[origin("+79000000001")]).await;
    let b = disk.resolve(&[origin("+79000000002")]).await;
    assert_ne!(a, b);
    assert_eq!(
        disk.resolve(&[origin("+79000000003"), origin("+79000000002"), origin("+79000000001")]).await,
        b
    );
    assert_eq!(disk.resolve(&[origin("+79000000003")]).await, b, "the unknown one became his");
    assert_eq!(disk.resolve(&[origin("+79000000001")]).await, a, "and nothing was merged");
    assert_ne!(disk.resolve(&[]).await, disk.resolve(&[]).await, "nobody knows them: two new customers");
}
}

on_both! {
async fn who_is_recognised_before_the_commit_is_who_would_be_found_after_it(disk: Disk) {
    for seed in 0..12 {
        let (early, late) = (disk.another().await, disk.another().await);
        let found = early.contacts(seed, false).await;
        assert!(found.len() > 20);
        assert_eq!(found, late.contacts(seed, true).await, "seed {seed}");
    }
}
}

on_both! {
async fn a_caller_is_recognised_while_the_disk_hangs(disk: Disk) {
    let known = disk.resolve(&[(phone("+79001112233"), Evidence::Origin)]).await;
    let ask = |number: &str| Work::Resolve {
        request: RequestId(2),
        identities: vec![(phone(number), Evidence::Origin)],
        name: None,
    };
    let free = disk.block().await;
    for (number, is_known) in [("+79001112233", true), ("+79001112244", false)] {
        disk.writer.write(ask(number));
        let Ok(Written::Resolved { customer, .. }) = disk.written.recv_timeout(PATIENCE) else {
            panic!("{number}")
        };
        assert_eq!(customer.customer == known, is_known, "{number}");
    }
    free();
    disk.writer.flush().await;
    let customers = disk.store.customers("+7900111224").await.expect("a search");
    assert_eq!(customers.len(), 1, "the newcomer was written down");
}
}

on_both! {
async fn what_a_customer_says_takes_no_identity_from_another_but_proof_does(disk: Disk) {
    let number = phone("+79000000001");
    let owner = disk.resolve(&[(number.clone(), Evidence::Origin)]).await;
    let other = disk.resolve(&[]).await;
    let linked = |evidence| Change::IdentityLinked { customer: other, identity: number.clone(), evidence };
    disk.write(id(SessionId::new, 1), [linked(Evidence::Stated)]).await;
    assert_eq!(disk.resolve(&[(number.clone(), Evidence::Origin)]).await, owner);
    disk.write(id(SessionId::new, 2), [linked(Evidence::Code)]).await;
    assert_eq!(disk.resolve(&[(number.clone(), Evidence::Origin)]).await, other);
    let former = disk.store.customer(owner).await.expect("read").expect("there");
    assert!(former.identities.is_empty());
}
}

on_both! {
async fn nothing_is_let_out_before_what_stands_before_it_is_on_the_disk(disk: Disk) {
    let free = disk.block().await;

    let entry = Entry {
        session: id(SessionId::new, 1),
        seq: 1,
        at: Timestamp::from_micros(1),
        change: message(Author::Customer, "precious", "x", 1),
    };
    disk.writer.write(Work::Journal(Record::Session(entry)));
    disk.writer.write(Work::Reply { request: RequestId(7), result: Ok(Reply::Done) });
    // A wait for something that must not come.
    assert!(disk.written.recv_timeout(Duration::from_millis(300)).is_err(), "the disk has not taken it yet");
    free();
    disk.writer.flush().await;
    let came: Vec<Written> = disk.written.try_iter().collect();
    assert!(
        matches!(came[..], [Written::Record(_), Written::Reply { request: RequestId(7), .. }]),
        "{came:?}"
    );
}
}

on_both! {
async fn the_last_status_of_an_agent_is_kept(disk: Disk) {
    let agent = id(AgentId::new, 1);
    for (at, status) in [(1, AgentStatus::Ready), (2, AgentStatus::NotReady { reason: "lunch".to_owned() })] {
        let change = AgentChange { agent, at: Timestamp::from_micros(at), status, by: Side::Agent };
        disk.writer.write(Work::Journal(Record::Agent(change)));
    }
    disk.writer.flush().await;
    let statuses = disk.store.agent_statuses().await.expect("read");
    assert_eq!(
        statuses,
        [(agent, AgentStatus::NotReady { reason: "lunch".to_owned() }, Timestamp::from_micros(2))]
    );
}
}

on_both! {
async fn customers_are_found_by_part_of_a_name_or_number_and_by_nothing_else(disk: Disk) {
    let customer = disk.resolve(&[(phone("+79001112233"), Evidence::Origin)]).await;
    let session = id(SessionId::new, 1);
    disk.write(session, [Change::CustomerNamed { customer, name: "Ivan 100%".to_owned() }]).await;
    for (text, count) in [("111", 1), ("ivan", 1), ("100%", 1), ("%", 1), ("_", 0), ("1_1", 0), ("Petr", 0)] {
        assert_eq!(disk.store.customers(text).await.expect("read").len(), count, "{text}");
    }
    let filter = SessionFilter { customer: Some(customer), ..SessionFilter::default() };
    assert!(disk.store.sessions(&filter).await.expect("read").is_empty());
}
}

on_both! {
async fn registrations_are_there_after_a_restart_until_they_expire(disk: Disk) {
    use sip_core::api::{BindingChange, SavedBinding, Transport};
    let saved = |contact: &str, expires: i64| SavedBinding {
        aor: "anna".to_owned(),
        username: "anna-desk".to_owned(),
        contact: contact.to_owned(),
        instance: Some("<urn:uuid:1>".to_owned()),
        reg_id: Some(2),
        q: 700,
        path: vec!["sip:edge.example;lr".to_owned()],
        call_id: "call".to_owned(),
        cseq: 4_000_000_000,
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: "[2001:db8::7]:5062".parse().expect("an address"),
        user_agent: None,
        expires: Timestamp::from_micros(expires),
    };
    let (stays, gone) = (saved("sip:a@192.0.2.7", 2_000_000), saved("sip:b@192.0.2.7", 3_000_000));
    let expired = saved("sip:c@192.0.2.7", 1_000_000);
    let older = SavedBinding { cseq: 1, ..stays.clone() };
    for binding in [older, stays.clone(), gone.clone(), expired] {
        disk.writer.write(Work::Binding(BindingChange::Put(Box::new(binding))));
    }
    let forget = BindingChange::Gone { aor: gone.aor, contact: gone.contact };
    disk.writer.write(Work::Binding(forget));
    disk.writer.flush().await;
    let disk = disk.restart().await;
    let found = disk.store.bindings(Timestamp::from_micros(1_500_000)).await.expect("read");
    assert_eq!(found, [stays]);
}
}

on_both! {
async fn no_text_from_outside_stops_the_journal(disk: Disk) {
    use sip_core::api::{BindingChange, SavedBinding, Transport};
    let customer = disk.resolve(&[(Identity::Email("a\0b@example.org".to_owned()), Evidence::Stated)]).await;
    // Random, so that it cannot be made small.
    let long: String = (0..20_000).map(|_| char::from(rand::random_range(b'!'..=b'~'))).collect();
    let session = id(SessionId::new, 1);
    let opened = Change::SessionOpened { customer, entry: "ma\0in".to_owned(), medium: Medium::Chat };
    let named = Change::CustomerNamed { customer, name: "I\0van".to_owned() };
    disk.write(session, [opened, named, message(Author::Customer, &format!("\0{long}"), "x\0", 1)]).await;
    let saved = SavedBinding {
        aor: "anna".to_owned(),
        username: "anna".to_owned(),
        contact: format!("sip:{long}@192.0.2.1"),
        instance: Some("\0".to_owned()),
        reg_id: None,
        q: 1000,
        path: Vec::new(),
        call_id: long.clone(),
        cseq: 1,
        transport: Transport::Tcp,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: "192.0.2.7:5060".parse().expect("an address"),
        user_agent: Some("\0phone".to_owned()),
        expires: Timestamp::from_micros(5_000_000),
    };
    for _ in 0..2 {
        disk.writer.write(Work::Binding(BindingChange::Put(Box::new(saved.clone()))));
    }
    disk.writer.flush().await;
    assert_eq!(disk.writer.backlog().failures_in_a_row(), 0);
    let entries = disk.store.entries(session, 0).await.expect("read");
    assert!(matches!(&entries[2].change, Change::Message { message } if message.text.ends_with(&long)));
    assert_eq!(disk.store.bindings(Timestamp::from_micros(0)).await.expect("read").len(), 1);
}
}
