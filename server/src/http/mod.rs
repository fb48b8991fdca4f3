//! HTTP: the API of the console, the chat widget's WebSocket, the built pages.

mod assets;
mod auth;
mod body;
mod chat;
mod desk;
mod dialplans;
mod error;
mod events;
mod floor;
mod flows;
mod health;
mod ladder;
mod recordings;
mod reports;
mod routing;
mod serve;
mod sessions;
mod softphone;
mod supervision;
mod users;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::routing::get;
use governor::{Quota, RateLimiter};
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::error::ApiError;
use crate::app::App;
use crate::recording::Waveforms;

pub use auth::Me;
pub use dialplans::{read_prompts, reload_now};
pub use flows::turn as turn_switch;
pub use serve::serve;
pub use users::is_login;

/// How long a request that is not a WebSocket may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The state of the routes.
#[derive(Clone)]
pub struct Web {
    app: App,
    guard: Arc<auth::Guard>,
    doorman: Arc<chat::Doorman>,
    waveforms: Waveforms,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Tandem",
    description = "Sign in with a cookie; requests that change something carry the header `X-Tandem: 1`. Times are \
        microseconds since the Unix epoch."
))]
struct Description;

impl Web {
    pub fn new(app: App) -> Self {
        let per_minute = NonZeroU32::new(app.config.chat.connections_per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            app,
            guard: Arc::default(),
            doorman: Arc::new(RateLimiter::keyed(Quota::per_minute(per_minute))),
            waveforms: Waveforms::default(),
        }
    }

    /// Forgets rate-limit keys that are at rest; to be called now and then.
    pub fn tidy(&self) {
        self.guard.tidy();
        self.doorman.retain_recent();
    }
}

impl FromRef<Web> for App {
    fn from_ref(web: &Web) -> App {
        web.app.clone()
    }
}

/// Every route but SIP over WebSocket.
pub fn router(web: Web) -> Router {
    let max_body = web.app.config.http.max_body;
    let (api, description) = api().split_for_parts();
    let description = description.to_json().expect("the description is plain data");
    let openapi = move || {
        let text = description.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    let pages = Router::new()
        .route("/", get(assets::root))
        .route("/console", get(assets::root))
        .route("/console/", get(assets::console_index))
        .route("/console/{*path}", get(assets::console))
        .route("/widget.js", get(assets::widget))
        .route("/widget-voice.js", get(assets::widget_voice))
        .route("/shop", get(assets::shop_index))
        .route("/shop/", get(assets::shop_index))
        .route("/shop/{*path}", get(assets::shop))
        .layer(CompressionLayer::new());
    let health = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics));
    Router::new()
        .merge(api)
        .merge(pages)
        .merge(health)
        .route("/api/v1/openapi.json", get(openapi))
        .route("/chat", get(chat::chat))
        .fallback(async || ApiError::not_found("page"))
        .method_not_allowed_fallback(async || {
            let message = "This cannot be asked in this way.";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message)
        })
        .layer(DefaultBodyLimit::max(max_body))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "same-origin"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .with_state(web)
}

/// The OpenAPI description, as JSON.
pub fn openapi() -> String {
    api().into_openapi().to_pretty_json().expect("the description is plain data")
}

fn api() -> OpenApiRouter<Web> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(auth::login))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::me))
        .routes(routes!(softphone::softphone))
        .routes(routes!(desk::show, desk::command))
        .routes(routes!(events::events))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::show))
        .routes(routes!(sessions::entries))
        .routes(routes!(sessions::customers))
        .routes(routes!(sessions::customer))
        .routes(routes!(supervision::supervise, supervision::leave))
        .routes(routes!(supervision::take_over))
        .routes(routes!(routing::pick))
        .routes(routes!(routing::push))
        .routes(routes!(recordings::list))
        .routes(routes!(recordings::audio))
        .routes(routes!(recordings::peaks))
        .routes(routes!(recordings::alarm))
        .routes(routes!(recordings::pause))
        .routes(routes!(ladder::show))
        .routes(routes!(ladder::pcap))
        .routes(routes!(ladder::bans, ladder::ban))
        .routes(routes!(ladder::lift))
        .routes(routes!(floor::queues))
        .routes(routes!(floor::agents))
        .routes(routes!(reports::report))
        .routes(routes!(reports::wallboard))
        .routes(routes!(dialplans::show))
        .routes(routes!(dialplans::check))
        .routes(routes!(dialplans::reload))
        .routes(routes!(flows::switches))
        .routes(routes!(flows::turn_switch))
        .routes(routes!(flows::tasks))
        .routes(routes!(flows::task_done))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::change, users::remove))
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}
