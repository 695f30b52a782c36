//! A list: rows, a search above them, pages below.

use askama::Template;

use crate::frame::Frame;

/// A button that does something at once, or leads to a page.
pub(crate) struct Button {
    pub(crate) label: &'static str,
    /// Where it leads, or where its form goes.
    pub(crate) to: String,
    /// What its form sends; `None` for a link.
    pub(crate) sends: Option<Vec<(&'static str, String)>>,
    /// Whether a question follows.
    pub(crate) asks: bool,
    pub(crate) main: bool,
    /// The action that is missing, where it would be refused.
    pub(crate) shut: Option<String>,
    pub(crate) csrf: String,
}

impl Button {
    /// A link that looks like a button.
    pub(crate) fn link(label: &'static str, to: impl Into<String>) -> Self {
        Self { label, to: to.into(), sends: None, asks: false, main: false, shut: None, csrf: String::new() }
    }

    /// A form of one button that runs an operation.
    pub(crate) fn run(
        frame: &Frame,
        label: &'static str,
        to: impl Into<String>,
        operation: &'static str,
        sends: &[(&'static str, &str)],
    ) -> Self {
        let mut all = vec![("do", operation.to_owned())];
        all.extend(sends.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self { sends: Some(all), csrf: frame.csrf.clone(), ..Self::link(label, to) }
    }

    pub(crate) fn asks_first(self) -> Self {
        Self { asks: true, ..self }
    }

    pub(crate) fn main(self) -> Self {
        Self { main: true, ..self }
    }

    /// Marks it as one that would be refused, with the action that is missing.
    pub(crate) fn unless(self, shut: Option<String>) -> Self {
        Self { shut, ..self }
    }
}

/// One cell.
pub(crate) enum Cell {
    Text(String),
    /// A name for machines.
    Code(String),
    Link {
        to: String,
        text: String,
        about: String,
    },
    /// A word in a mark; the mark's colour says whether it is on.
    State {
        text: String,
        on: bool,
    },
    Buttons(Vec<Button>),
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn code(text: impl Into<String>) -> Self {
        Self::Code(text.into())
    }

    pub(crate) fn link(to: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Link { to: to.into(), text: text.into(), about: String::new() }
    }

    pub(crate) fn state(text: impl Into<String>, on: bool) -> Self {
        Self::State { text: text.into(), on }
    }
}

/// Entries on one page of a list.
pub(crate) const ROWS_MAX: usize = 20;

/// Which part of a list is shown.
pub(crate) struct Pages {
    /// Of all entries that fit the search.
    pub(crate) total: usize,
    /// From 1.
    pub(crate) number: usize,
    /// What they are called, one and several.
    pub(crate) names: (&'static str, &'static str),
    /// The address without the page's number, with `?` or `&` at its end.
    pub(crate) base: String,
}

impl Pages {
    /// Cuts the entries of page `number`; a page beyond the end is the last one.
    pub(crate) fn cut<T>(
        entries: Vec<T>,
        number: usize,
        names: (&'static str, &'static str),
        base: String,
    ) -> (Vec<T>, Self) {
        let total = entries.len();
        let last = total.div_ceil(ROWS_MAX).max(1);
        let number = number.clamp(1, last);
        let shown = entries.into_iter().skip((number - 1) * ROWS_MAX).take(ROWS_MAX).collect();
        (shown, Self { total, number, names, base })
    }

    fn previous(&self) -> Option<usize> {
        (self.number > 1).then(|| self.number - 1)
    }

    fn next(&self) -> Option<usize> {
        (self.number * ROWS_MAX < self.total).then(|| self.number + 1)
    }

    fn last(&self) -> usize {
        self.total.div_ceil(ROWS_MAX).max(1)
    }
}

/// A search over a list, sent with GET.
pub(crate) struct Search {
    pub(crate) to: &'static str,
    pub(crate) text: String,
    pub(crate) label: &'static str,
    /// A further choice.
    pub(crate) only: Option<Only>,
}

/// A choice that narrows a list.
pub(crate) struct Only {
    pub(crate) name: &'static str,
    pub(crate) chosen: String,
    /// Values and labels.
    pub(crate) choices: Vec<(&'static str, &'static str)>,
}

impl Only {
    fn is_chosen(&self, value: &str) -> bool {
        self.chosen == value
    }
}

/// A list in a card.
#[derive(Template)]
#[template(path = "parts/table.html")]
pub(crate) struct Table {
    pub(crate) id: &'static str,
    pub(crate) head: String,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// What is said when there is no row.
    pub(crate) nothing: String,
    pub(crate) buttons: Vec<Button>,
    pub(crate) search: Option<Search>,
    pub(crate) pages: Option<Pages>,
}

impl Table {
    pub(crate) fn new(id: &'static str, columns: &[&'static str], rows: Vec<Vec<Cell>>, nothing: &str) -> Self {
        Self {
            id,
            head: String::new(),
            columns: columns.to_vec(),
            rows,
            nothing: nothing.to_owned(),
            buttons: Vec::new(),
            search: None,
            pages: None,
        }
    }

    pub(crate) fn head(self, head: impl Into<String>) -> Self {
        Self { head: head.into(), ..self }
    }

    pub(crate) fn button(mut self, button: Button) -> Self {
        self.buttons.push(button);
        self
    }

    pub(crate) fn search(self, search: Search) -> Self {
        Self { search: Some(search), ..self }
    }

    pub(crate) fn pages(self, pages: Pages) -> Self {
        Self { pages: Some(pages), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_beyond_the_end_is_the_last_one() {
        let cut = |entries: usize, number| {
            let (shown, pages) = Pages::cut((0..entries).collect(), number, ("row", "rows"), String::new());
            (shown.len(), pages.number, pages.previous(), pages.next())
        };
        assert_eq!(cut(150, 1), (20, 1, None, Some(2)));
        assert_eq!(cut(150, 8), (10, 8, Some(7), None));
        assert_eq!(cut(150, 99), (10, 8, Some(7), None));
        assert_eq!(cut(0, 3), (0, 1, None, None));
        assert_eq!(cut(40, 2), (20, 2, Some(1), None));
    }
}
