//! What a form or an address sends, by the names of the operations' parameters.

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::request::Parts,
    response::Response,
};
use sluice_actions::{Act, ActionError, Params, Services};

use super::SignedIn;
use crate::{cookies, respond};

/// Names and values as they came; a name may come several times. Not `Debug`: a value may be a password.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The last value of a name; empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// Every value of a name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// Everything but the token and the answer to the question, to be sent again with it.
    pub(crate) fn again(&self) -> Vec<(String, String)> {
        self.0.iter().filter(|(name, _)| !matches!(name.as_str(), "csrf" | "confirmed" | "asking")).cloned().collect()
    }

    /// The input of an operation: what the page knows, then what the form has of the operation's parameters.
    ///
    /// # Errors
    /// What the operation says of a value.
    pub(crate) fn read<A: Act>(&self, known: &[(&str, &str)]) -> Result<A, ActionError> {
        let mut params = Params::default();
        for (name, value) in known {
            params.insert((*name).to_owned(), (*value).to_owned());
        }
        for parameter in A::ROW.parameters.iter().filter(|parameter| self.has(parameter.name)) {
            params.insert(parameter.name.to_owned(), lines(self.get(parameter.name)));
        }
        A::read(&params)
    }
}

/// A text area sends its lines with CRLF; what is stored has them as they were typed.
fn lines(value: &str) -> String {
    value.replace("\r\n", "\n")
}

/// The input of an operation of which the page knows everything.
///
/// # Errors
/// As [`Fields::read`].
pub(crate) fn known<A: Act>(known: &[(&str, &str)]) -> Result<A, ActionError> {
    Fields(Vec::new()).read(known)
}

/// What an address asks for after its `?`.
pub(crate) struct Asked(pub(crate) Fields);

impl Asked {
    /// The page of a list; the first when none, or none that can be, is asked for.
    pub(crate) fn page(&self) -> usize {
        self.0.get("page").parse().unwrap_or(1)
    }
}

impl<S: Sync + Send> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let query: Result<Query<Vec<(String, String)>>, _> = Query::from_request_parts(parts, state).await;
        query.map(|Query(pairs)| Self(Fields(pairs))).map_err(|_| respond::bad_form())
    }
}

/// A form of somebody who is signed in. Extracting it holds the form to its token: no page can forget to.
pub(crate) struct Posted {
    pub(crate) who: SignedIn,
    pub(crate) fields: Fields,
}

impl Posted {
    /// Whether the question was answered with yes.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.fields.get("confirmed") == "yes"
    }

    /// Whether a script asks for the question alone; without one, nothing is to be done.
    pub(crate) fn only_asks(&self) -> bool {
        self.fields.get("asking") == "yes" && !self.is_confirmed()
    }

    /// Which operation the form is for, where a page has several.
    pub(crate) fn wanted(&self) -> &str {
        self.fields.get("do")
    }
}

impl FromRequest<Services> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, services: &Services) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let who = SignedIn::from_request_parts(&mut parts, services).await?;
        let form: Result<Form<Vec<(String, String)>>, _> =
            Form::from_request(Request::from_parts(parts, body), services).await;
        let fields = form.map(|Form(pairs)| Fields(pairs)).map_err(|_| respond::bad_form())?;
        if !cookies::matches(fields.get("csrf"), &who.console.csrf) {
            return Err(respond::wrong_csrf());
        }
        Ok(Self { who, fields })
    }
}
