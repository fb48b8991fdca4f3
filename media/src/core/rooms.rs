//! Conferences: whose members' sound goes into a mix, and what each of them hears of it in every tick.
//!
//! Invariant: a leg has a partner or is in the conference of its session, never both.

use model::{Now, SessionId};

use super::{Core, Exit, Sink};
use crate::api::{Gain, MOST_MEMBERS, Member};
use crate::mix::{self, Mixer};
use crate::outgoing::Source;

/// The conference of one session.
#[derive(Debug)]
pub(super) struct Room {
    session: SessionId,
    /// Its number among those of the thread, and the ticks it has sounded.
    number: u32,
    ticks: u32,
    pub mixer: Mixer,
    /// Nobody is in it any more; whoever left fades out.
    over: bool,
}

impl Core {
    pub(super) fn set_room(&mut self, session: SessionId, mut members: Vec<Member>) {
        members.truncate(MOST_MEMBERS);
        let mut seated: Vec<(usize, Member)> = Vec::with_capacity(members.len());
        for member in members {
            let Some(&index) = self.by_id.get(&member.leg) else { continue };
            let his = self.legs[index].as_ref().is_some_and(|leg| leg.session == session);
            if his && seated.iter().all(|(other, _)| *other != index) {
                seated.push((index, member));
            }
        }
        let room = match self
            .rooms
            .iter()
            .position(|room| room.as_ref().is_some_and(|room| room.session == session))
        {
            Some(room) => room,
            None if seated.is_empty() => return,
            None => self.new_room(session),
        };
        for leg in self.legs.iter_mut().flatten().filter(|leg| leg.room == Some(room)) {
            leg.room = None;
        }
        for (index, _) in &seated {
            self.part(*index);
            if let Some(leg) = self.leg_mut(*index) {
                leg.room = Some(room);
                leg.regroup = false;
            }
        }
        let Some(room) = self.rooms.get_mut(room).and_then(Option::as_mut) else { return };
        room.over = seated.is_empty();
        let places: Vec<usize> = seated.iter().map(|(index, _)| *index).collect();
        room.mixer.seat(&places, |listener, speaker| {
            let (speaker, hears) = (seated[speaker].1.leg, &seated[listener].1.hears);
            hears.iter().find(|(leg, _)| *leg == speaker).map_or(Gain::NONE, |(_, gain)| *gain)
        });
    }

    fn new_room(&mut self, session: SessionId) -> usize {
        self.rooms_ever = self.rooms_ever.wrapping_add(1);
        let room = Room { session, number: self.rooms_ever, ticks: 0, mixer: Mixer::default(), over: false };
        let place = self.rooms.iter().position(Option::is_none).unwrap_or(self.rooms.len());
        if place == self.rooms.len() {
            self.rooms.push(None);
        }
        self.rooms[place] = Some(room);
        place
    }

    /// The leg is in its conference no more.
    pub(super) fn leave_room(&mut self, index: usize) {
        let Some(room) = self.leg_mut(index).and_then(|leg| leg.room.take()) else { return };
        if let Some(room) = self.rooms.get_mut(room).and_then(Option::as_mut) {
            room.mixer.leave(index);
            room.over = room.mixer.is_deserted();
        }
    }

    /// Each member hears what the others said.
    pub(super) fn tick_rooms(&mut self, now: Now, out: &mut impl Sink) {
        for room in &mut self.rooms {
            let Some(here) = room else { continue };
            let (source, ticks) = (Source::Mix(here.number), here.ticks);
            here.ticks = here.ticks.wrapping_add(1);
            let legs = &mut self.legs;
            let mut exit = Exit { now, browsers: &mut self.browsers, out: &mut *out };
            here.mixer.mix(|leg, frame| {
                let Some(leg) = legs.get_mut(leg).and_then(Option::as_deref_mut) else { return };
                let Some(codec) = leg.codec().filter(|_| leg.hears_partner()) else { return };
                let timestamp = ticks.wrapping_mul(codec.clock() / 50);
                leg.say(source, mix::RATE, timestamp, frame, &mut exit);
            });
            if here.over && here.mixer.is_empty() {
                *room = None;
            }
        }
    }
}
