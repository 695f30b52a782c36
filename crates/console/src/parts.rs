//! What pages are made of: a sheet with a head, tabs and parts. A page builds values; how they look is in `templates/parts/`.
//!
//! Way in: a page makes a [`Sheet`], pushes [`Table`], [`Facts`], [`Form`], [`Secrets`] or a [`Refusal`] into it, and answers with
//! [`SignedIn::answer`](crate::session::SignedIn::answer), which shows a refusal or an error in the sheet's place.
//! Never here: a call of an operation, or a text that is put into a page without being escaped.

mod fault;
mod field;
mod form;
mod sheet;
mod table;

pub(crate) use fault::{at_field, in_words, is_about};
pub(crate) use field::{Choice, Field, Found, Kind};
pub(crate) use form::Form;
pub(crate) use sheet::{
    Code, Facts, Find, Framed, ImportForm, Link, Note, Question, RefusedPage, Secret, Secrets, Sheet,
};
pub(crate) use table::{Button, Cell, Only, Pages, Search, Table};
