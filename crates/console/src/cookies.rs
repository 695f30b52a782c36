//! The cookies: the session's, the one that a sign-in form is tied to, that of a sign-in which waits for a code, and that of a
//! machine which is remembered.

use axum::http::{HeaderMap, HeaderValue, header};
use subtle::ConstantTimeEq;

/// The session's token.
pub(crate) const SESSION: &str = "sluice-session";
/// The token of a form that is shown before there is a session.
pub(crate) const FORM: &str = "sluice-form";

/// The token of a sign-in that waits for a code.
pub(crate) const HALF: &str = "sluice-half";
/// The token by which this machine is remembered, so that no code is asked.
pub(crate) const TICKET: &str = "sluice-mfa";

/// A cookie's value.
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// Sets a cookie until the browser is closed; the server ends the session earlier.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str, secure: bool) {
    append(headers, format!("{name}={value}; Path=/console; HttpOnly; SameSite=Strict{}", secure_mark(secure)));
}

/// Sets a cookie that outlives the browser's end.
pub(crate) fn keep(headers: &mut HeaderMap, name: &str, value: &str, secure: bool, seconds: i64) {
    let mark = secure_mark(secure);
    append(headers, format!("{name}={value}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Strict{mark}"));
}

/// Takes a cookie away.
pub(crate) fn clear(headers: &mut HeaderMap, name: &str, secure: bool) {
    append(headers, format!("{name}=; Path=/console; Max-Age=0; HttpOnly; SameSite=Strict{}", secure_mark(secure)));
}

fn secure_mark(secure: bool) -> &'static str {
    if secure { "; Secure" } else { "" }
}

fn append(headers: &mut HeaderMap, cookie: String) {
    // The values are hexadecimal, so that this never fails; without the cookie nobody is signed in.
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}

/// Whether a form's token is the expected one; never for an empty one.
pub(crate) fn matches(given: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
}
