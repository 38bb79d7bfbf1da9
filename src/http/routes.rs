//! The one table of routes.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use super::access::{self, Access};
use super::{collect, health, links, manage, metrics, privacy, programs, quarantine};

/// One way in.
#[derive(Debug, Clone)]
pub struct Route {
    pub method: Method,
    /// As actix writes it, with `{name}` for what varies.
    pub path: &'static str,
    pub access: Access,
    make: fn() -> actix_web::Route,
}

const fn route(method: Method, path: &'static str, access: Access, make: fn() -> actix_web::Route) -> Route {
    Route { method, path, access, make }
}

/// Every route of the platform.
pub const ROUTES: &[Route] = &[
    route(Method::POST, "/v1/{call}", Access::WriteKey, || web::post().to(collect::collect)),
    route(Method::OPTIONS, "/v1/{call}", Access::Open, || web::route().method(Method::OPTIONS).to(collect::preflight)),
    route(Method::GET, "/healthz", Access::Open, || web::get().to(health::alive)),
    route(Method::HEAD, "/healthz", Access::Open, || web::head().to(health::alive)),
    route(Method::GET, "/readyz", Access::Open, || web::get().to(health::ready)),
    route(Method::HEAD, "/readyz", Access::Open, || web::head().to(health::ready)),
    route(Method::GET, "/metrics", Access::ApiKey, || web::get().to(metrics::metrics)),
    route(Method::GET, "/u/{token}", Access::SignedLink, || web::get().to(links::ask_unsubscribe)),
    route(Method::HEAD, "/u/{token}", Access::SignedLink, || web::head().to(links::ask_unsubscribe)),
    route(Method::POST, "/u/{token}", Access::SignedLink, || web::post().to(links::unsubscribe)),
    route(Method::GET, "/c/{token}", Access::SignedLink, || web::get().to(links::click)),
    route(Method::HEAD, "/c/{token}", Access::SignedLink, || web::head().to(links::click)),
    route(Method::GET, "/api/v1/profiles/{key}", Access::ApiKey, || web::get().to(manage::profile)),
    route(Method::POST, "/api/v1/profiles/{key}/consent", Access::ApiKey, || web::post().to(privacy::consent)),
    route(Method::GET, "/api/v1/segments", Access::ApiKey, || web::get().to(manage::segments)),
    route(Method::GET, "/api/v1/segments/{name}/members", Access::ApiKey, || web::get().to(manage::members)),
    route(Method::GET, "/api/v1/journeys/{name}/report", Access::ApiKey, || web::get().to(manage::journey_report)),
    route(Method::GET, "/api/v1/program", Access::ApiKey, || web::get().to(programs::in_force)),
    route(Method::POST, "/api/v1/program", Access::ApiKey, || web::post().to(programs::deploy)),
    route(Method::GET, "/api/v1/quarantine", Access::ApiKey, || web::get().to(quarantine::list)),
    route(Method::POST, "/api/v1/quarantine/retry", Access::ApiKey, || web::post().to(quarantine::retry)),
    route(Method::POST, "/api/v1/profiles/{key}/erase", Access::ApiKey, || web::post().to(privacy::erase)),
    route(Method::GET, "/api/v1/erasures", Access::ApiKey, || web::get().to(privacy::erasures)),
];

/// Puts the table into an app. Keys of the management API are checked here, by the table's word, and not by handlers.
pub(super) fn configure(config: &mut ServiceConfig) {
    let mut paths: Vec<&'static str> = ROUTES.iter().map(|route| route.path).collect();
    paths.dedup();
    for path in paths {
        let mut resource = web::resource(path);
        for route in ROUTES.iter().filter(|route| route.path == path) {
            resource = resource.route(match route.access {
                Access::ApiKey => (route.make)().wrap(from_fn(access::require_api_key)),
                Access::Open | Access::WriteKey | Access::SignedLink => (route.make)(),
            });
        }
        config.service(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_one_path_stand_together_and_differ() {
        let mut seen = std::collections::BTreeSet::new();
        let mut last = "";
        for route in ROUTES {
            assert!(seen.insert((route.path, route.method.to_string())), "{} {} twice", route.method, route.path);
            let is_new_path =
                !seen.iter().any(|(path, method)| *path == route.path && *method != route.method.to_string());
            assert!(is_new_path || last == route.path, "the rows of {} are apart", route.path);
            last = route.path;
        }
    }

    #[test]
    fn all_management_asks_for_the_key() {
        for route in ROUTES.iter().filter(|route| route.path.starts_with("/api/")) {
            assert_eq!(route.access, Access::ApiKey, "{}", route.path);
        }
    }
}
