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
mod room;
mod routes;

pub use access::Access;
pub use routes::{ROUTES, Route};

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use crate::actors::Platform;
use crate::store::Database;

use doors::Doors;

/// Seconds that a stopping server gives to requests that it has begun.
const SHUTDOWN_SECONDS: u64 = 10;
/// Connections that each thread of the doors holds at most; further ones wait until one of them ends. One in full flow takes
/// some 200 KB.
const CONNECTIONS: usize = 1_024;
/// How long the head of a request may take to arrive, and a connection may be idle. Bodies have a time of their own.
const HEAD_TIME: Duration = Duration::from_secs(5);
const IDLE_TIME: Duration = Duration::from_secs(5);

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
    .max_connections(CONNECTIONS)
    .client_request_timeout(HEAD_TIME)
    .keep_alive(IDLE_TIME)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .listen(listener)?;
    Ok(server.run())
}
