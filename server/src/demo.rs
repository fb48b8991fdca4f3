//! The demo set-up: people, phones, a queue and a trunk that everybody on this machine can use. Its passwords are public, so
//! it exists only while nothing listens to other machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use acd::api::{Capacity, QueueConfig};
use model::{AgentId, QueueName};
use sip_core::api::{Transport, Trunk};

use crate::clock;
use crate::config::Config;
use crate::secret::{Ha1, hash_password};
use crate::store::{Device, Encryption, Role, Store, StoreError, User};

const QUEUE: &str = "support";
/// Where calls of the demo trunk go: a phone of yours may listen there.
const TRUNK_DESTINATION: u16 = 5070;
const DRAIN: Duration = Duration::from_secs(5);

/// Sign-in name, name and roles; the password is `demo-` and the sign-in name.
const PEOPLE: [(&str, &str, &[Role]); 4] = [
    ("anna", "Анна Смирнова", &[Role::Operator]),
    ("boris", "Борис Орлов", &[Role::Operator]),
    ("vera", "Вера Котова", &[Role::Supervisor]),
    ("admin", "Администратор", &[Role::Admin, Role::Supervisor]),
];
/// Digest username of a desk phone and whose it is; the password is `demo-` and the username.
const PHONES: [(&str, &str); 2] = [("desk1", "boris"), ("desk2", "anna")];

#[derive(Debug, thiserror::Error)]
#[error(
    "--demo has public passwords and is refused while something listens to other machines: {}",
    .0.join(", ")
)]
pub struct NotLoopback(Vec<String>);

/// Adds the demo's queue and trunk to the configuration, and lets any page carry the chat.
pub fn prepare(config: &mut Config) -> Result<(), NotLoopback> {
    let open = config.open_listeners();
    if !open.is_empty() {
        return Err(NotLoopback(open));
    }
    if !config.queues.iter().any(|queue| &*queue.name.0 == QUEUE) {
        config.queues.push(QueueConfig::new(QueueName::new(QUEUE)));
    }
    if config.trunks.is_empty() {
        config.trunks.push(Trunk::new(
            "demo",
            vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
            SocketAddr::from((Ipv4Addr::LOCALHOST, TRUNK_DESTINATION)),
            Transport::Udp,
        ));
    }
    config.chat.origins = vec!["*".to_owned()];
    config.server.drain = config.server.drain.min(DRAIN);
    Ok(())
}

/// Adds the demo's people and phones where they are not there yet.
pub async fn seed(store: &Store, config: &Config) -> Result<(), StoreError> {
    let at = clock::wall();
    for (login, name, roles) in PEOPLE {
        if store.user_by_login(login).await?.is_some() {
            continue;
        }
        let user = User {
            id: AgentId::new(at, rand::random()),
            login: login.to_owned(),
            name: name.to_owned(),
            password_hash: Some(hash_password(&password(login))),
            roles: roles.to_vec(),
            queues: if roles.contains(&Role::Operator) { vec![QueueName::new(QUEUE)] } else { Vec::new() },
            capacity: Capacity { voice: 1, chat: 3 },
            locale: "ru".to_owned(),
            encryption: Encryption::default(),
            routing: Default::default(),
        };
        store.add_user(&user, at).await?;
    }
    for (username, login) in PHONES {
        let Some(user) = store.user_by_login(login).await? else { continue };
        let realm = config.sip.domain.clone();
        let ha1 = Ha1::new(username, &realm, &password(username));
        let device = Device {
            username: username.to_owned(),
            user: user.id,
            realm,
            ha1_md5: ha1.md5,
            ha1_sha256: ha1.sha256,
        };
        store.set_device(&device).await?;
    }
    Ok(())
}

/// Sign-in names of the demo's operators.
pub fn operators() -> Vec<String> {
    let is_operator = |(login, _, roles): &(&str, &str, &[Role])| {
        roles.contains(&Role::Operator).then(|| (*login).to_owned())
    };
    PEOPLE.iter().filter_map(is_operator).collect()
}

/// What to tell whoever started the demo.
pub fn guide(config: &Config, public_url: &str, sip: &str, numbers: &[String]) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: &str| text.push_str(&format!("  {what:<12}{value}\n"));
    line("console", &format!("{public_url}/console/"));
    for (login, name, _) in PEOPLE {
        line("", &format!("{login:<7}{:<14}{name}", password(login)));
    }
    line("shop", &format!("{public_url}/shop"));
    line("SIP", &format!("{sip} (UDP and TCP), {}/sip (WebSocket)", public_url.replacen("http", "ws", 1)));
    for (username, login) in PHONES {
        let account = format!("sip:{login}@{}", config.sip.domain);
        line("desk phone", &format!("{account}, auth user {username}, password {}", password(username)));
    }
    for number in numbers {
        line("dial", &format!("sip:{number}@{sip} from any phone on this machine, without a password"));
    }
    for trunk in &config.trunks {
        line("calls out", &format!("trunk \"{}\" rings sip:NUMBER@{}", trunk.name, trunk.destination));
    }
    text
}

fn password(name: &str) -> String {
    format!("demo-{name}")
}
