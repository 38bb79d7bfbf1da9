//! What `tidewater bench` compares our doors with: the same web server, which parses a body and forgets it.

use std::net::TcpListener;

use actix_web::{App, HttpResponse, HttpServer, web};

const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Starts it on threads of its own; it ends with the process. Returns its address.
///
/// # Errors
/// No port is free.
pub fn parse_and_discard() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        let app = || {
            App::new().app_data(web::PayloadConfig::new(BODY_LIMIT)).default_service(web::to(
                |body: web::Bytes| async move {
                    match serde_json::from_slice::<serde_json::Value>(&body) {
                        Ok(_) => HttpResponse::Ok().finish(),
                        Err(_) => HttpResponse::BadRequest().finish(),
                    }
                },
            ))
        };
        let served = HttpServer::new(app).workers(2).disable_signals().listen(listener);
        served.map(|server| actix_rt::System::new().block_on(server.run()))
    });
    Ok(address)
}
