//! What routing knows of an operator, as it is stored and set up.

use std::collections::BTreeMap;
use std::time::Duration;

use acd::api::{Blend, Work};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Skills of an operator, and how he mixes his work. All of it has a default.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    /// From 1 to 10 by name; a language is a skill.
    pub skills: BTreeMap<String, u8>,
    /// Offers are accepted as they come.
    pub auto_answer: bool,
    /// Messenger conversations at once; 3 by default.
    pub messages: Option<u8>,
    /// Mails at once; 1 by default.
    pub mail: Option<u8>,
    /// Sessions of all kinds at once; unlimited by default.
    pub total: Option<u8>,
    /// So many of `total` are kept free for each kind of work.
    pub reserved: BTreeMap<WorkKind, u8>,
    /// What may come to whom has such work in hand. By default texts go with one another, and a call interrupts mail.
    pub joins: Option<BTreeMap<WorkKind, Vec<WorkKind>>>,
    /// He is given another kind of work at most once in this many seconds.
    pub switch_pause_seconds: u32,
}

/// A kind of work. A session with voice is a call, whatever else it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    Call,
    Chat,
    Message,
    Mail,
}

impl From<WorkKind> for Work {
    fn from(kind: WorkKind) -> Self {
        match kind {
            WorkKind::Call => Work::Call,
            WorkKind::Chat => Work::Chat,
            WorkKind::Message => Work::Message,
            WorkKind::Mail => Work::Mail,
        }
    }
}

/// What a session gains in a queue when it fulfils a condition.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueRule {
    pub when: dialplans::Condition,
    pub priority: i32,
    /// Skills that it requires beside those that its flow asks for, and those that it prefers.
    pub required: BTreeMap<String, u8>,
    pub preferred: BTreeMap<String, u16>,
}

impl Routing {
    pub(crate) fn blend(&self) -> Blend {
        let default = Blend::default();
        let mut blend = Blend {
            messages: self.messages.unwrap_or(default.messages),
            mail: self.mail.unwrap_or(default.mail),
            total: self.total.unwrap_or(default.total),
            switch_pause: Duration::from_secs(self.switch_pause_seconds.into()),
            ..default
        };
        for (kind, many) in &self.reserved {
            *blend.reserved.of_mut((*kind).into()) = *many;
        }
        if let Some(joins) = &self.joins {
            blend.joins = Default::default();
            for (has, others) in joins {
                for other in others {
                    *blend.joins.of_mut((*has).into()).of_mut((*other).into()) = true;
                }
            }
        }
        blend
    }

    /// What is wrong with it, for whoever wrote it.
    pub fn problem(&self) -> Option<String> {
        if self.skills.len() > 100 {
            return Some("At most 100 skills.".to_owned());
        }
        let sound = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        self.skills.iter().find_map(|(name, level)| {
            let is_name = (1..=32).contains(&name.chars().count()) && name.chars().all(sound);
            if !is_name {
                Some(format!("`{name}` is not the name of a skill."))
            } else if !(1..=acd::api::MAX_LEVEL).contains(level) {
                Some(format!("The level of `{name}` must be from 1 to {}.", acd::api::MAX_LEVEL))
            } else {
                None
            }
        })
    }
}
