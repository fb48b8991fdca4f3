//! What agents can do, and what sessions ask for: skills with levels, and how the demand falls while somebody waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Such as `tech` or `ru`: a language is a skill as well.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Skill(pub Arc<str>);

impl Skill {
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The skills of an agent with their levels. A skill that is not here is one at level 0.
pub type Skills = BTreeMap<Skill, u8>;

/// The highest level of a skill; the lowest is 1.
pub const MAX_LEVEL: u8 = 10;

/// What a session asks of its agent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Demand {
    /// He must have these, at this level or a higher one.
    pub required: Skills,
    /// Of those who can, the one with the greatest sum of weight times level is asked first.
    pub preferred: BTreeMap<Skill, u16>,
    /// How `required` falls with the time waited, the earliest first.
    pub stages: Vec<Stage>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// Since the session began to wait.
    pub after: Duration,
    pub widen: Widen,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Widen {
    /// Nothing is required any more.
    All,
    /// This skill is required at this level only; at 0 no longer.
    To(Skill, u8),
}

/// All that decides who can take a session and in which order, its medium and its queue apart. Sessions with the same one wait together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Signature {
    pub(crate) required: Skills,
    pub(crate) preferred: BTreeMap<Skill, u16>,
}

impl Demand {
    /// What is asked of the agent after so long.
    pub(crate) fn after(&self, waited: Duration) -> Signature {
        let mut required = self.required.clone();
        for stage in self.stages.iter().filter(|stage| stage.after <= waited) {
            match &stage.widen {
                Widen::All => required.clear(),
                Widen::To(skill, 0) => drop(required.remove(skill)),
                Widen::To(skill, level) => {
                    required.entry(skill.clone()).and_modify(|had| *had = (*had).min(*level));
                }
            }
        }
        Signature { required, preferred: self.preferred.clone() }
    }

    /// When it falls next after so long.
    pub(crate) fn next_stage(&self, waited: Duration) -> Option<Duration> {
        self.stages.iter().map(|stage| stage.after).filter(|after| *after > waited).min()
    }
}

impl Signature {
    pub(crate) fn is_met_by(&self, skills: &Skills) -> bool {
        self.required.iter().all(|(skill, level)| skills.get(skill).is_some_and(|has| has >= level))
    }

    pub(crate) fn preference_for(&self, skills: &Skills) -> u32 {
        let worth = |(skill, weight): (&Skill, &u16)| {
            u32::from(*weight) * u32::from(skills.get(skill).copied().unwrap_or(0))
        };
        self.preferred.iter().map(worth).fold(0, u32::saturating_add)
    }
}
