//! Routes that can describe themselves, and do so only when somebody asks: the description of a function with a dozen
//! routes takes longer to make than all else that it does before its first request, which has no use for it. What is
//! built for Lambda (`--cfg lambda`, `.cargo/lambda.toml`) has none at all: it would be a tenth of the zip.

use axum::{Router, handler::Handler, routing::MethodRouter};
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa_axum::{
    PathItemExt,
    router::{OpenApiRouter, UtoipaMethodRouter},
};

use crate::ctx::Ctx;

/// The routes of a function.
#[derive(Clone, Default)]
pub struct Routes {
    router: Router<Ctx>,
    descriptions: Vec<Describe>,
}

type Describe = fn() -> UtoipaMethodRouter<Ctx>;

/// Handlers with their paths and their description: what [`routes!`](crate::routes!) makes.
pub struct Described {
    /// Path, and the handler for its methods.
    pub handlers: Vec<(String, MethodRouter<Ctx>)>,
    /// The same as `utoipa` has it; absent in what is built for Lambda.
    pub describe: Option<Describe>,
}

impl Routes {
    /// No routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds handlers, as in `.routes(routes!(list_orders, place_order))`.
    pub fn routes(mut self, described: Described) -> Self {
        for (path, methods) in described.handlers {
            self.router = self.router.route(&path, methods);
        }
        self.descriptions.extend(described.describe);
        self
    }

    /// Adds a route that the description leaves out.
    pub fn route(mut self, path: &str, methods: MethodRouter<Ctx>) -> Self {
        self.router = self.router.route(path, methods);
        self
    }

    /// The description.
    pub fn openapi(&self) -> OpenApi {
        let described = self.descriptions.iter().map(|describe| describe());
        described.fold(OpenApiRouter::new(), OpenApiRouter::routes).into_openapi()
    }

    pub(crate) fn into_router(self) -> Router<Ctx> {
        self.router
    }
}

/// Takes handlers that have `#[utoipa::path]`, which says their methods and paths, for [`Routes::routes`].
#[macro_export]
macro_rules! routes {
    (@handler $handler:path) => {
        // `paste!` takes the path apart again, so that the generated `__path_…` can be named.
        $crate::routes::by_macro::paste! {
            $crate::routes::by_macro::on(
                $crate::routes::by_macro::routes!(@path [path()] of $handler),
                &$crate::routes::by_macro::routes!(@path [methods()] of $handler),
                $handler,
            )
        }
    };
    ($($handler:path),+ $(,)?) => {
        $crate::routes::Described {
            handlers: vec![$($crate::routes!(@handler $handler)),+],
            describe: $crate::describe!($($handler),+),
        }
    };
}

/// The description of handlers, for [`routes!`].
#[doc(hidden)]
#[cfg(not(lambda))]
#[macro_export]
macro_rules! describe {
    ($($handler:path),+) => {
        Some(|| $crate::routes::by_macro::routes!($($handler),+))
    };
}

/// None: nobody asks.
#[doc(hidden)]
#[cfg(lambda)]
#[macro_export]
macro_rules! describe {
    ($($handler:path),+) => {
        None
    };
}

/// What [`routes!`](crate::routes!) writes; nobody else does.
#[doc(hidden)]
pub mod by_macro {
    pub use utoipa_axum::{paste, routes};

    use super::*;

    pub fn on<H, T>(path: String, methods: &[HttpMethod], handler: H) -> (String, MethodRouter<Ctx>)
    where
        H: Handler<T, Ctx>,
        T: 'static,
    {
        let on = |router: MethodRouter<Ctx>, method: &HttpMethod| router.on(method.to_method_filter(), handler.clone());
        (path, methods.iter().fold(MethodRouter::new(), on))
    }
}
