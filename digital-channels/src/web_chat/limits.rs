//! How much one frame may hold. Texts are counted in characters, tokens and ids in bytes.

/// Bytes of a whole frame.
pub const FRAME: usize = 16 * 1024;
pub const TEXT: usize = 8_000;
pub const NAME: usize = 100;
pub const PHONE: usize = 32;
pub const EMAIL: usize = 254;
pub const PAGE: usize = 2_000;
pub const LOCALE: usize = 35;
pub const ACCOUNT: usize = 64;
pub const TOKEN: usize = 128;
/// The widget's own id of a message.
pub const EXTERNAL_ID: usize = 64;
pub const CODE: usize = 16;
