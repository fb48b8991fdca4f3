//! What nobody may read out of a ladder: the answers to challenges, the challenges they answer, the keys of encrypted calls, and the keys
//! that callers press.

/// The message with the values of its credentials and the keys of its descriptions (RFC 4568) replaced by stars of the same length, so
/// that lengths stay true.
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
    mask_keys(&mut out[head..]);
    mask_digits(&bytes[..head], &mut out[head..]);
    out
}

/// Keys that a caller presses (INFO with `application/dtmf-relay` or `application/dtmf`): they may be his PIN.
fn mask_digits(head: &[u8], body: &mut [u8]) {
    const KIND: &[u8] = b"application/dtmf";
    const SIGNAL: &[u8] = b"signal=";
    if !head.windows(KIND.len()).any(|part| part.eq_ignore_ascii_case(KIND)) {
        return;
    }
    let from = body.windows(SIGNAL.len()).position(|part| part.eq_ignore_ascii_case(SIGNAL));
    let rest = &mut body[from.map_or(0, |at| at + SIGNAL.len())..];
    // The signal's own line; without one the body is the key.
    let blank = |c: &u8| matches!(c, b'\r' | b'\n');
    let start = rest.iter().position(|c| !blank(c)).unwrap_or(rest.len());
    let end = rest[start..].iter().position(blank).map_or(rest.len(), |at| start + at);
    rest[start..end].fill(b'*');
}

/// Whatever `inline:` has in a body, to the end of its line but for the blanks.
fn mask_keys(body: &mut [u8]) {
    const KEY: &[u8] = b"inline:";
    let mut rest = body;
    while let Some(at) = rest.windows(KEY.len()).position(|part| part.eq_ignore_ascii_case(KEY)) {
        rest = &mut rest[at + KEY.len()..];
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        rest[..end].fill(b'*');
    }
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
    fn the_keys_that_a_caller_presses_are_hidden() {
        for (kind, body, expected) in [
            ("application/dtmf-relay", "Signal=7\r\nDuration=160\r\n", "Signal=*\r\nDuration=160\r\n"),
            ("Application/DTMF-Relay", "Duration=160\r\nSignal= 7\r\n", "Duration=160\r\nSignal=**\r\n"),
            ("application/dtmf", "7", "*"),
            ("application/dtmf", "7\r\n", "*\r\n"),
            ("text/plain", "Signal=7", "Signal=7"),
        ] {
            let text = |body: &str| format!("INFO sip:a@b SIP/2.0\r\nContent-Type: {kind}\r\n\r\n{body}");
            assert_eq!(masked(text(body).as_bytes()), text(expected).as_bytes(), "{kind}");
        }
    }

    #[test]
    fn keys_are_starred_out_of_descriptions_and_nothing_else_is() {
        let message =
            b"INVITE sip:a SIP/2.0\r\nSubject: inline:x\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 \
            inline:c2VjcmV0|2^20 WSH=64\r\na=crypto:2 X INLINE:c2VjcmV0;inline:c2VjcmV0\r\na=ptime:20";
        let masked = masked(message);
        assert_eq!(masked.len(), message.len());
        let text = String::from_utf8(masked).unwrap();
        assert!(!text.contains("c2VjcmV0") && text.contains("inline:************* WSH=64"), "{text}");
        assert!(text.contains("Subject: inline:x") && text.ends_with("\r\na=ptime:20"), "{text}");
    }

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
