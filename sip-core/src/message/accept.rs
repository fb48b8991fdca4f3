//! Accept, Accept-Encoding and Accept-Language (RFC 3261 §20.1 to §20.3).

use super::content_type::ContentType;
use super::name_addr::qvalue;
use super::params::{self, Params};
use super::{HeaderError, Message, Name};

/// One value of Accept: a type, `application/*` or `*/*`.
#[derive(Clone, Copy, Debug)]
pub struct MediaRange<'a> {
    pub range: ContentType<'a>,
}

/// One value of Accept-Encoding or Accept-Language.
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a> {
    pub token: &'a [u8],
    pub params: Params<'a>,
}

impl MediaRange<'_> {
    /// Thousandths; 0 means "not this one".
    pub fn q(&self) -> u16 {
        weight(self.range.params())
    }
}

impl Weighted<'_> {
    /// Thousandths; 0 means "not this one".
    pub fn q(&self) -> u16 {
        weight(self.params)
    }
}

impl Message {
    /// `None` when there is no Accept: then `application/sdp` is meant. Empty: nothing is taken.
    pub fn media_ranges(&self) -> Result<Option<Vec<MediaRange<'_>>>, HeaderError> {
        if self.header(Name::Accept).is_none() {
            return Ok(None);
        }
        let ranges = self.values(Name::Accept).filter(|value| !value.is_empty()).map(|value| {
            let range = ContentType::parse(value).map_err(|_| HeaderError { header: Name::Accept })?;
            Ok(MediaRange { range })
        });
        ranges.collect::<Result<_, _>>().map(Some)
    }

    /// Whether the sender takes bodies of this type, such as `application/sdp`. The most precise value decides (RFC 2616 §14.1).
    pub fn accepts(&self, media_type: &str) -> Result<bool, HeaderError> {
        let error = HeaderError { header: Name::Accept };
        let wanted = ContentType::parse(media_type.as_bytes()).map_err(|_| error)?;
        let Some(ranges) = self.media_ranges()? else { return Ok(wanted.is("application/sdp")) };
        let precision = |range: &MediaRange<'_>| match range.range.media_type().as_str() {
            "*/*" => 0,
            any if any.ends_with("/*") => 1,
            _ => 2,
        };
        let best =
            ranges.iter().filter(|range| wanted.is_within(&range.range)).max_by_key(|range| precision(range));
        Ok(best.is_some_and(|range| range.q() > 0))
    }

    /// The values of Accept-Encoding or Accept-Language, in their order.
    pub fn weighted(&self, name: Name) -> Result<Vec<Weighted<'_>>, HeaderError> {
        let values = self.values(name).filter(|value| !value.is_empty());
        let parsed = values.map(|value| match params::token(value) {
            Ok((token, params)) => Ok(Weighted { token, params }),
            Err(()) => Err(HeaderError { header: name }),
        });
        parsed.collect()
    }
}

fn weight(params: Params<'_>) -> u16 {
    params.get("q").and_then(qvalue).unwrap_or(1000)
}
