//! REGISTER with digest: a request without credentials, its challenge, and the request with them.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use acd::api::Capacity;
use anyhow::{Context, Result, ensure};
use model::{AgentId, Timestamp};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use server::config::Database;
use server::secret::Ha1;
use server::store::{Device, Encryption, Role, Store, User};
use sip_core::digest;
use sip_core::message::{Message, Method, Name};

use crate::process::Threads;
use crate::tandem::{Tandem, free_udp};

const PHONES: u32 = 500;
const ROUNDS: u32 = 20;
/// figures.md
const LIMIT_MILLIS: f64 = 0.08;

pub fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir_all(folder.path().join("data"))?;
    tokio::runtime::Runtime::new()?.block_on(accounts(&folder.path().join("data").join("tandem.db")))?;
    let tandem = Tandem::start(folder.path(), free_udp()?, 0)?;
    let phones = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    phones.set_nonblocking(true)?;
    phones.connect(tandem.sip)?;
    register_all(&phones, 0)?;
    let before = Threads::of(tandem.id())?;
    for round in 1..=ROUNDS {
        register_all(&phones, round)?;
    }
    let spent = Threads::of(tandem.id())?.since(&before);
    let millis = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / f64::from(PHONES * ROUNDS);
    crate::beside_limit("REGISTER with digest, two requests, CPU ms", LIMIT_MILLIS, millis(spent.total()));
    for (name, cpu) in spent.by_name() {
        println!("    {name:<48} {:>21.3}", millis(cpu));
    }
    Ok(())
}

async fn accounts(file: &Path) -> Result<()> {
    let store = Store::open(&Database::Sqlite(file.to_owned())).await?;
    let at = Timestamp::from_micros(1);
    for number in 0..PHONES {
        let user = User {
            id: AgentId::new(
                at,
                [&number.to_be_bytes()[..], &[7; 6]].concat().try_into().unwrap_or_default(),
            ),
            login: format!("user{number}"),
            name: format!("User {number}"),
            password_hash: None,
            roles: vec![Role::Operator],
            queues: Vec::new(),
            capacity: Capacity { voice: 1, chat: 1 },
            locale: "en".to_owned(),
            encryption: Encryption::default(),
            routing: Default::default(),
        };
        ensure!(store.add_user(&user, at).await?, "the login is taken");
        let username = format!("phone{number}");
        let ha1 = Ha1::new(&username, "bench", "secret");
        let device = Device {
            username,
            user: user.id,
            realm: "bench".to_owned(),
            ha1_md5: ha1.md5,
            ha1_sha256: ha1.sha256,
        };
        store.set_device(&device).await?;
    }
    store.close().await;
    Ok(())
}

/// Every phone once, sixteen at a time.
fn register_all(socket: &UdpSocket, round: u32) -> Result<()> {
    let here = socket.local_addr()?;
    let request = |number: u32, cseq: u32, authorization: &str| {
        format!(
            "REGISTER sip:bench SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{round}-{number}-{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:user{number}@bench>;tag=r{number}\r\nTo: <sip:user{number}@bench>\r\nCall-ID: {number}@register\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:user{number}@{here}>\r\nExpires: 600\r\n{authorization}Content-Length: 0\r\n\r\n"
        )
    };
    let (mut started, mut done) = (0, 0);
    let mut buffer = [0; 4096];
    while done < PHONES {
        while started < PHONES && started - done < 16 {
            socket.send(request(started, round * 2 + 1, "").as_bytes())?;
            started += 1;
        }
        let nap = Timespec { tv_sec: 2, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&nap))?;
        ensure!(ready > 0, "no answer to a REGISTER");
        let length = socket.recv(&mut buffer)?;
        let answer =
            Message::parse(&buffer[..length]).map_err(|error| anyhow::anyhow!("{}", error.defect))?;
        let number: u32 = std::str::from_utf8(answer.call_id())?.trim_end_matches("@register").parse()?;
        match answer.status() {
            Some(200) => done += 1,
            Some(401) => {
                let challenge = answer.credentials(Name::WwwAuthenticate).next().context("no challenge")?;
                let username = format!("phone{number}");
                let value = digest::answer(
                    &challenge,
                    &Method::Register,
                    "sip:bench",
                    &username,
                    "secret",
                    "abcdef",
                    1,
                )
                .context("a challenge that we cannot answer")?;
                let authorization = format!("Authorization: {value}\r\n");
                socket.send(request(number, round * 2 + 2, &authorization).as_bytes())?;
            }
            status => anyhow::bail!("REGISTER was answered with {status:?}"),
        }
    }
    Ok(())
}
