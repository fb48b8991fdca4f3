//! The SIP stacks beside the engine's own, and the post between them and the engine, which takes its time but keeps its order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::{Instant, Now};
use rand::RngExt;
use session::api::Input;
use sip_core::api::{Config, Counts};
use sip_core::shard::{Order, Placement, Report, Shard, ShardId, ShardOutput};

use super::World;

/// The longest that a letter is under way.
const SLOWEST: Duration = Duration::from_millis(3);

pub(crate) struct Shards {
    pub(super) placement: Placement,
    stacks: BTreeMap<ShardId, Shard>,
    orders: BTreeMap<ShardId, VecDeque<(Instant, Order)>>,
    reports: BTreeMap<ShardId, VecDeque<(Instant, Report)>>,
}

impl Shards {
    pub(super) fn new(config: &Config) -> Self {
        let placement = Placement::new(config.shards, config.seed);
        let stacks = placement.shards().map(|id| (id, Shard::new(config.clone(), id))).collect();
        Self { placement, stacks, orders: BTreeMap::new(), reports: BTreeMap::new() }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let orders = self.orders.values().filter_map(|letters| letters.front()).map(|(at, _)| *at);
        let reports = self.reports.values().filter_map(|letters| letters.front()).map(|(at, _)| *at);
        let timers = self.stacks.values().filter_map(Shard::poll_timeout);
        orders.chain(reports).chain(timers).min()
    }

    pub(super) fn ids(&self) -> Vec<ShardId> {
        self.stacks.keys().copied().collect()
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = Counts> + '_ {
        self.stacks.values().map(Shard::counts)
    }
}

/// Behind everything that is under way already.
fn post<T>(letters: &mut VecDeque<(Instant, T)>, at: Instant, letter: T) {
    let at = letters.back().map_or(at, |(last, _)| at.max(*last));
    letters.push_back((at, letter));
}

fn due<T>(letters: Option<&mut VecDeque<(Instant, T)>>, now: Instant) -> Option<T> {
    let letters = letters?;
    letters.front().filter(|(at, _)| *at <= now)?;
    letters.pop_front().map(|(_, letter)| letter)
}

impl World {
    fn arrival(&mut self) -> Instant {
        self.now.instant + Duration::from_micros(self.random.random_range(0..=SLOWEST.as_micros() as u64))
    }

    pub(super) fn post_order(&mut self, shard: ShardId, order: Order) {
        let at = self.arrival();
        post(self.shards.orders.entry(shard).or_default(), at, order);
    }

    /// Lets a stack do something, and passes on what comes of it.
    pub(super) fn with_shard(&mut self, id: ShardId, act: impl FnOnce(&mut Shard, Now)) {
        let now = self.now;
        let Some(shard) = self.shards.stacks.get_mut(&id) else { return };
        act(shard, now);
        let mut put_out = Vec::new();
        while let Some(output) = shard.poll_output() {
            put_out.push(output);
        }
        for output in put_out {
            match output {
                ShardOutput::Shell(output) => self.sip_puts_out(output),
                ShardOutput::Report(report) => {
                    let at = self.arrival();
                    post(self.shards.reports.entry(id).or_default(), at, report);
                }
            }
        }
    }

    /// Delivers the post and lets timers fire.
    pub(super) fn step_shards(&mut self) {
        let now = self.now.instant;
        for id in self.shards.ids() {
            while let Some(order) = due(self.shards.orders.get_mut(&id), now) {
                self.with_shard(id, |shard, now| shard.handle_order(now, order));
            }
            if self.shards.stacks[&id].poll_timeout().is_some_and(|at| at <= now) {
                self.with_shard(id, |shard, now| shard.handle_timeout(now));
            }
            while let Some(report) = due(self.shards.reports.get_mut(&id), now) {
                self.engine.handle(self.now, Input::Report(report));
                self.drain();
            }
        }
    }

    /// What is alive in all stacks together.
    pub fn sip_counts(&self) -> Counts {
        let home = self.engine.counts().sip;
        self.shards.counts().fold(home, |sum, one| Counts {
            lingering: sum.lingering + one.lingering,
            transactions: sum.transactions + one.transactions,
            nonces: sum.nonces + one.nonces,
            ..sum
        })
    }
}
