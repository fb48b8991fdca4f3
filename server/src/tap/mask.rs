//! What nobody may read out of a ladder: the answers to challenges, and the challenges they answer.

/// The message with the values of its credentials replaced by stars of the same length, so that lengths stay true.
pub fn masked(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let head = find(bytes, b"\r\n\r\n").unwrap_or(bytes.len());
    let mut at = 0;
    let mut secret = false;
    while at < head {
        let end = bytes[at..head].iter().position(|c| *c == b'\n').map_or(head, |n| at + n + 1);
        let line = &bytes[at..end];
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        let mut from = at;
        if !folded {
            let colon = line.iter().position(|c| *c == b':');
            secret = colon.is_some_and(|colon| is_secret(line[..colon].trim_ascii()));
            from = at + colon.map_or(0, |colon| colon + 1);
        }
        if secret {
            out[from..end].iter_mut().filter(|c| !c.is_ascii_whitespace()).for_each(|c| *c = b'*');
        }
        at = end;
    }
    out
}

fn is_secret(name: &[u8]) -> bool {
    const SECRET: [&str; 6] = [
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "proxy-authenticate",
        "authentication-info",
        "proxy-authentication-info",
    ];
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_starred_out_folds_and_all_and_nothing_else_is() {
        let message =
            b"REGISTER sip:a SIP/2.0\r\nauthorization : Digest username=\"a\",\r\n response=\"feed\"\r\n\
            Call-ID: x\r\nProxy-Authorization:Basic YQ==\r\n\r\nAuthorization: body";
        let masked = masked(message);
        assert_eq!(masked.len(), message.len());
        let text = String::from_utf8(masked).unwrap();
        for secret in ["Digest", "username", "feed", "Basic", "YQ"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("\r\nCall-ID: x\r\n") && text.ends_with("\r\n\r\nAuthorization: body"));
        assert_eq!(super::masked(b""), b"");
    }
}
