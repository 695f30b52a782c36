#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::AtomicUsize;

use sluice_testkit::account;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const START: UnixMs = UnixMs(1_700_000_000_000);

fn after(ms: i64) -> UnixMs {
    UnixMs(START.0 + ms)
}

/// An issuer on a loopback port.
struct Idp {
    issuer: Issuer,
    /// How often it was asked for its first document.
    asked: Arc<AtomicUsize>,
    /// A place for each document that it may answer.
    may_answer: Arc<Semaphore>,
    is_well: Arc<AtomicBool>,
}

const MANY: usize = 1_000;

impl Idp {
    async fn start(places: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Issuer { account: account(1), url: url.clone(), fingerprints: Vec::new() };
        let asked = Arc::new(AtomicUsize::new(0));
        let (may_answer, is_well) = (Arc::new(Semaphore::new(places)), Arc::new(AtomicBool::new(true)));
        let made = Self {
            issuer,
            asked: Arc::clone(&asked),
            may_answer: Arc::clone(&may_answer),
            is_well: Arc::clone(&is_well),
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (url, asked, may_answer) = (url.clone(), Arc::clone(&asked), Arc::clone(&may_answer));
                let is_well = Arc::clone(&is_well);
                tokio::spawn(async move { answer(stream, &url, &asked, &may_answer, &is_well).await });
            }
        });
        made
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, url: &str, asked: &AtomicUsize, may_answer: &Semaphore, is_well: &AtomicBool) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let is_first = request.starts_with(b"GET /.well-known/openid-configuration");
    if is_first {
        asked.fetch_add(1, Ordering::SeqCst);
    }
    may_answer.acquire().await.unwrap().forget();
    let status = if is_well.load(Ordering::SeqCst) { "200 OK" } else { "500 Oh" };
    let body = if is_first {
        format!(r#"{{"issuer":"{url}","jwks_uri":"{url}/keys"}}"#)
    } else {
        r#"{"keys":[{"kty":"RSA","kid":"known"}]}"#.to_owned()
    };
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // Whoever asked may have gone.
    let _sent = stream.write_all(text.as_bytes()).await;
}

fn issuers() -> Issuers {
    let made = Issuers::default();
    made.allow_local(true);
    made
}

fn names(kid: &'static str) -> impl Fn(&[Jwk]) -> bool {
    move |keys| keys.iter().any(|key| key.kid.as_deref() == Some(kid))
}

/// Waits until nobody asks any more.
async fn quiet(issuers: &Issuers) {
    while issuers.0.known.lock().values().any(Known::is_asked) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_who_come_during_a_fetch_get_its_keys() {
    let (issuers, idp) = (issuers(), Idp::start(0).await);
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (issuers, issuer) = (issuers.clone(), idp.issuer.clone());
        callers.spawn(async move { issuers.keys(&issuer, after(n), names("known")).await });
    }
    while idp.asked() == 0 {
        tokio::task::yield_now().await;
    }
    idp.may_answer.add_permits(MANY);
    while let Some(keys) = callers.join_next().await {
        assert_eq!(keys.unwrap().unwrap().len(), 1);
    }
    assert_eq!(idp.asked(), 1);
}

#[tokio::test]
async fn whoever_asked_first_may_go_away() {
    let (issuers, idp) = (issuers(), Idp::start(0).await);
    let first = tokio::spawn({
        let (issuers, issuer) = (issuers.clone(), idp.issuer.clone());
        async move { issuers.keys(&issuer, START, names("known")).await.map(drop) }
    });
    while idp.asked() == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    idp.may_answer.add_permits(MANY);
    assert!(issuers.keys(&idp.issuer, after(1), names("known")).await.is_ok());
    assert_eq!(idp.asked(), 1);
}

#[tokio::test]
async fn an_unknown_key_asks_at_a_bounded_rate_and_known_ones_wait_for_nothing() {
    let (issuers, idp) = (issuers(), Idp::start(2).await);
    issuers.keys(&idp.issuer, START, names("known")).await.unwrap();
    for n in 1..100 {
        // What there is, which verifies nothing.
        assert!(issuers.keys(&idp.issuer, after(n), names("other")).await.is_ok());
    }
    assert_eq!(idp.asked(), 1);
    // The issuer holds its answer from here.
    let waits = tokio::spawn({
        let (issuers, issuer) = (issuers.clone(), idp.issuer.clone());
        async move { issuers.keys(&issuer, after(REFETCH_MS), names("other")).await.map(drop) }
    });
    while idp.asked() == 1 {
        tokio::task::yield_now().await;
    }
    assert!(issuers.keys(&idp.issuer, after(REFETCH_MS), names("known")).await.is_ok());
    assert!(!waits.is_finished());
    idp.may_answer.add_permits(MANY);
    waits.await.unwrap().unwrap();
    assert_eq!(idp.asked(), 2);
}

#[tokio::test]
async fn old_keys_are_believed_for_an_hour_while_the_issuer_fails() {
    let (issuers, idp) = (issuers(), Idp::start(MANY).await);
    issuers.keys(&idp.issuer, START, names("known")).await.unwrap();
    idp.is_well.store(false, Ordering::SeqCst);
    for at in [KEEP_MS, KEEP_MS + 1, KEEP_MS + REFETCH_MS, STALE_MS - 1] {
        assert!(issuers.keys(&idp.issuer, after(at), names("known")).await.is_ok(), "{at}");
        quiet(&issuers).await;
    }
    assert_eq!(idp.asked(), 4);
    assert!(issuers.keys(&idp.issuer, after(STALE_MS + REFETCH_MS), names("known")).await.is_err());
    // Refused until it may be asked again.
    assert!(issuers.keys(&idp.issuer, after(STALE_MS + REFETCH_MS + 1), names("known")).await.is_err());
    assert_eq!(idp.asked(), 5);
    idp.is_well.store(true, Ordering::SeqCst);
    assert!(issuers.keys(&idp.issuer, after(STALE_MS + 2 * REFETCH_MS), names("known")).await.is_ok());
}

#[tokio::test]
async fn what_is_remembered_and_what_is_asked_at_once_are_bounded() {
    let (issuers, idp) = (issuers(), Idp::start(0).await);
    let of = |account, n: usize| Issuer { account, url: format!("{}/{n}", idp.issuer.url), fingerprints: Vec::new() };
    for n in 0..3 * ACCOUNT_FETCHES_MAX {
        let taken = issuers.step(&of(account(1), n), START, names("known"));
        assert_eq!(taken.is_ok(), n < ACCOUNT_FETCHES_MAX, "{n}");
    }
    assert!(issuers.step(&of(account(2), 0), START, names("known")).is_ok());
    idp.may_answer.add_permits(MANY);
    quiet(&issuers).await;
    let mut all = issuers.0.known.lock();
    for n in 0..2 * ISSUERS_MAX {
        let (new, at) = (of(account(3), n), after(i64::try_from(n).unwrap()));
        make_room(&mut all, &new);
        all.insert(new, Known::new(at));
    }
    assert_eq!(all.len(), ISSUERS_MAX);
    assert!(all.contains_key(&of(account(3), 2 * ISSUERS_MAX - 1)) && !all.contains_key(&of(account(1), 0)));
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let (issuers, idp) = (issuers(), Idp::start(0).await);
    let Ok(Step::Wait(_, waiting, _)) = issuers.step(&idp.issuer, START, names("known")) else { panic!("it has keys") };
    let places = waiting.try_acquire_many(u32::try_from(WAITING_MAX).unwrap()).unwrap();
    assert!(issuers.keys(&idp.issuer, START, names("known")).await.is_err());
    drop(places);
    idp.may_answer.add_permits(MANY);
    assert!(issuers.keys(&idp.issuer, START, names("known")).await.is_ok());
}
