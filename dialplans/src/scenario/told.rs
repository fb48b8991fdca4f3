//! Tests in words: what is expected, what was done, and whether the one is the other.

use super::Expect;
use crate::api::{Effect, TransferTarget};

impl Expect {
    pub fn fits(&self, effect: &Effect) -> bool {
        match (self, effect) {
            (
                Expect::Say(glob),
                Effect::Say { text, .. }
                | Effect::Ask { text, .. }
                | Effect::Announce { text, .. }
                | Effect::Close { text: Some(text), .. },
            ) => fits(glob, text),
            (Expect::Ask(glob), Effect::Ask { text, .. }) => fits(glob, text),
            (Expect::Close(None), Effect::Close { .. }) => true,
            (Expect::Close(Some(glob)), Effect::Close { text: Some(text), .. }) => fits(glob, text),
            (Expect::Play(name), Effect::Play { prompts }) => prompts.contains(name),
            (Expect::Queue { name, priority }, Effect::Queue { queue, priority: actual, .. }) => {
                *queue.0 == **name && priority.is_none_or(|priority| priority == *actual)
            }
            (Expect::Transfer(name), Effect::Transfer { to }) => match to {
                TransferTarget::Number(to) | TransferTarget::Agent(to) => to == name,
            },
            (Expect::Set { key, value }, Effect::SetContext { key: k, value: v }) => key == k && value == v,
            (Expect::Http(glob), Effect::Http(request)) => fits(glob, &request.url),
            (Expect::Lookup(glob), Effect::Lookup { value, .. }) => {
                glob.as_ref().is_none_or(|glob| fits(glob, value))
            }
            (Expect::Task(kind), Effect::Task(task)) => *kind == task.kind,
            (Expect::Invite(glob), Effect::InviteCall { number }) => fits(glob, number),
            (Expect::Record(act), Effect::Record(done)) => act == done,
            (Expect::Answer, Effect::Answer) | (Expect::Hangup, Effect::Hangup) => true,
            _ => false,
        }
    }
}

impl std::fmt::Display for Expect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expect::Say(text) => write!(f, "say \"{text}\""),
            Expect::Ask(text) => write!(f, "ask \"{text}\""),
            Expect::Close(None) => f.write_str("close"),
            Expect::Close(Some(text)) => write!(f, "close \"{text}\""),
            Expect::Play(name) => write!(f, "play \"{name}\""),
            Expect::Queue { name, priority: None } => write!(f, "queue {name}"),
            Expect::Queue { name, priority: Some(priority) } => write!(f, "queue {name} priority {priority}"),
            Expect::Transfer(to) => write!(f, "transfer {to}"),
            Expect::Http(url) => write!(f, "http \"{url}\""),
            Expect::Lookup(None) => f.write_str("lookup"),
            Expect::Lookup(Some(value)) => write!(f, "lookup \"{value}\""),
            Expect::Task(kind) => write!(f, "task {kind}"),
            Expect::Invite(number) => write!(f, "invite \"{number}\""),
            Expect::Record(act) => write!(f, "record {}", format!("{act:?}").to_lowercase()),
            Expect::Answer => f.write_str("answer"),
            Expect::Set { key, value } => write!(f, "set {key} = \"{value}\""),
            Expect::State(state) => write!(f, "state {}", state.value),
            Expect::Hangup => f.write_str("hangup"),
        }
    }
}

/// One line about an effect, in the words of the language.
pub(super) fn describe(effect: &Effect) -> String {
    match effect {
        Effect::Answer => "answer".to_owned(),
        Effect::Say { text, .. } => format!("say {text:?}"),
        Effect::Play { prompts } => format!("play {}", prompts.join(", ")),
        Effect::Ask { text, .. } => format!("ask {text:?}"),
        Effect::StopPlaying => "stop playing".to_owned(),
        Effect::Queue { queue, priority, .. } => format!("queue {queue} priority {priority}"),
        Effect::Announce { text, .. } => format!("announce {text:?}"),
        Effect::LeaveQueue => "leave the queue".to_owned(),
        Effect::Callback => "callback".to_owned(),
        Effect::Record(act) => format!("record {}", format!("{act:?}").to_lowercase()),
        Effect::Transfer { to: TransferTarget::Number(to) } => format!("transfer {to}"),
        Effect::Transfer { to: TransferTarget::Agent(to) } => format!("transfer operator {to}"),
        Effect::CancelTransfer => "call off the transfer".to_owned(),
        Effect::InviteCall { number } => format!("invite call {number}"),
        Effect::Task(task) => {
            let queue = task.queue.as_ref().map(|queue| format!(" queue {queue}")).unwrap_or_default();
            let within = task.within.map(|time| format!(" within {}s", time.as_secs())).unwrap_or_default();
            format!("task {}{queue} {:?}{within}", task.kind, task.text)
        }
        Effect::Http(request) => {
            let body = request.body.as_ref().map(|body| format!(" {body:?}")).unwrap_or_default();
            let headers: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
            let headers =
                if headers.is_empty() { String::new() } else { format!(" ({})", headers.join(", ")) };
            format!("http {} {}{headers}{body}", request.method.as_str(), request.url)
        }
        Effect::Lookup { by, value } => {
            format!("lookup customer {} {value:?}", format!("{by:?}").to_lowercase())
        }
        Effect::SetContext { key, value } => format!("set {key} = {value:?}"),
        Effect::Close { text: Some(text), .. } => format!("close {text:?}"),
        Effect::Close { text: None, .. } => "close".to_owned(),
        Effect::Hangup => "hangup".to_owned(),
        Effect::Trace { state, verb, outcome } => format!("  {state}: {verb}: {outcome}"),
    }
}

/// Whether `text` fits a pattern in which `*` stands for any text.
fn fits(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (glob, text, expected) in [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("ab*bc", "abc", false),
            ("*b*", "abc", true),
            ("a*b*c", "a-b-c-c", true),
            ("abc", "abcd", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(fits(glob, text), expected, "{glob} {text}");
        }
    }
}
