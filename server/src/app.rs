//! What the parts of the shell share.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use acd::api::QueueConfig;
use model::AgentId;
use session::api::{AdminCommand, AgentSetup, Counts};
use sip_core::api::{Credential, Rejection};
use sip_core::shard::ShardId;

use crate::clock::{self, Clock};
use crate::commands::Commands;
use crate::config::Config;
use crate::figures::Today;
use crate::guard::Guard;
use crate::hub::Hub;
use crate::inbox::Inbox;
use crate::media::MediaHandle;
use crate::net::Network;
use crate::plans::Plans;
use crate::recording;
use crate::secret::{Ha1, ServerKey, Softphone};
use crate::store::{Backlog, Device, Role, SignIn, Store, StoreError, User};
use crate::tap::Tap;

/// One running server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

#[derive(Debug)]
pub struct Parts {
    pub config: Config,
    /// As they are now; a reload changes them.
    pub queues: RwLock<Vec<QueueConfig>>,
    pub clock: Clock,
    pub store: Store,
    pub hub: Hub,
    pub inbox: Inbox,
    pub commands: Commands,
    pub backlog: Backlog,
    pub today: Today,
    pub plans: Plans,
    pub key: ServerKey,
    pub vitals: Vitals,
    pub guard: Guard,
    pub tap: Tap,
    /// How browsers reach us.
    pub public_url: String,
    /// Set once everything is bound.
    pub wires: OnceLock<Wires>,
}

/// The parts that carry packets.
#[derive(Clone, Debug)]
pub struct Wires {
    pub network: Network,
    /// The engine's thread owns it: the media threads end with the engine.
    pub media: Weak<MediaHandle>,
}

/// What the engine thread tells of itself.
#[derive(Clone, Debug, Default)]
pub struct Vitals {
    parts: Arc<VitalParts>,
    pub recordings: recording::Health,
}

#[derive(Debug, Default)]
struct VitalParts {
    draining: AtomicBool,
    counts: Mutex<Counts>,
    /// Of the SIP stacks beside the engine's.
    shards: Mutex<BTreeMap<ShardId, sip_core::api::Counts>>,
    rejections: Mutex<BTreeMap<Rejection, u64>>,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub fn queues(&self) -> Vec<QueueConfig> {
        self.queues.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Running sessions keep their places.
    pub fn set_queues(&self, queues: Vec<QueueConfig>) {
        self.commands.admin(AdminCommand::SetQueues(queues.clone()));
        *self.queues.write().unwrap_or_else(PoisonError::into_inner) = queues;
    }

    /// Tells the engine of an operator, or of a supervisor, whose phone is rung though no queue is his: new, changed, or neither any
    /// more.
    pub fn set_agent(&self, user: &User) {
        let operates = user.is(Role::Operator);
        let command = if user.has_phone() {
            AdminCommand::SetAgent(AgentSetup {
                agent: user.id,
                login: user.login.clone(),
                name: user.name.clone(),
                queues: if operates { user.queues.clone() } else { Vec::new() },
                capacity: user.capacity,
                routing: user.routing.clone(),
                encryption: user.encryption.into(),
            })
        } else {
            AdminCommand::RemoveAgent(user.id)
        };
        self.commands.admin(command);
    }

    /// The softphone account of a sign-in, made known to the engine.
    pub fn open_softphone(&self, user: &User, sign_in: &str) -> Softphone {
        let softphone = self.key.softphone(&user.login, sign_in);
        let ha1 = Ha1::new(&softphone.username, &self.config.sip.domain, &softphone.password);
        self.commands.admin(AdminCommand::SetCredential(Credential {
            username: softphone.username.clone(),
            aor: user.login.clone(),
            ha1_md5: ha1.md5,
            ha1_sha256: ha1.sha256,
            one_time: false,
        }));
        softphone
    }

    /// Makes a desk phone's account known to the engine.
    pub fn open_device(&self, user: &User, device: &Device) {
        self.commands.admin(AdminCommand::SetCredential(Credential {
            username: device.username.clone(),
            aor: user.login.clone(),
            ha1_md5: device.ha1_md5.clone(),
            ha1_sha256: device.ha1_sha256.clone(),
            one_time: false,
        }));
    }

    /// Ends a sign-in: its softphone, its streams and its cookie.
    pub async fn end_sign_in(&self, login: &str, sign_in: &str) -> Result<(), StoreError> {
        self.store.remove_sign_in(sign_in).await?;
        let username = self.key.softphone(login, sign_in).username;
        self.commands.admin(AdminCommand::RemoveCredential { username });
        self.hub.cut_sign_in(sign_in);
        Ok(())
    }

    /// Tells the engine what has become of a changed user and of his telephones.
    pub fn user_changed(&self, user: &User, sign_ins: &[SignIn], devices: &[Device]) {
        self.set_agent(user);
        if user.has_phone() {
            devices
                .iter()
                .filter(|device| device.user == user.id)
                .for_each(|device| self.open_device(user, device));
        } else {
            self.close_telephones(user, sign_ins, devices);
        }
    }

    /// Takes everything away that a removed user could still use.
    pub fn user_removed(&self, user: &User, sign_ins: &[SignIn], devices: &[Device]) {
        self.close_telephones(user, sign_ins, devices);
        self.commands.admin(AdminCommand::RemoveAgent(user.id));
        self.hub.cut_agent(user.id);
        self.hub.forget(user.id);
    }

    fn close_telephones(&self, user: &User, sign_ins: &[SignIn], devices: &[Device]) {
        let softphones = sign_ins
            .iter()
            .filter(|sign_in| sign_in.user == user.id)
            .map(|sign_in| self.key.softphone(&user.login, &sign_in.token_hash).username);
        let desk_phones =
            devices.iter().filter(|device| device.user == user.id).map(|device| device.username.clone());
        for username in softphones.chain(desk_phones) {
            self.commands.admin(AdminCommand::RemoveCredential { username });
        }
    }

    pub fn is_expired(&self, sign_in: &SignIn) -> bool {
        clock::wall().saturating_since(sign_in.used) > self.config.http.sign_in_lifetime
    }

    /// Ends the sign-ins that were not used for too long.
    pub async fn expire_sign_ins(&self) -> Result<(), StoreError> {
        for sign_in in self.store.sign_ins().await? {
            if self.is_expired(&sign_in) && !self.hub.has_sign_in(&sign_in.token_hash) {
                match self.store.user(sign_in.user).await? {
                    Some(user) => self.end_sign_in(&user.login, &sign_in.token_hash).await?,
                    None => self.store.remove_sign_in(&sign_in.token_hash).await?,
                }
            }
        }
        Ok(())
    }

    /// Names of operators by id.
    pub async fn users_by_id(&self) -> Result<BTreeMap<AgentId, User>, StoreError> {
        Ok(self.store.users().await?.into_iter().map(|user| (user.id, user)).collect())
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Vitals {
    pub fn set_draining(&self) {
        self.parts.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.parts.draining.load(Ordering::Relaxed)
    }

    pub fn set_counts(&self, counts: Counts) {
        *self.parts.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }

    pub fn set_shard_counts(&self, shard: ShardId, counts: sip_core::api::Counts) {
        self.parts.shards.lock().unwrap_or_else(PoisonError::into_inner).insert(shard, counts);
    }

    /// Of all stacks together.
    pub fn counts(&self) -> Counts {
        let mut counts = *self.parts.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for one in self.parts.shards.lock().unwrap_or_else(PoisonError::into_inner).values() {
            // Their live calls the engine knows.
            counts.sip.lingering += one.lingering;
            counts.sip.transactions += one.transactions;
            counts.sip.nonces += one.nonces;
        }
        counts
    }

    /// Counts a rejection and says how many of its kind there have been.
    pub fn rejected(&self, why: Rejection) -> u64 {
        let mut rejections = self.parts.rejections.lock().unwrap_or_else(PoisonError::into_inner);
        let count = rejections.entry(why).or_default();
        *count += 1;
        *count
    }

    pub fn rejections(&self) -> BTreeMap<Rejection, u64> {
        self.parts.rejections.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
