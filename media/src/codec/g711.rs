//! ITU-T G.711 as tables made at compile time.

/// One µ-law byte to linear PCM.
pub static MU_DECODE: [i16; 256] = mu_decode_table();
/// One A-law byte to linear PCM.
pub static A_DECODE: [i16; 256] = a_decode_table();
/// µ-law straight to A-law.
pub static MU_TO_A: [u8; 256] = mu_to_a_table();
/// A-law straight to µ-law.
pub static A_TO_MU: [u8; 256] = a_to_mu_table();

/// µ-law uses 14 bits of a sample, A-law 13.
static MU_ENCODE: [u8; 16384] = mu_encode_table();
static A_ENCODE: [u8; 8192] = a_encode_table();

pub fn encode_mu(sample: i16) -> u8 {
    MU_ENCODE[usize::from(sample as u16 >> 2)]
}

pub fn encode_a(sample: i16) -> u8 {
    A_ENCODE[usize::from(sample as u16 >> 3)]
}

const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let code = !(byte as u8);
        let magnitude = ((((code & 0x0f) as i32) << 3) + 0x84) << ((code >> 4) & 7);
        let magnitude = magnitude - 0x84;
        table[byte] = if code & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 };
        byte += 1;
    }
    table
}

const fn a_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let code = byte as u8 ^ 0x55;
        let segment = (code >> 4) & 7;
        let mantissa = ((code & 0x0f) as i32) << 4;
        let magnitude = match segment {
            0 => mantissa + 8,
            1 => mantissa + 0x108,
            _ => (mantissa + 0x108) << (segment - 1),
        };
        table[byte] = if code & 0x80 != 0 { magnitude as i16 } else { -magnitude as i16 };
        byte += 1;
    }
    table
}

const fn mu_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let mut magnitude = (sample as i32).abs();
    if magnitude > 32635 {
        magnitude = 32635;
    }
    magnitude += 0x84;
    let segment = 31 - magnitude.leading_zeros() as i32 - 7;
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | mantissa as u8)
}

const fn a_encode(sample: i16) -> u8 {
    // Negative values are one's-complemented, so that both signs have the same decision levels.
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = if sample < 0 { !sample as i32 } else { sample as i32 };
    let code = if magnitude < 0x100 {
        magnitude >> 4
    } else {
        let segment = 31 - magnitude.leading_zeros() as i32 - 7;
        (segment << 4) | ((magnitude >> (segment + 3)) & 0x0f)
    };
    (sign | code as u8) ^ 0x55
}

const fn mu_encode_table() -> [u8; 16384] {
    let mut table = [0; 16384];
    let mut index = 0;
    while index < 16384 {
        table[index] = mu_encode(((index as u16) << 2) as i16);
        index += 1;
    }
    table
}

const fn a_encode_table() -> [u8; 8192] {
    let mut table = [0; 8192];
    let mut index = 0;
    while index < 8192 {
        table[index] = a_encode(((index as u16) << 3) as i16);
        index += 1;
    }
    table
}

const fn mu_to_a_table() -> [u8; 256] {
    let decoded = mu_decode_table();
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = a_encode(decoded[byte]);
        byte += 1;
    }
    table
}

const fn a_to_mu_table() -> [u8; 256] {
    let decoded = a_decode_table();
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = mu_encode(decoded[byte]);
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_decoding_and_encoding() {
        for byte in 0..=255u8 {
            let mu = encode_mu(MU_DECODE[usize::from(byte)]);
            // µ-law has a positive and a negative zero.
            assert!(mu == byte || byte == 0x7f && mu == 0xff, "{byte:#x} became {mu:#x}");
            assert_eq!(encode_a(A_DECODE[usize::from(byte)]), byte);
        }
    }

    #[test]
    fn known_values_of_the_standard() {
        assert_eq!(MU_DECODE[0x00], -32124);
        assert_eq!(MU_DECODE[0x80], 32124);
        assert_eq!(MU_DECODE[0xff], 0);
        assert_eq!(A_DECODE[0xd5], 8);
        assert_eq!(A_DECODE[0x55], -8);
        assert_eq!(A_DECODE[0xaa], 32256);
        assert_eq!(encode_a(0), 0xd5);
        assert_eq!(encode_mu(0), 0xff);
    }

    #[test]
    fn the_error_stays_below_a_half_step() {
        for sample in i16::MIN..=i16::MAX {
            let size = i32::from(sample).abs();
            let bound = (size / 16).max(16);
            if size > 32124 {
                continue;
            }
            let mu = i32::from(MU_DECODE[usize::from(encode_mu(sample))]);
            let a = i32::from(A_DECODE[usize::from(encode_a(sample))]);
            assert!((mu - i32::from(sample)).abs() <= bound, "µ {sample} {mu}");
            assert!((a - i32::from(sample)).abs() <= bound, "A {sample} {a}");
        }
    }

    #[test]
    fn the_direct_maps_agree_with_the_way_over_pcm() {
        for byte in 0..=255u8 {
            assert_eq!(MU_TO_A[usize::from(byte)], encode_a(MU_DECODE[usize::from(byte)]));
            assert_eq!(A_TO_MU[usize::from(byte)], encode_mu(A_DECODE[usize::from(byte)]));
        }
    }
}
