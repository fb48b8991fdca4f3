//! The built pages: console, widget and demo shop. They are embedded when the server is built for release; a debug build
//! reads them from the working tree.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;

/// What `npm run build` in `console/` has made, if it was run.
#[derive(RustEmbed)]
#[folder = "../console/dist"]
#[allow_missing = true]
struct Dist;

/// The console talks to its own server only; its own style elements come from its component library.
const CONSOLE_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    media-src 'self' blob:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";
const HASHED: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";

const NOT_BUILT: &str = "<!doctype html><meta charset=\"utf-8\"><title>Tandem</title>\
<body style=\"font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem\">\
<h1>The console is not built</h1><p>The server runs; its pages are missing from this build. With Node 20 or later:</p>\
<pre>make console</pre><p>and build the server again. <code>make run</code> does both.</p>";

pub async fn root() -> Redirect {
    Redirect::temporary("/console/")
}

pub async fn console_index(headers: HeaderMap) -> Response {
    page("console/index.html", &headers)
}

/// A file of the console, or its start page: the addresses of its views are its own.
pub async fn console(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let name = format!("console/{path}");
    if Dist::get(&name).is_some() {
        return page(&name, &headers);
    }
    if path.starts_with("assets/") || path.rsplit('/').next().is_some_and(|last| last.contains('.')) {
        return StatusCode::NOT_FOUND.into_response();
    }
    page("console/index.html", &headers)
}

/// The embeddable scripts: any page may load them.
pub async fn widget(headers: HeaderMap) -> Response {
    script("widget.js", &headers)
}

pub async fn widget_voice(headers: HeaderMap) -> Response {
    script("widget-voice.js", &headers)
}

pub async fn shop_index(headers: HeaderMap) -> Response {
    file("shop/index.html", REVALIDATE, &headers).unwrap_or_else(not_built)
}

pub async fn shop(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let name = format!("shop/{path}");
    file(&name, caching(&name), &headers).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

fn page(name: &str, headers: &HeaderMap) -> Response {
    let Some(mut response) = file(name, caching(name), headers) else { return not_built() };
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONSOLE_POLICY));
    response
}

fn script(name: &str, headers: &HeaderMap) -> Response {
    let Some(mut response) = file(name, REVALIDATE, headers) else {
        return (StatusCode::NOT_FOUND, "the console and the widget are not built: make console\n")
            .into_response();
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

fn file(name: &str, caching: &'static str, headers: &HeaderMap) -> Option<Response> {
    let file = Dist::get(name)?;
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, caching.to_owned())];
    if known {
        return Some((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let kind = file.metadata.mimetype().to_owned();
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind };
    Some((common, [(header::CONTENT_TYPE, kind)], file.data).into_response())
}

/// Vite writes a hash into the names below `assets/`; these never change.
fn caching(name: &str) -> &'static str {
    if name.contains("/assets/") { HASHED } else { REVALIDATE }
}

fn not_built() -> Response {
    (StatusCode::OK, Html(NOT_BUILT)).into_response()
}
