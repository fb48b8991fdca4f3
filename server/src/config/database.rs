//! Where everything durable lives.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::check::Check;
use super::raw;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Database {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// May hold a password, so it prints without.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// `postgres://user@host/database`, as libpq writes it. What is wrong with it otherwise.
    pub fn new(url: &str) -> Result<Self, String> {
        // Who reads and who writes take it apart each with their own means.
        let config: tokio_postgres::Config =
            url.parse().map_err(|error: tokio_postgres::Error| reason(&error))?;
        url.parse::<sqlx::postgres::PgConnectOptions>().map_err(|error| error.to_string())?;
        use tokio_postgres::config::SslMode;
        match config.get_ssl_mode() {
            SslMode::Disable | SslMode::Prefer => Ok(Self(url.to_owned())),
            _ => Err("the connection to PostgreSQL cannot be encrypted yet".to_owned()),
        }
    }

    /// With its password.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The reason behind "invalid connection string".
fn reason(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL")
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => file.display().fmt(f),
            Self::Postgres(_) => f.write_str("in PostgreSQL"),
        }
    }
}

pub(super) fn database(check: &mut Check<'_>, raw: raw::Database, data: &Path) -> Database {
    let usual = Database::Sqlite(data.join("tandem.db"));
    let Some(url) = raw.url else { return usual };
    let span = url.span();
    if let Some(file) = url.get_ref().strip_prefix("sqlite:") {
        if file.is_empty() || file.starts_with(":memory:") {
            check.problem(
                span.clone(),
                "the database must be a file: everything that was promised lives in it",
                None,
            );
        }
        let written = Spanned::new(span, file.trim_start_matches("//").to_owned());
        return Database::Sqlite(check.path(Some(written), ""));
    }
    let hint = "write it like \"sqlite:data/tandem.db\" or \"postgres://tandem@localhost/tandem\"";
    if url.get_ref().starts_with("postgres://") || url.get_ref().starts_with("postgresql://") {
        match PostgresUrl::new(url.get_ref()) {
            Ok(url) => return Database::Postgres(url),
            Err(why) => check.problem(
                span,
                format!("this is not an address of a PostgreSQL database: {why}"),
                Some(hint.into()),
            ),
        }
    } else {
        // It may be one with a password in it and a slip of the pen.
        check.problem(span, "this is not a database address", Some(hint.into()));
    }
    usual
}
