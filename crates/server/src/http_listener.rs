//! HTTP/1.1 on the connections that an [`Intake`] takes in: bounded in number, in the time of a request's head and of the
//! request.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, StatusCode, header::CONNECTION},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use sluice_broker::{Arrival, Door};
use sluice_mqtt::{Certificates, Inner, Intake, Refusal, Stream, TakenIn};
use sluice_openapi::Asked;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt;

use crate::{refused_head::RefusedHead, watched_body::WatchedBody};

/// A request's head must be there within this time, also that of the next one on the same connection.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// A request must be answered within this time, its body read included.
const REQUEST_WAIT: Duration = Duration::from_secs(60);
/// Bytes of a request's head. The address has less than 65,535 of them: the `http` crate keeps no longer one.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Connections that speak HTTP at once; those that have become WebSocket are not counted.
const CONNECTIONS_MAX: usize = 4_096;

/// What the two HTTP listeners share.
#[derive(Clone)]
pub(crate) struct HttpDoor {
    router: Router,
    places: Arc<Semaphore>,
}

impl HttpDoor {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }

    /// Accepts connections until it is dropped. Each request's extensions say where it came from: a `Peer` and an [`Arrival`].
    pub(crate) async fn serve(self, listener: TcpListener, intake: Arc<Intake>, tls: Option<Arc<Certificates>>) {
        let tls = tls.map(|certificates| (certificates, Inner::Http));
        let refusing = Arc::clone(&intake);
        let take = move |taken_in| self.take(taken_in, &refusing);
        intake.run(listener, tls, take).await;
    }

    fn take(&self, taken_in: TakenIn, intake: &Intake) {
        let TakenIn { stream, peer, sni_instance, half_open } = taken_in;
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return intake.refuse(peer.addr, Refusal::Http);
        };
        let arrival = Arrival { peer, door: Door::Signed, sni_instance };
        let (router, place) = (self.router.clone(), Arc::new(place));
        tokio::spawn(async move {
            match stream {
                Stream::Tcp(stream) => speak(stream, router, arrival, &place).await,
                Stream::Tls(stream) => speak(*stream, router, arrival, &place).await,
            }
            // Both counted it as long as it spoke HTTP; a WebSocket is counted as half-open by itself.
            drop((place, half_open));
        });
    }
}

/// Answers requests until the connection ends or becomes a WebSocket. No error leaves without a body.
async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    arrival: Arrival,
    place: &Arc<OwnedSemaphorePermit>,
) {
    let (peer, place) = (arrival.peer, Arc::clone(place));
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(arrival.peer);
        request.extensions_mut().insert(arrival.clone());
        let asked = Asked::of(&request);
        let (parts, body) = request.into_parts();
        let (body, is_read) = WatchedBody::of(body);
        let (answering, place) =
            (router.clone().oneshot(Request::from_parts(parts, Body::new(body))), Arc::clone(&place));
        // What goes on after its connection has ended counts as one.
        let answering = answering.inspect(move |_| drop(place));
        async move { Ok::<Response, Infallible>(asked.told(in_time(answering, &is_read).await)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(RefusedHead::new(stream)), answer)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(peer = %peer.addr, %error, "an HTTP connection ended");
    }
}

/// The task panicked, or the server ends.
fn failed(error: tokio::task::JoinError) -> Response {
    tracing::error!(%error, "a request ended before its answer");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// The answer, or that it takes too long. An operation that is under way then, or whose client has gone away, ends by itself: what
/// it wrote is put in force. A request that is not all there is given up.
async fn in_time(
    answering: impl Future<Output = Result<Response, Infallible>> + Send + 'static,
    is_read: &AtomicBool,
) -> Response {
    let mut answering = tokio::spawn(answering);
    match tokio::time::timeout(REQUEST_WAIT, &mut answering).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(error)) => failed(error),
        Err(_) => {
            if !is_read.load(Ordering::Acquire) {
                answering.abort();
            }
            let mut late = StatusCode::REQUEST_TIMEOUT.into_response();
            // No next request joins the one that goes on.
            late.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            late
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use sluice_access::Peer;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        time::Instant,
    };

    use super::*;

    /// A client's end of a connection that is served; `/slow` never answers, `/panics` never can.
    fn served() -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(1024);
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/slow", get(std::future::pending::<()>))
            .route("/panics", get(|| async { panic!("as the test asks") as StatusCode }));
        let arrival = Arrival::signed(Peer { addr: [127, 0, 0, 1].into(), secure: false });
        tokio::spawn(async move { speak(ours, router, arrival, &place()).await });
        theirs
    }

    fn place() -> Arc<OwnedSemaphorePermit> {
        Arc::new(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap())
    }

    async fn answer_to(bytes: &[u8]) -> (String, Duration) {
        let begin = Instant::now();
        let mut client = served();
        client.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        (String::from_utf8(answer).unwrap(), begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_closes_the_connection_in_time() {
        for bytes in [&b""[..], b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
            let (answer, after) = answer_to(bytes).await;
            assert!(!answer.contains("hello"));
            assert!(after >= HEAD_WAIT && after < HEAD_WAIT * 2, "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_no_more_is_closed_in_time() {
        let (answer, after) = answer_to(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"));
        assert!(after >= HEAD_WAIT && after < HEAD_WAIT * 2, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_is_answered_408() {
        let (answer, after) = answer_to(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert_eq!(error_of(&answer), ("408".to_owned(), "RequestTimeout".to_owned()));
        assert!(after >= REQUEST_WAIT);
    }

    /// What `/writes` does ends after its answer is late, if the request was all there; one that is not is given up.
    #[tokio::test(start_paused = true)]
    async fn an_operation_that_takes_too_long_goes_on_and_half_a_request_does_not() {
        for (request, goes_on) in [
            ("POST /writes HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", true),
            ("POST /writes HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo", false),
        ] {
            let (done, is_done) = tokio::sync::oneshot::channel();
            let done = Arc::new(std::sync::Mutex::new(Some(done)));
            let writes = move |body: Body| async move {
                let begin = Instant::now();
                let read = axum::body::to_bytes(body, 16).await;
                tokio::time::sleep_until(begin + 2 * REQUEST_WAIT).await;
                if read.is_ok() {
                    done.lock().unwrap().take().unwrap().send(()).unwrap();
                }
            };
            let (ours, mut client) = tokio::io::duplex(1024);
            let arrival = Arrival::signed(Peer { addr: [127, 0, 0, 1].into(), secure: false });
            let router = Router::new().route("/writes", axum::routing::post(writes));
            tokio::spawn(async move { speak(ours, router, arrival, &place()).await });
            client.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(error_of(&answer).0, "408");
            assert_eq!(is_done.await.is_ok(), goes_on, "{request}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_handler_answers_is_an_error_with_a_body() {
        for (request, status, code) in [
            ("GET /panics HTTP/1.1", "500", "InternalError"),
            ("GET /nothere HTTP/1.1", "404", "InvalidApi.NotFound"),
            ("DELETE / HTTP/1.1", "405", "UnsupportedHTTPMethod"),
        ] {
            let (answer, _) = answer_to(format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
            assert_eq!(error_of(&answer), (status.to_owned(), code.to_owned()), "{request}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_cannot_be_read_is_answered_with_a_body_also_behind_another_request() {
        let long = format!("GET /?A={} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: a\r\n".repeat(200));
        let good = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        for (head, code) in [
            (long.as_str(), "RequestHeadTooLarge"),
            (many.as_str(), "RequestHeadTooLarge"),
            ("GET / HTTP/9.1\r\nHost: x\r\n\r\n", "RequestMalformed"),
        ] {
            let (answer, _) = answer_to(head.as_bytes()).await;
            assert_eq!(error_of(&answer).1, code);
            let mut client = served();
            client.write_all(good.as_bytes()).await.unwrap();
            let mut hello = [0; 1024];
            let read = client.read(&mut hello).await.unwrap();
            assert!(hello[..read].ends_with(b"hello"));
            client.write_all(head.as_bytes()).await.unwrap();
            let mut rest = String::new();
            client.read_to_string(&mut rest).await.unwrap();
            assert_eq!(error_of(&rest).1, code);
        }
    }

    /// Status and `Code` of an answer whose length is as it says.
    fn error_of(answer: &str) -> (String, String) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", body.len())) && head.contains("connection: close"),
            "{answer}"
        );
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(body["RequestId"].is_string() && body["Message"].is_string(), "{body}");
        (head[9..12].to_owned(), body["Code"].as_str().unwrap().to_owned())
    }
}
