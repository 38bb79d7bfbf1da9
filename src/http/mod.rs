//! The doors: what the world can ask of a running platform over HTTP.
//!
//! All routes stand in one table, [`ROUTES`], each with what it asks of the caller; nothing is reachable that is not in
//! it. A collecting call is answered only after its events are durable.

mod access;
mod answer;
mod body;
mod collect;
mod doors;
mod headers;
mod health;
pub mod limit;
mod links;
mod manage;
mod metrics;
mod page;
mod privacy;
mod programs;
mod quarantine;
mod routes;

pub use access::Access;
pub use routes::{ROUTES, Route};

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use crate::actors::Platform;
use crate::store::Database;

use doors::Doors;

/// Seconds that a stopping server gives to requests that it has begun.
const SHUTDOWN_SECONDS: u64 = 10;

/// Opens the doors on a listener; `database` is what the platform stands on. The caller awaits the server; `server.handle().stop(true)` closes the doors and lets
/// begun requests end. Signals are the caller's matter, for the platform has to stop after its doors.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(platform: Platform, database: Database, listener: TcpListener) -> std::io::Result<Server> {
    let doors = web::Data::new(Doors::new(platform, database));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(doors.clone())
            .configure(routes::configure)
            .default_service(web::to(answer::no_such_page))
            .wrap(from_fn(headers::of_every_answer))
    })
    .disable_signals()
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen(listener)?;
    Ok(server.run())
}
