//! The pages of Resource Access Management. Each is a list, the details of one thing, or a form; all go through [`Step`] where
//! they change anything.

pub(crate) mod check;
pub(crate) mod csv;
pub(crate) mod grants;
pub(crate) mod group;
pub(crate) mod group_form;
pub(crate) mod groups;
mod holder;
pub(crate) mod overview;
pub(crate) mod policies;
pub(crate) mod policy;
pub(crate) mod policy_form;
pub(crate) mod role;
pub(crate) mod role_form;
pub(crate) mod roles;
mod scenarios;
pub(crate) mod user;
pub(crate) mod user_delete;
pub(crate) mod user_form;
pub(crate) mod user_new;
pub(crate) mod users;
pub(crate) mod why;
pub(crate) mod words;

use axum::response::Response;
use sluice_actions::{
    Act, ActionContext, ActionError, Reach, Whom, call, permitted, permitted_on,
    ram::{ListGroups, ListPolicies, ListRoles, ListUsers, PolicyReply, RoleReply, UserGroupReply, UserReply},
    reach,
};
use sluice_model::RamEntity;

use crate::{
    frame::Place,
    parts::{Question, Sheet},
    respond,
    session::{Posted, known},
};

pub(crate) use words::done;

/// How far an operation of a form came.
pub(crate) enum Step {
    /// It was done.
    Done(&'static str),
    /// It asks first; with whom it would touch, where it can touch anybody.
    Ask(&'static str, Option<Reach>),
    /// A script wants the question alone, and there is none: nothing was done.
    Unasked,
}

/// Runs the operation of a form. With `whom`, its first sending only finds out whom it would touch.
pub(crate) async fn step<A: Act>(posted: &Posted, given: &[(&str, &str)], whom: &[Whom]) -> Result<Step, ActionError> {
    let (context, input) = (&posted.who.context, posted.fields.read::<A>(given)?);
    if !whom.is_empty() && !posted.is_confirmed() {
        return Ok(Step::Ask(A::ROW.name, Some(reach(context, &input, whom).await?)));
    }
    if posted.only_asks() {
        return Ok(Step::Unasked);
    }
    call(context, input).await?;
    Ok(Step::Done(A::ROW.name))
}

/// Runs the operation of a form that touches nobody's rights and cannot be undone: it asks first all the same.
pub(crate) async fn step_for_good<A: Act>(posted: &Posted, given: &[(&str, &str)]) -> Result<Step, ActionError> {
    if posted.is_confirmed() {
        return step::<A>(posted, given, &[]).await;
    }
    permitted(&posted.who.context, &posted.fields.read::<A>(given)?)?;
    Ok(Step::Ask(A::ROW.name, None))
}

/// Where a form was sent from and goes back to.
pub(crate) struct Form<'a> {
    pub(crate) posted: &'a Posted,
    pub(crate) place: Place,
    /// Of whom it speaks.
    pub(crate) title: &'a str,
    /// Where it is sent to.
    pub(crate) action: &'a str,
    /// With `?` or more in it.
    pub(crate) back: &'a str,
}

impl Form<'_> {
    /// Leads back with a word of what was done, or asks.
    ///
    /// # Errors
    /// Any but a refusal, for the page to show where the form is.
    pub(crate) fn end(&self, outcome: Result<Step, ActionError>) -> Result<Response, ActionError> {
        match outcome {
            Ok(Step::Done(operation)) => Ok(respond::see_other(&format!("{}&done={operation}", self.back))),
            Ok(Step::Ask(operation, reach)) => {
                let (head, yes) = words::question(operation);
                let sheet = self.question(head.to_owned(), reach, vec![self.subject()], yes);
                Ok(self.posted.who.answer(self.place, self.title, Ok(sheet)))
            }
            Ok(Step::Unasked) => Ok(respond::nothing()),
            Err(error) if error.denial().is_some() => Ok(self.posted.who.answer(self.place, self.title, Err(error))),
            Err(error) => Err(error),
        }
    }

    /// What the question is about: the page's thing, and what the form names besides. The list of grants is no thing.
    fn subject(&self) -> String {
        const NAMES: [(&str, &str); 6] = [
            ("PolicyName", "policy"),
            ("UserName", "user"),
            ("GroupName", "group"),
            ("RoleName", "role"),
            ("UserAccessKeyId", "AccessKey"),
            ("VersionId", "version"),
        ];
        let named = NAMES.into_iter().map(|(name, word)| (word, self.posted.fields.get(name)));
        let named = named.filter(|(_, text)| !text.is_empty()).map(|(word, text)| format!("{word} {text}"));
        let whose = (self.place != Place::RamGrants).then(|| self.title.to_owned());
        whose.into_iter().chain(named).collect::<Vec<_>>().join(", ")
    }

    /// The page of a question.
    pub(crate) fn question(&self, head: String, reach: Option<Reach>, lines: Vec<String>, yes: &'static str) -> Sheet {
        Sheet::new(self.title).part(Question {
            csrf: self.posted.who.console.csrf.clone(),
            action: self.action.to_owned(),
            head,
            reach,
            lines,
            hidden: self.posted.fields.again(),
            yes,
            back: self.back.to_owned(),
        })
    }
}

/// The action that is missing for an operation; `None` when it would be let through, or refused for another reason than a right.
pub(crate) fn missing<A: Act>(context: &ActionContext, given: &[(&str, &str)]) -> Option<String> {
    let asked = known::<A>(given).and_then(|input| permitted(context, &input));
    asked.err().and_then(|error| error.denial().map(|denial| denial.auth_action.clone()))
}

/// The action that is missing for an operation on a thing, whatever else it needs.
pub(crate) fn missing_on<A: Act>(context: &ActionContext, entity: RamEntity) -> Option<String> {
    permitted_on::<A>(context, entity).err().and_then(|error| error.denial().map(|denial| denial.auth_action.clone()))
}

/// Calls an operation of which the page says in its own words that it may not: the right is asked first, so that no refusal is
/// logged and kept of what nobody asked for in earnest. `None` where it would be refused.
pub(crate) async fn if_permitted<A: Act>(context: &ActionContext, input: A) -> Result<Option<A::Output>, ActionError> {
    match permitted(context, &input) {
        Ok(()) => call(context, input).await.map(Some),
        Err(error) if error.denial().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A list of which the page says in its own words that it may not be seen, as [`if_permitted`] calls.
pub(crate) async fn if_listed<A: Act, T>(
    context: &ActionContext,
    list: impl Future<Output = Result<Vec<T>, ActionError>>,
) -> Result<Option<Vec<T>>, ActionError> {
    if missing::<A>(context, &[]).is_some() { Ok(None) } else { list.await.map(Some) }
}

/// Does an operation, or only asks for its right.
async fn run<A: Act>(context: &ActionContext, given: &[(&str, &str)], really: bool) -> Result<(), ActionError> {
    let input = known::<A>(given)?;
    if really { call(context, input).await.map(drop) } else { permitted(context, &input) }
}

/// The largest page of most lists.
pub(crate) const LARGEST: (&str, &str) = ("MaxItems", "1000");

/// Every entry of a list that comes by pages, with what is given for each page; an account's quotas bound it.
async fn all<A: Act, T>(
    context: &ActionContext,
    given: &[(&str, &str)],
    cut: impl Fn(A::Output) -> (Vec<T>, Option<String>),
) -> Result<Vec<T>, ActionError> {
    let (mut entries, mut marker) = (Vec::new(), String::new());
    loop {
        let page = [("Marker", marker.as_str())];
        let (some, next) = cut(call(context, known::<A>(&[given, &page].concat())?).await?);
        entries.extend(some);
        match next {
            Some(next) => marker = next,
            None => return Ok(entries),
        }
    }
}

/// Every user, by name.
pub(crate) async fn all_users(context: &ActionContext) -> Result<Vec<UserReply>, ActionError> {
    all::<ListUsers, _>(context, &[LARGEST], |page| (page.users.user, page.next.marker)).await
}

/// Every group, by name.
pub(crate) async fn all_groups(context: &ActionContext) -> Result<Vec<UserGroupReply>, ActionError> {
    all::<ListGroups, _>(context, &[("MaxItems", "100")], |page| (page.groups.group, page.next.marker)).await
}

/// Every role, by name.
pub(crate) async fn all_roles(context: &ActionContext) -> Result<Vec<RoleReply>, ActionError> {
    all::<ListRoles, _>(context, &[LARGEST], |page| (page.roles.role, page.next.marker)).await
}

/// Every policy: the system's, then the account's.
pub(crate) async fn all_policies(context: &ActionContext) -> Result<Vec<PolicyReply>, ActionError> {
    all::<ListPolicies, _>(context, &[LARGEST], |page| (page.policies.policy, page.next.marker)).await
}

/// Whether a text has all words of a search in it, whatever their case.
pub(crate) fn fits(search: &str, texts: &[&str]) -> bool {
    let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    search.to_lowercase().split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
}

/// A text for the part of an address after `?`.
pub(crate) fn in_query(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// `2026-01-31T12:34:56Z` as it is read: `2026-01-31 12:34`.
pub(crate) fn when(date: &str) -> String {
    date.get(..16).unwrap_or(date).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_all_its_words_in_any_case() {
        assert!(fits("", &["a"]) && fits("AB c", &["xaby", "C"]));
        assert!(!fits("ab d", &["xaby", "C"]));
    }

    #[test]
    fn what_is_put_into_an_address_cannot_leave_its_place() {
        assert_eq!(in_query("a&b=c d/é"), "a%26b%3Dc%20d%2F%C3%A9");
    }
}
