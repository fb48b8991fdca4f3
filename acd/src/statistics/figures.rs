//! Sums, and what is worked out from them.

use std::ops::AddAssign;
use std::time::Duration;

/// Everything that is counted. See the module above for what the words mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    pub offered: u64,
    pub answered: u64,
    pub answered_in_time: u64,
    pub abandoned: u64,
    /// Of the abandoned.
    pub abandoned_short: u64,
    pub overflowed: u64,
    pub called_back: u64,
    pub dropped: u64,
    pub waiting: u64,
    /// How long those who were answered waited, all together; and those who gave up.
    pub waited_for_answer: Duration,
    pub waited_in_vain: Duration,
    /// Of those who were answered.
    pub longest_wait: Duration,
    pub handled: u64,
    pub in_conversation: u64,
    pub talk: Duration,
    pub hold: Duration,
    pub wrap_up: Duration,
    pub transferred: u64,
    /// Offers to agents, and those that came to nothing through the agent.
    pub rung: u64,
    pub declined: u64,
    pub not_answered: u64,
    pub callbacks_reached: u64,
    pub callbacks_failed: u64,
    /// Contacts of customers who were served, and those after which the customer came again.
    pub served: u64,
    pub repeated: u64,
}

impl Figures {
    /// Whether nobody was lost on the way.
    pub fn balance(&self) -> bool {
        self.offered
            == self.answered
                + self.abandoned
                + self.overflowed
                + self.called_back
                + self.dropped
                + self.waiting
    }

    /// Answered in time, of all that were answered.
    pub fn service_level_of_answered(&self) -> Option<f64> {
        share(self.answered_in_time, self.answered)
    }

    /// Answered in time, of all that were answered or gave up; those who gave up at once are not counted.
    pub fn service_level_of_offered(&self) -> Option<f64> {
        share(self.answered_in_time, self.answered + self.abandoned - self.abandoned_short)
    }

    /// Average speed of answer.
    pub fn average_answer(&self) -> Option<Duration> {
        average(self.waited_for_answer, self.answered)
    }

    /// Average handling time: talk, hold and wrap-up.
    pub fn average_handling(&self) -> Option<Duration> {
        average(self.talk + self.hold + self.wrap_up, self.handled)
    }

    pub fn average_talk(&self) -> Option<Duration> {
        average(self.talk, self.handled)
    }

    pub fn average_hold(&self) -> Option<Duration> {
        average(self.hold, self.handled)
    }

    pub fn average_wrap_up(&self) -> Option<Duration> {
        average(self.wrap_up, self.handled)
    }

    pub fn resolved_at_first_contact(&self) -> Option<f64> {
        share(self.served - self.repeated, self.served)
    }
}

impl AddAssign<&Figures> for Figures {
    fn add_assign(&mut self, other: &Figures) {
        let Figures {
            offered,
            answered,
            answered_in_time,
            abandoned,
            abandoned_short,
            overflowed,
            called_back,
            dropped,
            waiting,
            waited_for_answer,
            waited_in_vain,
            longest_wait,
            handled,
            in_conversation,
            talk,
            hold,
            wrap_up,
            transferred,
            rung,
            declined,
            not_answered,
            callbacks_reached,
            callbacks_failed,
            served,
            repeated,
        } = other;
        self.offered += offered;
        self.answered += answered;
        self.answered_in_time += answered_in_time;
        self.abandoned += abandoned;
        self.abandoned_short += abandoned_short;
        self.overflowed += overflowed;
        self.called_back += called_back;
        self.dropped += dropped;
        self.waiting += waiting;
        self.waited_for_answer += *waited_for_answer;
        self.waited_in_vain += *waited_in_vain;
        self.longest_wait = self.longest_wait.max(*longest_wait);
        self.handled += handled;
        self.in_conversation += in_conversation;
        self.talk += *talk;
        self.hold += *hold;
        self.wrap_up += *wrap_up;
        self.transferred += transferred;
        self.rung += rung;
        self.declined += declined;
        self.not_answered += not_answered;
        self.callbacks_reached += callbacks_reached;
        self.callbacks_failed += callbacks_failed;
        self.served += served;
        self.repeated += repeated;
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn average(sum: Duration, count: u64) -> Option<Duration> {
    u32::try_from(count).ok().filter(|count| *count > 0).map(|count| sum / count)
}
