//! Paging: RAM's `Marker` and `MaxItems`, OnsMqtt's `PageNumber` and `PageSize`.

use serde::Serialize;

use crate::{ActionError, Params};

/// Items of a RAM page when none is asked.
const MAX_ITEMS_DEFAULT: u32 = 100;
/// Most items of a RAM page.
const MAX_ITEMS_MAX: u32 = 1_000;
/// First part of a marker, so that a text that is none is refused.
const MARKER_FORM: &str = "m1.";

/// Which page of a RAM list. The marker names the last item of the page before, so that a change between two pages
/// neither repeats nor skips what stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The key after which the page begins.
    pub after: Option<String>,
    /// Most items.
    pub items_max: usize,
}

impl Page {
    pub(crate) fn read(params: &Params) -> Result<Self, ActionError> {
        Self::read_of(params, MAX_ITEMS_MAX)
    }

    /// As [`Page::read`], of at most `most` items.
    pub(crate) fn read_of(params: &Params, most: u32) -> Result<Self, ActionError> {
        Self::read_as(params, ("Marker", "MaxItems"), most)
    }

    /// As [`Page::read_of`], where the two parameters have other names.
    pub(crate) fn read_as(
        params: &Params,
        (marker, size): (&'static str, &'static str),
        most: u32,
    ) -> Result<Self, ActionError> {
        let items_max = params.integer(size, 1..=most, MAX_ITEMS_DEFAULT)?;
        let after = params.given(marker).map(|text| key_of(text).ok_or(ActionError::invalid(marker))).transpose()?;
        Ok(Self { after, items_max: usize::try_from(items_max).expect("1,000 fits") })
    }

    /// The key after which to read, and how many items: one more than the page shows whether there is a next one.
    pub(crate) fn to_read(&self) -> (&str, i64) {
        (self.after.as_deref().unwrap_or_default(), i64::try_from(self.items_max).expect("1,000 fits") + 1)
    }

    /// Cuts `items`, which are in the order of their keys and begin after the page's key and have one more than the page
    /// when there are more.
    pub(crate) fn cut<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, NextPage) {
        let is_truncated = items.len() > self.items_max;
        items.truncate(self.items_max);
        let marker = items.last().filter(|_| is_truncated).map(|last| marker_of(&key(last)));
        (items, NextPage { is_truncated, marker })
    }
}

/// `IsTruncated` and `Marker`, the end of a reply that is a page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NextPage {
    /// Whether there is a next page.
    pub is_truncated: bool,
    /// Leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

fn marker_of(key: &str) -> String {
    format!("{MARKER_FORM}{}", hex::encode(key))
}

fn key_of(marker: &str) -> Option<String> {
    let digits = marker.strip_prefix(MARKER_FORM).filter(|digits| !digits.is_empty())?;
    String::from_utf8(hex::decode(digits).ok()?).ok()
}

/// Which page of an OnsMqtt list. Source: openapi/extra.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedPage {
    /// From 1.
    pub number: u32,
    /// 1 to 100.
    pub size: u32,
}

impl Default for NumberedPage {
    fn default() -> Self {
        Self { number: 1, size: 20 }
    }
}

impl NumberedPage {
    pub(crate) fn read(params: &Params) -> Result<Self, ActionError> {
        let number = params.integer("PageNumber", 1..=u32::MAX, 1)?;
        let size = params.integer("PageSize", 1..=100, 20)?;
        Ok(Self { number, size })
    }

    /// The page's entries.
    pub(crate) fn cut<T>(self, entries: Vec<T>) -> Vec<T> {
        let skip = u64::from(self.number - 1) * u64::from(self.size);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        entries.into_iter().skip(skip).take(usize::try_from(self.size).expect("100 fits")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_leads_to_the_item_after_it() {
        let page = Page { after: None, items_max: 2 };
        let (items, next) = page.cut(vec!["a", "b", "c"], ToString::to_string);
        assert_eq!(items, ["a", "b"]);
        assert!(next.is_truncated);
        assert_eq!(key_of(&next.marker.unwrap()).as_deref(), Some("b"));
        let last = page.cut(vec!["a", "b"], ToString::to_string).1;
        assert_eq!((last.is_truncated, last.marker), (false, None));
    }

    #[test]
    fn a_text_that_is_no_marker_is_refused() {
        for bad in ["x", "m1.", "m1.6", "m1.zz", "m1.ff", "m1.+1", "m1.\u{e9}"] {
            assert_eq!(key_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_page_far_beyond_the_end_is_empty() {
        let page = NumberedPage { number: u32::MAX, size: 100 };
        assert!(page.cut(vec![1, 2, 3]).is_empty());
        assert_eq!(NumberedPage { number: 2, size: 2 }.cut(vec![1, 2, 3]), [3]);
    }
}
