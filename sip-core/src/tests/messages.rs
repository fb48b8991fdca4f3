//! The torture messages of RFC 4475 and RFC 5118, built in: the crate reads no files.

macro_rules! messages {
    ($folder:literal: $($name:literal)*) => {
        &[$((concat!($folder, "/", $name), include_bytes!(concat!("../../tests/", $folder, "/", $name, ".dat")))),*]
    };
}

type Named = (&'static str, &'static [u8]);

#[rustfmt::skip]
pub const RFC4475: &[Named] = messages!("rfc4475":
    "badaspec" "badbranch" "baddate" "baddn" "badinv01" "badvers" "bcast" "bext01" "bigcode" "clerr" "cparam01"
    "cparam02" "dblreq" "esc01" "esc02" "escnull" "escruri" "insuf" "intmeth" "inv2543" "invut" "longreq" "ltgtruri"
    "lwsdisp" "lwsruri" "lwsstart" "mcl01" "mismatch01" "mismatch02" "mpart01" "multi01" "ncl" "noreason" "novelsc"
    "quotbal" "regaut01" "regbadct" "regescrt" "scalar02" "scalarlg" "sdp01" "semiuri" "transports" "trws" "unkscm"
    "unksm2" "unreason" "wsinv" "zeromf"
);

#[rustfmt::skip]
pub const RFC5118: &[Named] = messages!("rfc5118":
    "ipv4-mapped-ipv6" "ipv6-bad" "ipv6-bug-abnf-3-colons" "ipv6-correct-abnf-2-colons" "ipv6-good" "ipv6-in-sdp"
    "mult-ip-in-header" "mult-ip-in-sdp" "port-ambiguous" "port-unambiguous" "via-received-param-no-delim"
    "via-received-param-with-delim"
);
