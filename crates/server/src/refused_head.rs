//! The answers that hyper writes by itself: to a request's head that it cannot read, of which no service hears. Theirs have
//! no body; here they get one.
//!
//! They are known by their bytes: written whole, after everything before was flushed, with one of three statuses and
//! `content-length: 0`, which no answer of a service has ([`Asked::told`]).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::http::StatusCode;
use futures_util::FutureExt;
use sluice_openapi::Asked;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// Longest body of such an answer.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// How long it is read on after such an answer: a close with bytes unread would take the answer from the peer.
const READ_ON: Duration = Duration::from_secs(2);
/// The most that is read on and thrown away.
const READ_ON_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A connection that hyper serves.
pub(crate) struct RefusedHead<S> {
    stream: S,
    /// Nothing was written since the last flush.
    is_flushed: bool,
    refusal: Option<Refusal>,
}

/// An answer in place of hyper's.
struct Refusal {
    bytes: Vec<u8>,
    /// Bytes that were written.
    written: usize,
    /// Bytes that were thrown away.
    thrown_away: usize,
    /// Begins with the shutdown.
    end: Option<Pin<Box<Sleep>>>,
}

impl<S> RefusedHead<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, is_flushed: true, refusal: None }
    }

    /// Takes the bytes over when they are an answer of hyper's; `true` when nothing of them is to be written.
    fn takes_over(&mut self, bytes: &[u8]) -> bool {
        if !self.is_flushed || self.refusal.is_some() {
            return false;
        }
        let Some(bytes) = with_body(bytes) else { return false };
        self.refusal = Some(Refusal { bytes, written: 0, thrown_away: 0, end: None });
        true
    }
}

/// The answer with a body, if it is one of hyper's.
fn with_body(answer: &[u8]) -> Option<Vec<u8>> {
    const NO_BODY: &str = "content-length: 0\r\n";
    let status = match answer.get(..12)? {
        b"HTTP/1.1 400" => StatusCode::BAD_REQUEST,
        b"HTTP/1.1 414" => StatusCode::URI_TOO_LONG,
        b"HTTP/1.1 431" => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => return None,
    };
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n")?;
    if head.contains("\r\n\r\n") || !head.contains(NO_BODY) {
        return None;
    }
    let (parts, body) = Asked::default().error(status).into_parts();
    // It is there at once: a text, whole.
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).now_or_never()?.ok()?;
    let mut bytes = head.replace(NO_BODY, &format!("content-length: {}\r\n", body.len())).into_bytes();
    for (name, value) in &parts.headers {
        for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(piece);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    Some(bytes)
}

impl<S: AsyncRead + AsyncWrite + Unpin> RefusedHead<S> {
    fn poll_write_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(Ok(())) };
        while let Some(rest) = refusal.bytes.get(refusal.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => refusal.written += written,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Throws away what the peer is still sending, until it ends, or it was enough.
    fn poll_read_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(()) };
        let end = refusal.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(READ_ON)));
        let mut thrown_away = [0; 8 * 1024];
        while refusal.thrown_away < READ_ON_BYTES_MAX && end.poll_unpin(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut thrown_away);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => refusal.thrown_away += buffer.filled().len(),
                // The peer has ended, in order or not.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RefusedHead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RefusedHead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.takes_over(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.is_flushed = false;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [whole] = pieces
            && self.takes_over(whole)
        {
            return Poll::Ready(Ok(whole.len()));
        }
        self.is_flushed = false;
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_refusal(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_refusal(cx))?;
        if self.refusal.as_ref().is_none_or(|refusal| refusal.end.is_none()) {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        ready!(self.poll_read_on(cx));
        Poll::Ready(Ok(()))
    }
}
