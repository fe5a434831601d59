//! Routes that are made when somebody asks for them.
//!
//! A cold start happens for one request, and that request takes one route. So a function starts with a list of paths, and
//! what it takes to serve one (handlers on the heap, what surrounds them, the context) is made at the first request for it.
//! Made for all paths at the start, as an `axum::Router` is, it was most of what a function with thirty routes did before it
//! asked for work.
//!
//! Their description, too, is made only for who asks. What is built for Lambda (`--cfg lambda`, `.cargo/lambda.toml`) has
//! none at all: it would be a tenth of the zip.

use std::sync::OnceLock;

use axum::{Router, handler::Handler, routing::MethodRouter};
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa_axum::{
    PathItemExt,
    router::{OpenApiRouter, UtoipaMethodRouter},
};

use crate::{ctx::Ctx, surface::Surface};

/// The routes of a function.
#[derive(Default)]
pub struct Routes {
    routes: Vec<Route>,
    descriptions: Vec<Describe>,
}

/// A path and handlers for some of its methods; another of the same path may have those for others.
struct Route {
    path: String,
    add: Add,
    /// The whole path's, once it was asked for.
    ready: OnceLock<Router>,
}

/// Adds handlers to those of their path.
type Add = Box<dyn Fn(MethodRouter<Ctx>) -> MethodRouter<Ctx> + Send + Sync>;

type Describe = fn() -> UtoipaMethodRouter<Ctx>;

/// Handlers with their paths and their description: what [`routes!`](crate::routes!) makes.
pub struct Described {
    /// Path, and what adds its handler.
    pub handlers: Vec<(String, Add)>,
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
        let route = |(path, add)| Route { path, add, ready: OnceLock::new() };
        self.routes.extend(described.handlers.into_iter().map(route));
        self.descriptions.extend(described.describe);
        self
    }

    /// Adds a route that the description leaves out.
    pub fn route(self, path: &str, methods: MethodRouter<Ctx>) -> Self {
        let add: Add = Box::new(move |router| router.merge(methods.clone()));
        self.routes(Described { handlers: vec![(path.to_owned(), add)], describe: None })
    }

    /// The description.
    pub fn openapi(&self) -> OpenApi {
        let described = self.descriptions.iter().map(|describe| describe());
        described.fold(OpenApiRouter::new(), OpenApiRouter::routes).into_openapi()
    }

    /// The route that takes `path`, as an `axum::Router` of all of them would choose it: what is spelled out goes before a
    /// parameter, which is the order of their texts, since `{` comes after every letter.
    fn find(&self, path: &str) -> Option<&Route> {
        self.routes.iter().filter(|route| takes(&route.path, path)).min_by_key(|route| &route.path)
    }

    /// All handlers of the path of `route`.
    fn router(&self, route: &Route) -> Router<Ctx> {
        let same = self.routes.iter().filter(|other| other.path == route.path);
        let methods = same.fold(MethodRouter::new(), |methods, route| (route.add)(methods));
        Router::new().route(&route.path, methods)
    }
}

/// The routes of all surfaces of a function, bound to its context.
pub(crate) struct Routing {
    pub(crate) served: Vec<(Surface, Routes)>,
    pub(crate) ctx: Ctx,
}

impl Routing {
    /// What serves `path`; it refuses methods and paths that no route takes.
    pub(crate) fn router(&self, path: &str) -> Router {
        let bind = |surface: Surface, router| surface.wrap(router, &self.ctx).with_state(self.ctx.clone());
        for (surface, routes) in &self.served {
            if let Some(route) = routes.find(path) {
                return route.ready.get_or_init(|| bind(*surface, routes.router(route))).clone();
            }
        }
        bind(self.served.first().map_or(Surface::Platform, |(first, _)| *first), Router::new())
    }
}

/// Whether `path` has the form of `route`: a parameter takes one segment, and a last `{*rest}` all that follow. What a
/// path ends with is not nothing, as axum has it.
fn takes(route: &str, path: &str) -> bool {
    let Some((spelled_out, parameter)) = route.split_once('{') else { return route == path };
    let Some(path) = path.strip_prefix(spelled_out).filter(|path| !path.is_empty()) else { return false };
    let (name, route) = parameter.split_once('}').unwrap_or((parameter, ""));
    let end = path.find('/').unwrap_or(path.len());
    name.starts_with('*') || takes(route, &path[end..])
}

/// Takes handlers that have `#[utoipa::path]`, which says their methods and paths, for [`Routes::routes`].
#[macro_export]
macro_rules! routes {
    (@handler $handler:path) => {
        // `paste!` takes the path apart again, so that the generated `__path_…` can be named.
        $crate::routes::by_macro::paste! {
            $crate::routes::by_macro::on(
                $crate::routes::by_macro::routes!(@path [path()] of $handler),
                || $crate::routes::by_macro::routes!(@path [methods()] of $handler),
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

    pub fn on<H, T>(path: String, methods: fn() -> Vec<HttpMethod>, handler: H) -> (String, Add)
    where
        H: Handler<T, Ctx> + Sync,
        T: 'static,
    {
        let on =
            move |router: MethodRouter<Ctx>, method: &HttpMethod| router.on(method.to_method_filter(), handler.clone());
        (path, Box::new(move |router| methods().iter().fold(router, &on)))
    }
}

#[cfg(test)]
mod tests {
    use axum::{extract::MatchedPath, routing::get};
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    const ROUTES: [&str; 11] = [
        "/",
        "/pos/orders",
        "/pos/orders/stats",
        "/pos/orders/{id}",
        "/pos/orders/{id}/refund",
        "/pos/orders/{id}/items/{item}",
        "/pos/orders/stats/today",
        "/pos/{group}/of/{id}",
        "/pos/orders/of/late",
        "/files/health",
        "/files/{*path}",
    ];

    const PATHS: [&str; 26] = [
        "/",
        "/pos",
        "/pos/",
        "/pos/orders",
        "/pos/orders/",
        "/pos//orders",
        "/pos/orders/7",
        "/pos/orders/7/",
        "/pos/orders/stats",
        "/pos/orders/statistics",
        "/pos/orders/stats/refund",
        "/pos/orders/stats/today",
        "/pos/orders/stats/items/8",
        "/pos/orders/7/items/8",
        "/pos/orders//items/8",
        "/pos/orders/7/items/8/more",
        "/pos/orders/of/7",
        "/pos/orders/of/late",
        "/pos/orders/a%2Fb/refund",
        "/files/",
        "/files/health",
        "/files/healthy",
        "/files/a//b/",
        "/files//a",
        "/files//",
        "/pos/orders//refund",
    ];

    #[tokio::test]
    async fn a_path_is_taken_by_the_route_that_axum_would_choose() {
        let answer = get(async |path: MatchedPath| path.as_str().to_owned());
        let all = ROUTES.iter().fold(Router::new(), |router, route| router.route(route, answer.clone()));
        let routes = ROUTES.iter().rev().fold(Routes::new(), |routes, route| routes.route(route, MethodRouter::new()));
        for path in PATHS {
            let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
            let answer = all.clone().oneshot(request).await.unwrap();
            let chosen = if answer.status() == 200 {
                axum::body::to_bytes(answer.into_body(), 100).await.unwrap()
            } else {
                bytes::Bytes::new()
            };
            let ours = routes.find(path).map(|route| route.path.as_str()).unwrap_or_default();
            assert_eq!(ours, std::str::from_utf8(&chosen).unwrap(), "{path}");
        }
    }
}
