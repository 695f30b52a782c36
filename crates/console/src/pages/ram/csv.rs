//! What a page shows once, as a file: the browser sends back what it was just shown. Nothing is read and nothing is kept.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{respond, session::Posted};

/// Answers with a file of one row a user.
pub(crate) async fn submit(posted: Posted) -> Response {
    const COLUMNS: [&str; 4] = ["LogonName", "Password", "AccessKeyId", "AccessKeySecret"];
    let fields = &posted.fields;
    let users = fields.all("row");
    let given: Vec<(&str, Vec<&str>)> = COLUMNS.iter().map(|name| (*name, fields.all(name))).collect();
    let given: Vec<_> = given.into_iter().filter(|(_, values)| values.len() == users.len()).collect();
    let mut text = line(std::iter::once("User").chain(given.iter().map(|(name, _)| *name)));
    for (at, user) in users.iter().enumerate() {
        text += &line(std::iter::once(*user).chain(given.iter().map(|(_, values)| values[at])));
    }
    let mut response = respond::secured(text.into_response());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"credentials.csv\""));
    response
}

/// A row as RFC 4180 has it.
fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_password_stays_in_its_cell() {
        assert_eq!(line(["a", "x\",\"y"].into_iter()), "\"a\",\"x\"\",\"\"y\"\r\n");
    }
}
