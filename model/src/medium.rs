use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    Voice,
    Chat,
}

/// The set of media that a session is using at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Media {
    pub voice: bool,
    pub chat: bool,
}

impl Media {
    pub const VOICE: Media = Media { voice: true, chat: false };
    pub const CHAT: Media = Media { voice: false, chat: true };

    pub const fn is_empty(self) -> bool {
        !self.voice && !self.chat
    }
}
