//! How the voice of each leg sounds: its troubles as they come and go, and the whole at its end.

use model::{Change, LegId, Now, Quality, SessionId, Trouble};

use crate::api::Output;
use crate::engine::Engine;
use crate::leg::Leg;

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
    pub(crate) fn note_quality(&mut self, now: Now, id: SessionId, gone: &Leg) {
        let Some(voice) = gone.voice() else { return };
        let Some((_, quality)) = voice.quality else { return };
        let trunk = match &voice.dialled {
            Some(dialled) => dialled.trunk().map(str::to_owned),
            None => voice.trunk.clone(),
        };
        self.put(Output::Sounded { trunk, quality });
        self.journal(now, id, Change::LegQuality { leg: gone.id, quality });
    }
}
