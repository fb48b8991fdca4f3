//! One value and one row, whatever the database.

use std::borrow::Cow;

use bytes::BytesMut;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Postgres, Row as _, Sqlite};
use tokio_postgres::types::{IsNull, Type};
use uuid::Uuid;

/// What is written into a column or compared with it. Numbers and booleans are BIGINT or INTEGER, everything else is TEXT.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Key(Key),
    Number(Option<i64>),
}

/// A UUID as the tables keep it, without a `String` of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key([u8; uuid::fmt::Hyphenated::LENGTH]);

impl Key {
    pub fn new(id: Uuid) -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        id.hyphenated().encode_lower(&mut text);
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits and hyphens")
    }
}

/// The values of a statement, in the order of its parameters.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::value::Value::from($value)),*] };
}
pub(super) use values;

impl Value<'_> {
    pub fn kept(&self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(text.as_ref().map(|text| Cow::Owned(text.clone().into_owned()))),
            Self::Key(key) => Value::Key(*key),
            Self::Number(number) => Value::Number(*number),
        }
    }

    /// PostgreSQL keeps no NUL in a text, and whoever writes to us may send one.
    pub fn without_nul(text: &str) -> Cow<'_, str> {
        if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::ValueRef;
        let value = match self {
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Key(key) => ValueRef::Text(&key.0),
            Self::Number(Some(number)) => ValueRef::Integer(*number),
            Self::Text(None) | Self::Number(None) => ValueRef::Null,
        };
        Ok(rusqlite::types::ToSqlOutput::Borrowed(value))
    }
}

impl tokio_postgres::types::ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(Some(text)) => Self::without_nul(text).as_ref().to_sql(kind, out),
            Self::Key(key) => key.as_str().to_sql(kind, out),
            Self::Number(Some(number)) => number.to_sql(kind, out),
            Self::Text(None) | Self::Number(None) => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(Cow::Owned(text)))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(text: &'a Option<String>) -> Self {
        Self::from(text.as_deref())
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(Cow::Owned))
    }
}

impl From<Key> for Value<'_> {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

impl From<&Key> for Value<'_> {
    fn from(key: &Key) -> Self {
        Self::Key(*key)
    }
}

impl From<Option<Key>> for Value<'_> {
    fn from(key: Option<Key>) -> Self {
        key.map_or(Self::Text(None), Self::Key)
    }
}

macro_rules! numbers {
    ($($kind:ty),+) => {$(
        impl From<$kind> for Value<'_> {
            fn from(number: $kind) -> Self {
                Self::Number(Some(i64::from(number)))
            }
        }

        impl From<Option<$kind>> for Value<'_> {
            fn from(number: Option<$kind>) -> Self {
                Self::Number(number.map(i64::from))
            }
        }
    )+};
}
numbers!(i64, u32, u16, u8, bool);

/// One row that was read over a pool.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Panics when there is no such column or it is of another kind, which would be our own mistake.
    pub fn get<'r, T>(&'r self, column: &str) -> T
    where
        T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.get(column),
            Self::Postgres(row) => row.get(column),
        }
    }

    pub fn flag(&self, column: &str) -> bool {
        self.get::<i64>(column) != 0
    }
}
