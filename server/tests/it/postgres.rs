//! What only a database over a wire can do: go away.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use e2e::lab::{Postgres, PostgresServer};
use model::{
    AgentChange, AgentId, AgentStatus, Author, Change, CustomerId, Entry, Medium, Message, MessageId, Record,
    SessionId, Side, Timestamp,
};
use server::config::{Database, PostgresUrl};
use server::store::{Store, Work, Writer, Written};
use session::api::{Reply, RequestId};

use crate::proxy::Proxy;

/// Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(40);

struct Journal {
    store: Store,
    writer: Writer,
    written: mpsc::Receiver<Written>,
}

impl Journal {
    async fn open(url: &str) -> Self {
        let database = Database::Postgres(PostgresUrl::new(url).expect("an address"));
        let store = Store::open(&database).await.expect("the database opens");
        let (sender, written) = mpsc::channel();
        let let_out = move |written| {
            let _ = sender.send(written);
        };
        let (writer, _) = Writer::start(&store, let_out).expect("the writer starts");
        Self { store, writer, written }
    }

    fn says(&self, seq: u64, text: &str) {
        let change = match seq {
            1 => {
                let customer = CustomerId::new(Timestamp(0), [1; 10]);
                Change::SessionOpened { customer, entry: text.to_owned(), medium: Medium::Chat }
            }
            _ => Change::Message {
                message: Message {
                    id: MessageId::new(Timestamp(0), [seq as u8; 10]),
                    author: Author::Customer,
                    text: text.to_owned(),
                    buttons: Vec::new(),
                    external_id: Some(format!("{text} {seq}")),
                },
            },
        };
        let entry = Entry { session: session(), seq, at: Timestamp(seq as i64), change };
        self.writer.write(Work::Journal(Record::Session(entry)));
        self.writer.write(Work::Reply { request: RequestId(seq), result: Ok(Reply::Done) });
    }

    /// Which requests are answered within this time.
    fn answered(&self, within: Duration) -> Option<u64> {
        let end = Instant::now() + within;
        loop {
            match self.written.recv_timeout(end.saturating_duration_since(Instant::now())).ok()? {
                Written::Reply { request, .. } => return Some(request.0),
                _ => continue,
            }
        }
    }
}

fn session() -> SessionId {
    SessionId::new(Timestamp(0), [1; 10])
}

#[tokio::test]
async fn while_postgresql_is_away_nothing_is_acknowledged_and_when_it_is_back_everything_is_once() {
    let server = PostgresServer::start();
    let journal = Journal::open(&server.url()).await;
    journal.says(1, "main");
    assert_eq!(journal.answered(PATIENCE), Some(1));
    server.stop();
    journal.says(2, "precious");
    assert_eq!(journal.answered(Duration::from_secs(1)), None, "nobody has kept it");
    let backlog = journal.writer.backlog();
    assert!(backlog.failures_in_a_row() > 0, "there is an alarm");
    let asked = Instant::now();
    assert!(!journal.store.is_alive().await);
    assert!(asked.elapsed() < Duration::from_secs(20), "nobody waits for ever");
    server.start_again();
    assert_eq!(journal.answered(PATIENCE), Some(2));
    assert_eq!(backlog.failures_in_a_row(), 0);
    let entries = journal.store.entries(session(), 0).await.expect("read");
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_repeated() {
    const MANY: u64 = 60;
    let postgres = Postgres::new();
    let proxy = Proxy::start(postgres.folder());
    let journal = Journal::open(&proxy.url(&postgres.url())).await;
    let agent = AgentId::new(Timestamp(0), [2; 10]);
    for seq in 1..=MANY {
        let (at, status) = (Timestamp(seq as i64), AgentStatus::Ready);
        let change = AgentChange { agent, at, status, by: Side::Agent };
        journal.writer.write(Work::Journal(Record::Agent(change)));
        journal.says(seq, "text");
        // A commit of its own.
        assert_eq!(journal.answered(PATIENCE), Some(seq));
    }
    let lost = proxy.lost.load(Ordering::SeqCst);
    assert!(lost >= 10, "{lost} answers were lost");
    assert_eq!(
        postgres.ask("SELECT COUNT(*), COUNT(DISTINCT at_us) FROM agent_status"),
        format!("{MANY}|{MANY}")
    );
    assert_eq!(postgres.ask("SELECT COUNT(*) FROM journal"), MANY.to_string());
}

#[tokio::test]
async fn a_connection_that_is_cut_at_any_moment_loses_and_doubles_nothing() {
    const MANY: u64 = 400;
    let postgres = Postgres::new();
    let journal = Journal::open(&postgres.url()).await;
    let agent = AgentId::new(Timestamp(0), [2; 10]);
    let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE application_name = 'tandem-journal' AND datname = current_database()";
    let mut cuts = 0;
    for seq in 1..=MANY {
        journal.says(seq, "text");
        // An entry without a number of its own: twice would be seen.
        let (at, status) = (Timestamp(seq as i64), AgentStatus::Ready);
        let change = AgentChange { agent, at, status, by: Side::Agent };
        journal.writer.write(Work::Journal(Record::Agent(change)));
        if seq % 20 == 0 {
            cuts += postgres.ask(cut).parse::<u64>().expect("a number");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    journal.writer.flush().await;
    assert!(cuts >= 5, "it was cut {cuts} times");
    assert_eq!(postgres.ask("SELECT COUNT(*), MAX(seq) FROM journal"), format!("{MANY}|{MANY}"));
    assert_eq!(postgres.ask("SELECT COUNT(*) FROM messages"), (MANY - 1).to_string());
    assert_eq!(
        postgres.ask("SELECT COUNT(*), COUNT(DISTINCT at_us) FROM agent_status"),
        format!("{MANY}|{MANY}")
    );
}

#[tokio::test]
async fn a_second_server_on_the_same_database_does_not_start() {
    let postgres = Postgres::new();
    let first = Journal::open(&postgres.url()).await;
    let second = Writer::start(&first.store, |_| {});
    let refused = second.expect_err("one server writes to a database");
    assert!(refused.to_string().contains("lock timeout"), "{refused}");
}
