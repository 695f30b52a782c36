//! Tags of policies and roles: TagResources, UntagResources, ListTagResources; and how every operation reads tags.
//!
//! Lists come as JSON texts here, and go out bare. wire.md section 5; facts/ram.md section 3.2.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sluice_model::{AccountId, Action, PolicyName, RamEntity, Resource, RoleName, Tag, TagKey, TagValue};
use sluice_store::{By, TagFilter, TagOfEntity, TaggedKind};

use super::user::Done;
use crate::{
    Act, ActionContext, ActionError, Ask, Granted, Page, Params, Product, Row, limits,
    operation::{optional, required},
    params::parsed,
};

/// A tag as a request has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    key: String,
    value: Option<String>,
}

/// A JSON list of at least one and at most `most` entries; empty when the parameter is absent or the list is empty.
fn list<T: DeserializeOwned>(params: &Params, name: &'static str, most: usize) -> Result<Vec<T>, ActionError> {
    let Some(text) = params.given(name) else { return Ok(Vec::new()) };
    let entries: Vec<T> = serde_json::from_str(text).map_err(|_| ActionError::invalid(name))?;
    if entries.len() > most { Err(ActionError::invalid(name)) } else { Ok(entries) }
}

fn needed<T>(name: &'static str, entries: Vec<T>) -> Result<Vec<T>, ActionError> {
    if entries.is_empty() { Err(ActionError::Missing(name)) } else { Ok(entries) }
}

/// What a list of tags, of policies or of roles asks for. No key twice.
pub(super) fn filter(params: &Params) -> Result<Vec<TagFilter>, ActionError> {
    let given = list(params, "Tag", limits::TAGS_MAX)?;
    let read = |given: Given| {
        let value: Option<TagValue> = given.value.as_deref().map(|text| parsed("Tag", text)).transpose()?;
        Ok(TagFilter { key: parsed("Tag", &given.key)?, value })
    };
    let filter: Vec<TagFilter> = given.into_iter().map(read).collect::<Result<_, ActionError>>()?;
    let keys: BTreeSet<&TagKey> = filter.iter().map(|one| &one.key).collect();
    if keys.len() == filter.len() { Ok(filter) } else { Err(ActionError::invalid("Tag")) }
}

/// The tags to give. Keys that differ in case alone are refused: a condition on `acs:RequestTag/` could not tell them apart.
pub(super) fn tags(params: &Params) -> Result<Vec<Tag>, ActionError> {
    let tags: Vec<Tag> = filter(params)?
        .into_iter()
        .map(|one| Tag { key: one.key, value: one.value.unwrap_or_else(empty_value) })
        .collect();
    let keys: BTreeSet<String> = tags.iter().map(|tag| tag.key.as_str().to_ascii_lowercase()).collect();
    if keys.len() == tags.len() { Ok(tags) } else { Err(ActionError::invalid("Tag")) }
}

fn empty_value() -> TagValue {
    "".parse().expect("a value may be empty")
}

/// What conditions read of the tags that a request gives.
pub(super) fn request_tags(tags: &[Tag]) -> Vec<(String, String)> {
    tags.iter().map(|tag| (format!("acs:RequestTag/{}", tag.key), tag.value.to_string())).collect()
}

/// A tag as RAM's wrapped lists show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagReply {
    /// The key.
    pub tag_key: String,
    /// The value.
    pub tag_value: String,
}

/// `{Tag: []}`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagList {
    /// By key.
    pub tag: Vec<TagReply>,
}

impl TagList {
    pub(super) fn of(tags: Vec<Tag>) -> Self {
        let reply = |tag: Tag| TagReply { tag_key: tag.key.to_string(), tag_value: tag.value.to_string() };
        Self { tag: tags.into_iter().map(reply).collect() }
    }
}

/// Policies or roles, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Which of the two.
    pub kind: TaggedKind,
    /// Up to 50 names.
    pub names: Vec<String>,
}

impl Tagged {
    fn read(params: &Params) -> Result<Self, ActionError> {
        let kind = match params.text("ResourceType")? {
            "policy" => TaggedKind::Policy,
            "role" => TaggedKind::Role,
            _ => return Err(ActionError::invalid("ResourceType")),
        };
        let names: Vec<String> = list(params, "ResourceNames", limits::TAGGED_NAMES_MAX)?;
        for name in &names {
            match kind {
                TaggedKind::Policy => drop(parsed::<PolicyName>("ResourceNames", name)?),
                TaggedKind::Role => drop(parsed::<RoleName>("ResourceNames", name)?),
            }
        }
        Ok(Self { kind, names })
    }

    fn read_some(params: &Params) -> Result<Self, ActionError> {
        let tagged = Self::read(params)?;
        Ok(Self { names: needed("ResourceNames", tagged.names)?, ..tagged })
    }

    fn resource(&self, account: AccountId, name: &str) -> Resource {
        let entity = match self.kind {
            TaggedKind::Policy => RamEntity::Policy(name.into()),
            TaggedKind::Role => RamEntity::Role(name.into()),
        };
        Resource::Ram(account, entity)
    }

    /// Each that is named; all of its kind where none is.
    fn ask(&self, context: &ActionContext) -> Ask {
        let account = context.account();
        if self.names.is_empty() {
            return Ask::On(self.resource(account, "*"));
        }
        Ask::Each(self.names.iter().map(|name| self.resource(account, name)).collect())
    }

    fn word(&self) -> &'static str {
        match self.kind {
            TaggedKind::Policy => "policy",
            TaggedKind::Role => "role",
        }
    }

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

/// Gives tags to policies or roles, all or none; a key that is there gets the new value.
#[derive(Clone, Debug)]
pub struct TagResources {
    /// To which.
    pub tagged: Tagged,
    /// At least one.
    pub tags: Vec<Tag>,
}

impl Act for TagResources {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "TagResources",
        actions: &[Action::of("ram:TagResources")],
        resource: "policy/{name} or role/{name} of each of ResourceNames",
        parameters: &[required("ResourceType"), required("ResourceNames"), required("Tag")],
    };
    type Output = Done;

    fn read(params: &Params) -> Result<Self, ActionError> {
        Ok(Self { tagged: Tagged::read_some(params)?, tags: needed("Tag", tags(params)?)? })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        self.tagged.ask(context).with(request_tags(&self.tags))
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let by: Vec<By<'_>> = granted.each().iter().map(By::Permit).collect();
        let names = self.tagged.names();
        let to = (self.tagged.kind, names.as_slice());
        context.store().tag(&by, context.account(), to, &self.tags, limits::TAGS_OF_ENTITY_MAX).await?;
        Ok(Done {})
    }
}

/// Takes tags from policies or roles, all or none of them; a key that one does not have is no error.
#[derive(Clone, Debug)]
pub struct UntagResources {
    /// From which.
    pub tagged: Tagged,
    /// Of which keys; of all when `None`.
    pub keys: Option<Vec<TagKey>>,
}

impl Act for UntagResources {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "UntagResources",
        actions: &[Action::of("ram:UntagResources")],
        resource: "policy/{name} or role/{name} of each of ResourceNames",
        parameters: &[required("ResourceType"), required("ResourceNames"), optional("TagKeys"), optional("All")],
    };
    type Output = Done;

    /// `All` is read where no key is given, as with the vendor; neither of them is an error.
    fn read(params: &Params) -> Result<Self, ActionError> {
        let tagged = Tagged::read_some(params)?;
        let all = params.boolean("All")?.unwrap_or(false);
        let texts: Vec<String> = list(params, "TagKeys", limits::TAGS_MAX)?;
        let keys: Vec<TagKey> = texts.iter().map(|text| parsed("TagKeys", text)).collect::<Result<_, _>>()?;
        let keys = if all && keys.is_empty() { None } else { Some(needed("TagKeys", keys)?) };
        Ok(Self { tagged, keys })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        self.tagged.ask(context)
    }

    async fn run(self, context: &ActionContext, granted: Granted) -> Result<Done, ActionError> {
        let by: Vec<By<'_>> = granted.each().iter().map(By::Permit).collect();
        let names = self.tagged.names();
        let from = (self.tagged.kind, names.as_slice());
        context.store().untag(&by, context.account(), from, self.keys.as_deref()).await?;
        Ok(Done {})
    }
}

/// Lists tags of policies or roles by name and key: of those that are named, or of all; of those that have every tag asked for.
#[derive(Clone, Debug)]
pub struct ListTagResources {
    /// Of which.
    pub tagged: Tagged,
    /// Of those that have these.
    pub filter: Vec<TagFilter>,
    /// Which page.
    pub page: Page,
}

/// One tag with its policy or role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagResource {
    /// `policy` or `role`.
    pub resource_type: &'static str,
    /// Its name.
    pub resource_name: String,
    /// The key.
    pub tag_key: String,
    /// The value.
    pub tag_value: String,
}

/// `{TagResources: [], NextToken}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagPage {
    /// The tags.
    pub tag_resources: Vec<TagResource>,
    /// Leads to the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Between name and key in a page's key: neither can hold it.
const BETWEEN: char = '\n';

impl Act for ListTagResources {
    const ROW: Row = Row {
        product: Product::Ram,
        name: "ListTagResources",
        actions: &[Action::of("ram:ListTagResources")],
        resource: "policy/{name} or role/{name} of each of ResourceNames, policy/* or role/* without",
        parameters: &[
            required("ResourceType"),
            optional("ResourceNames"),
            optional("Tag"),
            optional("NextToken"),
            optional("PageSize"),
        ],
    };
    type Output = TagPage;

    fn read(params: &Params) -> Result<Self, ActionError> {
        let page = Page::read_as(params, ("NextToken", "PageSize"), limits::TAG_PAGE_ITEMS_MAX)?;
        Ok(Self { tagged: Tagged::read(params)?, filter: filter(params)?, page })
    }

    fn ask(&self, context: &ActionContext) -> Ask {
        self.tagged.ask(context)
    }

    async fn run(self, context: &ActionContext, _granted: Granted) -> Result<TagPage, ActionError> {
        let (after, most) = self.page.to_read();
        let after = after.split_once(BETWEEN).unwrap_or((after, ""));
        let names = self.tagged.names();
        let of = (self.tagged.kind, names.as_slice());
        let tags = context.store().tags(context.account(), of, &self.filter, after, most).await?;
        let (tags, next) = self.page.cut(tags, |one| format!("{}{BETWEEN}{}", one.name, one.tag.key));
        let resource_type = self.tagged.word();
        let reply = |one: TagOfEntity| TagResource {
            resource_type,
            resource_name: one.name,
            tag_key: one.tag.key.to_string(),
            tag_value: one.tag.value.to_string(),
        };
        Ok(TagPage { tag_resources: tags.into_iter().map(reply).collect(), next_token: next.marker })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Fault, params::params};

    #[test]
    fn tags_are_read_from_json_as_both_sdks_write_it() {
        for text in
            [r#"[{"Key":"k","Value":"v"},{"Key":"e"}]"#, r#"[{"Key": "k", "Value": "v"}, {"Value": "", "Key": "e"}]"#]
        {
            let read = tags(&params(&[("Tag", text)])).unwrap();
            let read: Vec<_> = read.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
            assert_eq!(read, [("k", "v"), ("e", "")]);
        }
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        let twice = r#"[{"Key":"a"},{"Key":"A"}]"#;
        let many = format!("[{}]", (0..21).map(|n| format!(r#"{{"Key":"k{n}"}}"#)).collect::<Vec<_>>().join(","));
        for bad in ["x", "{}", r#"["k"]"#, r#"[{"Value":"v"}]"#, r#"[{"Key":1}]"#, r#"[{"Key":""}]"#, twice, &many] {
            let code = tags(&params(&[("Tag", bad)])).unwrap_err().code();
            assert!(code.starts_with("InvalidParameter.Tag"), "{bad}: {code}");
        }
        let long = format!(r#"[{{"Key":"{}"}}]"#, "k".repeat(129));
        let error = tags(&params(&[("Tag", &long)])).unwrap_err();
        assert_eq!(error, ActionError::Invalid { name: "Tag", fault: Fault::Length });
    }
}
