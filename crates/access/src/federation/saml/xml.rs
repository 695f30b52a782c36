//! XML taken apart under bounds, and read so that nothing between the lines is lost.

use roxmltree::{Document, Node, NodeType, ParsingOptions};

/// Elements, texts and comments of a document.
const NODES_MAX: u32 = 10_000;
/// How deep elements may be within each other.
const DEPTH_MAX: usize = 32;
/// Quotation marks, two an attribute: the parser compares the attributes of an element with each other.
const QUOTES_MAX: usize = 8_000;
/// Declarations of namespaces: the parser copies those of an element into each within that has its own.
const NAMESPACES_MAX: usize = 1_000;

/// A document without a DTD, entities of its own and processing instructions.
pub(super) fn parse(text: &str) -> Result<Document<'_>, &'static str> {
    let quotes = text.bytes().filter(|byte| matches!(byte, b'"' | b'\'')).count();
    if quotes > QUOTES_MAX || text.matches("xmlns").count() > NAMESPACES_MAX {
        return Err("it has too many attributes");
    }
    // An empty DTD, too, which the parser would take.
    if text.contains("<!DOCTYPE") {
        return Err("it has a document type");
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|_| "it is no XML that is taken")?;
    is_flat(&document)?;
    Ok(document)
}

fn is_flat(document: &Document<'_>) -> Result<(), &'static str> {
    let (mut node, mut depth) = (document.root(), 0_usize);
    loop {
        if node.node_type() == NodeType::PI {
            return Err("it has a processing instruction");
        }
        if let Some(child) = node.first_child() {
            depth += 1;
            if depth > DEPTH_MAX {
                return Err("it is too deep");
            }
            node = child;
            continue;
        }
        loop {
            if let Some(next) = node.next_sibling() {
                node = next;
                break;
            }
            let Some(parent) = node.parent() else { return Ok(()) };
            (node, depth) = (parent, depth - 1);
        }
    }
}

/// No two elements have one ID, under any of the names that libraries read.
pub(super) fn ids_are_unique(root: Node<'_, '_>) -> Result<(), &'static str> {
    let named = root.descendants().flat_map(|node| node.attributes());
    let mut ids: Vec<&str> = named
        .filter(|attribute| attribute.name().eq_ignore_ascii_case("id"))
        .map(|attribute| attribute.value())
        .collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) { Err("an ID is there twice") } else { Ok(()) }
}

/// The child elements of a name.
pub(super) fn children<'a, 'i>(
    node: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name((namespace, name)))
}

/// The child element of a name, if there is one.
pub(super) fn at_most_one<'a, 'i>(
    node: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Option<Node<'a, 'i>>, &'static str> {
    let mut found = children(node, namespace, name);
    match (found.next(), found.next()) {
        (one, None) => Ok(one),
        _ => Err("an element is there twice"),
    }
}

/// The one child element of a name.
pub(super) fn only<'a, 'i>(
    node: Node<'a, 'i>,
    namespace: &'static str,
    name: &'static str,
) -> Result<Node<'a, 'i>, &'static str> {
    at_most_one(node, namespace, name)?.ok_or("an element is missing")
}

/// The text of an element that has nothing but text: one that a comment or an element splits is refused.
pub(super) fn text(node: Node<'_, '_>) -> Result<String, &'static str> {
    if node.children().any(|child| !child.is_text()) {
        return Err("a text is split");
    }
    Ok(node.children().filter_map(|child| child.text()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_document_is_refused() {
        assert!(parse("<a><b/><!-- c --></a>").is_ok());
        let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(parse(&deep(DEPTH_MAX)).is_ok());
        let many = format!("<a {}/>", (0..4_001).map(|n| format!("a{n}='' ")).collect::<String>());
        let spaces = format!("<a {}/>", (0..1_001).map(|n| format!("xmlns:a{n}='u' ")).collect::<String>());
        for text in [
            "<!DOCTYPE a []><a/>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
            "<a>&e;</a>",
            "<a><?p x?></a>",
            "<?p x?><a/>",
            "<a/><b/>",
            "<a>",
            "",
            &deep(DEPTH_MAX + 1),
            &deep(20_000),
            &many,
            &spaces,
            &format!("<a>{}</a>", "<b/>".repeat(10_000)),
        ] {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn a_text_is_whole_or_refused() {
        let of = |xml: &str| text(parse(xml).unwrap().root_element());
        assert_eq!(of("<a>x<![CDATA[<y>]]>&amp;</a>"), Ok("x<y>&".to_owned()));
        assert!(of("<a>admin<!-- -->.evil</a>").is_err());
        assert!(of("<a>x<b/></a>").is_err());
    }

    #[test]
    fn one_id_twice_is_seen_under_any_name() {
        let of = |xml: &str| ids_are_unique(parse(xml).unwrap().root_element());
        assert!(of("<a ID='1'><b Id='2'/></a>").is_ok());
        assert!(of("<a ID='1'><b xml:id='1'/></a>").is_err());
    }
}
