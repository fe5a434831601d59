//! The description of the whole API, merged from all functions.

use runtime::Function;
use utoipa::openapi::{
    Info, OpenApi, Paths,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::functions::registry;

/// The description that `platform-meta` serves: every route of every function, in a stable order.
pub fn openapi() -> OpenApi {
    let mut info = Info::new("Fairground", env!("CARGO_PKG_VERSION"));
    info.description = Some("One backend for everything that is sold, served and run on a fairground.".to_owned());
    let mut api = OpenApi::new(info, Paths::new());
    for part in registry().values().filter_map(|make| Function::openapi(&make())) {
        api.merge(part);
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    api
}
