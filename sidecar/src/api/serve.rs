//! Connections: how many, how slow they may be, and how they end.

mod seats;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

use seats::{Seat, Seats};

/// Connections to the local API at once: four for each request that is answered at once.
pub const API_CONNECTIONS_MAX: usize = 4 * super::REQUESTS_MAX;
/// Connections to metrics and probes at once: a kubelet and some scrapers hold one each.
pub const PROBE_CONNECTIONS_MAX: usize = 64;
/// Longest that a connection may take for the head of a request, and stay open without one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the head of a request, and of what is read ahead: a token of 4 KiB fits many times.
const HEAD_MAX_BYTES: usize = 32 * 1024;
/// Pause after the process could not take a connection: it may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest that requests under way may take when the node ends; below the 30 seconds that
/// Kubernetes grants.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Serves HTTP/1.1 on at most `connections_max` connections until `stop` resolves; then takes no
/// more, answers what is under way, and returns after ten seconds at most.
///
/// One connection more closes the one that has waited longest for a request: whoever opens many
/// and says nothing keeps nobody out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    stop: impl Future<Output = ()>,
) {
    let seats = Seats::new(connections_max);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &seats) => accepted,
        };
        let (stream, seat) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (id, seat) = (seat.id(), Arc::new(seat));
        let router = TowerToHyperService::new(router.clone());
        let answer = service_fn(move |request| {
            let answering = seat.answering();
            let answer = router.call(request);
            async move {
                let answer = answer.await;
                drop(answering);
                answer
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_MAX_BYTES)
            .serve_connection(TokioIo::new(stream), answer);
        let connection = graceful.watch(connection);
        let task = tokio::spawn(async move {
            // What goes wrong with a connection concerns its other end, which knows.
            let _broken = connection.await;
        });
        seats.run(id, task.abort_handle());
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN_GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests under way were not answered in time and are given up");
    }
}

async fn accept(listener: &TcpListener, seats: &Arc<Seats>) -> io::Result<(TcpStream, Seat)> {
    let (stream, _) = listener.accept().await?;
    Ok((stream, seats.take().await))
}
