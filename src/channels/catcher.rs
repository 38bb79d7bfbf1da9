//! What listens for the servers that keep what they get.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// It stops when it is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Listens on a free port of this machine, and has each conversation `held`.
    ///
    /// # Errors
    /// No port is free.
    pub(super) async fn start<H>(held: impl Fn(TcpStream) -> H + Send + 'static) -> std::io::Result<Self>
    where
        H: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let conversation = held(stream);
                tokio::spawn(async move {
                    // A client that breaks off has said all that it will say.
                    let _ = conversation.await;
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}
