//! The platform about itself: health, documentation, status, and who one is.

mod status;

use axum::{
    extract::State,
    response::{Html, IntoResponse},
    routing::{MethodRouter, any},
};
use domain::time::iso;
use http::header;
use runtime::{ApiError, Ctx, Function, Json, Routes, Surface, openapi::CommonErrors, routes};
use serde::Serialize;
use utoipa::ToSchema;

/// The description of every route, generated from the code by `cargo run -- openapi`; a test holds it up to date.
const OPENAPI: &str = include_str!("../openapi.json");

/// A page that draws it, without any network.
const DOCS: &str = include_str!("docs.html");

/// The function.
pub fn function() -> Function {
    Function::http(Surface::Platform, routes())
}

fn routes() -> Routes {
    Routes::new()
        .routes(routes!(show_health))
        .routes(routes!(show_openapi))
        .routes(routes!(show_docs))
        .routes(routes!(status::show_status))
        .routes(routes!(status::show_caller))
        .route("/tickets/{*path}", elsewhere(Surface::Tickets))
        .route("/pos/{*path}", elsewhere(Surface::Pos))
}

/// Where a surface has no such path, or not with this method: refused as that surface refuses.
fn elsewhere(surface: Surface) -> MethodRouter<Ctx> {
    any(move || async move {
        let error = ApiError::not_found("NOT_FOUND", "Not found");
        (error.status, axum::Json(surface.error_body(&error)))
    })
}

/// The health of the tickets surface (contract `tickets.md` §2).
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `healthy` or `degraded`.
    pub status: &'static str,
    /// The version that the shipped clients expect.
    pub version: &'static str,
    /// ISO-8601.
    pub timestamp: String,
    /// The table.
    pub database: Database,
    /// `configured` or `not_configured`.
    pub email: &'static str,
    /// `configured`: uploads go to our own store.
    pub cloudinary: &'static str,
}

/// Whether the table answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Database {
    /// `healthy` or `unhealthy`.
    pub status: &'static str,
    /// The same as a boolean.
    pub connected: bool,
}

/// Health. 200 even when degraded.
#[utoipa::path(get, path = "/tickets/health", tag = "platform", responses((status = 200, body = Health), CommonErrors))]
async fn show_health(State(ctx): State<Ctx>) -> Json<Health> {
    let connected = ctx.store().load_org(ctx.settings().tickets_org).await.is_ok();
    let pick = |good, yes, no| if good { yes } else { no };
    Json(Health {
        status: pick(connected, "healthy", "degraded"),
        version: "4.0.0",
        timestamp: iso(ctx.now()),
        database: Database { status: pick(connected, "healthy", "unhealthy"), connected },
        email: pick(ctx.settings().mail_from.is_some(), "configured", "not_configured"),
        cloudinary: "configured",
    })
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "platform",
    responses((status = 200, content_type = "application/json", body = Object), CommonErrors))]
async fn show_openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], OPENAPI)
}

/// This description as a page.
#[utoipa::path(get, path = "/docs", tag = "platform",
    responses((status = 200, content_type = "text/html", body = String), CommonErrors))]
async fn show_docs() -> Html<&'static str> {
    Html(DOCS)
}
