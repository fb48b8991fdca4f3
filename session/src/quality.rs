//! How the voice of each leg sounds: its troubles as they come and go, and the whole at its end.

use model::{Change, LegId, Now, Quality, SessionId, Trouble};

use crate::engine::Engine;

impl Engine {
    pub(crate) fn quality(
        &mut self,
        now: Now,
        leg: LegId,
        current: Quality,
        whole: Quality,
        trouble: Option<Trouble>,
    ) {
        let Some(id) = self.legs.get(&leg).copied() else { return };
        let Some(voice) = self.voice_of(id, leg) else { return };
        voice.quality = Some((current, whole));
        let before = std::mem::replace(&mut voice.trouble, trouble);
        if before == trouble {
            return;
        }
        for (trouble, on) in
            before.map(|trouble| (trouble, false)).into_iter().chain(trouble.map(|it| (it, true)))
        {
            self.journal(now, id, Change::LegTrouble { leg, trouble, on });
        }
    }

    /// Comes before the end of the leg.
    pub(crate) fn note_quality(&mut self, now: Now, id: SessionId, leg: LegId, whole: Option<Quality>) {
        if let Some(quality) = whole {
            self.journal(now, id, Change::LegQuality { leg, quality });
        }
    }
}
