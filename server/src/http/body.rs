//! Extractors whose errors are ours: JSON, with the field named.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;

/// More than any of our commands has.
const MAX_FIELDS: usize = 16;

/// A JSON request body.
pub struct Body<T>(pub T);

/// The query string.
pub struct Params<T>(pub T);

/// One segment of the path.
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = content_type.is_some_and(|value| {
            value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
        if !is_json {
            let message = "Send JSON with Content-Type: application/json.";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request is too large.")
            }
            other => ApiError::new(StatusCode::BAD_REQUEST, "bad_body", other.body_text()),
        })?;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let message = error.inner().to_string();
            if !error.inner().is_data() {
                return ApiError::new(StatusCode::BAD_REQUEST, "bad_json", message);
            }
            let field = if path == "." { culprit::<T>(&bytes) } else { Some(path) };
            match field {
                Some(field) => ApiError::field(&field, "bad_value", message),
                None => ApiError::new(StatusCode::BAD_REQUEST, "bad_json", message),
            }
        })?;
        reader
            .end()
            .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "bad_json", error.to_string()))?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            // It tells the parameter in front of what is wrong with it.
            let text = rejection.body_text();
            let told = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            match told.split_once(": ") {
                Some((name, message)) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                    ApiError::field(name, "bad_value", message)
                }
                _ => ApiError::new(StatusCode::BAD_REQUEST, "bad_query", told),
            }
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        // An id that cannot be one belongs to nothing.
        path.map(|Path(value)| Self(value)).map_err(|_| ApiError::not_found("thing"))
    }
}

/// The wrong or missing field of an object whose kind a tag tells: there serde reads the fields twice and forgets the way to
/// them. A field is to blame when nothing else is wrong without it. Objects of very many fields are not looked through: each
/// field costs another reading.
fn culprit<T: DeserializeOwned>(bytes: &[u8]) -> Option<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(bytes) else { return None };
    if object.len() > MAX_FIELDS {
        return None;
    }
    let missing = |object: Map<String, Value>| match serde_json::from_value::<T>(Value::Object(object)) {
        Ok(_) => Some(None),
        Err(error) => {
            let text = error.to_string();
            let name = text.strip_prefix("missing field `")?.split('`').next()?;
            Some(Some(name.to_owned()))
        }
    };
    if let Some(Some(name)) = missing(object.clone()) {
        return Some(name);
    }
    // Without any field the tag is what is missing.
    let tag = missing(Map::new()).flatten();
    let blamed = object.keys().find(|name| {
        let mut others = object.clone();
        others.remove(*name);
        Some(*name) != tag.as_ref()
            && missing(others).is_some_and(|left| left.is_none_or(|left| left == **name))
    });
    blamed.cloned().or(tag.filter(|tag| object.contains_key(tag)))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(tag = "command", rename_all = "snake_case")]
    #[allow(dead_code)] // only read from JSON
    enum Command {
        Say { text: String, loud: Option<bool> },
        Leave,
    }

    #[test]
    fn the_wrong_field_of_a_tagged_object_is_named() {
        let named = |json: &str| culprit::<Command>(json.as_bytes());
        assert_eq!(named(r#"{"command":"say","text":5}"#).as_deref(), Some("text"));
        assert_eq!(named(r#"{"command":"say"}"#).as_deref(), Some("text"));
        assert_eq!(named(r#"{"command":"say","loud":3,"text":"a"}"#).as_deref(), Some("loud"));
        assert_eq!(named(r#"{"command":"dance","text":"a"}"#).as_deref(), Some("command"));
        assert_eq!(named(r#"{"text":"a"}"#).as_deref(), Some("command"));
        assert_eq!(named("[1]"), None);
    }
}
