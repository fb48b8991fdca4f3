//! What subscribers are told: RFC 4235, RFC 3863, RFC 3842.

/// How far a call of the watched user is. RFC 4235 §3.7.1
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialogState {
    Trying,
    Early,
    Confirmed,
    Terminated,
}

impl DialogState {
    fn as_str(self) -> &'static str {
        match self {
            DialogState::Trying => "trying",
            DialogState::Early => "early",
            DialogState::Confirmed => "confirmed",
            DialogState::Terminated => "terminated",
        }
    }
}

/// The calls of a user, each with a name of ours: the whole state. `version` counts up from 0 within a subscription.
pub fn dialog_info(entity: &str, version: u32, dialogs: &[(String, DialogState)]) -> Vec<u8> {
    let mut out = format!(
        "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
         state=\"full\" entity=\"{}\">\n",
        escaped(entity)
    );
    for (id, state) in dialogs {
        out += &format!("<dialog id=\"{}\"><state>{}</state></dialog>\n", escaped(id), state.as_str());
    }
    out += "</dialog-info>\n";
    out.into_bytes()
}

/// Whether a user can be reached, and a word about it.
pub fn presence(entity: &str, open: bool, note: Option<&str>) -> Vec<u8> {
    let basic = if open { "open" } else { "closed" };
    let note = note.map_or(String::new(), |note| format!("<note>{}</note>", escaped(note)));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{}\">\
         <tuple id=\"t1\"><status><basic>{basic}</basic></status>{note}</tuple></presence>\n",
        escaped(entity)
    )
    .into_bytes()
}

/// How many messages wait in a mailbox: new ones and old ones.
pub fn message_summary(account: &str, new: u32, old: u32) -> Vec<u8> {
    let waiting = if new > 0 { "yes" } else { "no" };
    let account: String = account.chars().filter(|c| !c.is_control()).collect();
    format!("Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old}\r\n")
        .into_bytes()
}

/// Fit for text and quoted attributes; what XML 1.0 has no place for is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => {}
            c => out.push(c),
        }
    }
    out
}
