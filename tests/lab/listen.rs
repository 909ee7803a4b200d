//! The accept loop that both servers share.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Binds, with an error that says to what.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr().context("cannot learn the address that was bound")?;
    Ok((listener, address))
}

/// Serves each connection in a task of its own, numbered from 1. All of them end with this future.
pub(super) async fn serve<F, C>(listener: TcpListener, connection: F)
where
    F: Fn(TcpStream, u64) -> C,
    C: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => {
                    number += 1;
                    // an error shows again at the first read
                    let _no_matter = stream.set_nodelay(true);
                    tasks.spawn(connection(stream, number));
                }
                // out of file descriptors: those that end free some
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_ended) = tasks.join_next() => {}
        }
    }
}
