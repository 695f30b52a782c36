//! Exclusive XML Canonicalization 1.0 of one element, with or without comments.
//!
//! Source: W3C, Exclusive XML Canonicalization 1.0, section 3. The parser has done what precedes it: line ends, normalised
//! attribute values, CDATA and entities. Prefixes are read from the source text, as the parser keeps only what they stand for.

use roxmltree::{Node, NodeType};

/// Without comments.
pub(super) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// With comments.
pub(super) const EXCLUSIVE_WITH_COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";

/// How an element is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether comments are kept.
    pub(super) with_comments: bool,
    /// Prefixes whose namespaces are written where they are declared, used or not; the empty one is the default namespace.
    pub(super) inclusive: Vec<String>,
}

/// The canonical text of an element, without the child `left_out`.
pub(super) fn canonical<'a>(
    element: Node<'a, '_>,
    left_out: Option<Node<'a, '_>>,
    form: &Form,
) -> Result<String, &'static str> {
    let left_out = left_out.map(|node| node.id());
    let mut writer = Writer { out: String::new(), written: Vec::new(), form, left_out };
    writer.element(element)?;
    Ok(writer.out)
}

struct Writer<'a, 'f> {
    out: String,
    /// Prefix and namespace of the elements around, outermost first.
    written: Vec<(String, &'a str)>,
    form: &'f Form,
    left_out: Option<roxmltree::NodeId>,
}

/// Prefix and local name as the source has them; `local` is what the parser understood.
fn split<'t>(qualified: &'t str, local: &str) -> Result<&'t str, &'static str> {
    let (prefix, name) = qualified.split_once(':').unwrap_or(("", qualified));
    if name == local { Ok(prefix) } else { Err("a name cannot be read") }
}

fn prefix_of<'i>(element: Node<'_, 'i>) -> Result<&'i str, &'static str> {
    let source = element.document().input_text().get(element.range()).and_then(|text| text.strip_prefix('<'));
    let source = source.ok_or("a name cannot be read")?;
    let end = source.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(source.len());
    split(&source[..end], element.tag_name().name())
}

impl<'a> Writer<'a, '_> {
    /// Depth is bounded by [`super::xml::parse`].
    fn element(&mut self, node: Node<'a, '_>) -> Result<(), &'static str> {
        let prefix = prefix_of(node)?;
        let mut attributes = Vec::new();
        for attribute in node.attributes() {
            let source = node.document().input_text().get(attribute.range_qname()).ok_or("a name cannot be read")?;
            let prefix = split(source, attribute.name())?;
            attributes.push((attribute.namespace().unwrap_or(""), attribute.name(), prefix, attribute.value()));
        }
        attributes.sort_unstable();
        let mut used: Vec<&str> = vec![prefix];
        used.extend(attributes.iter().map(|(_, _, prefix, _)| *prefix).filter(|prefix| !prefix.is_empty()));
        let declared = |prefix: &&str| prefix.is_empty() || node.lookup_namespace_uri(Some(*prefix)).is_some();
        used.extend(self.form.inclusive.iter().map(String::as_str).filter(declared));
        used.sort_unstable();
        used.dedup();
        let before = self.written.len();
        let start = self.out.len();
        self.out.push('<');
        name(&mut self.out, prefix, node.tag_name().name());
        let name_end = self.out.len();
        for prefix in used.into_iter().filter(|prefix| *prefix != "xml") {
            self.namespace(node, prefix)?;
        }
        for (_, local, prefix, value) in attributes {
            self.out.push(' ');
            name(&mut self.out, prefix, local);
            self.out.push_str("=\"");
            escape(&mut self.out, value, true);
            self.out.push('"');
        }
        self.out.push('>');
        let qualified = self.out[start + 1..name_end].to_owned();
        for child in node.children() {
            self.child(child)?;
        }
        self.out.push_str("</");
        self.out.push_str(&qualified);
        self.out.push('>');
        self.written.truncate(before);
        Ok(())
    }

    fn child(&mut self, child: Node<'a, '_>) -> Result<(), &'static str> {
        match child.node_type() {
            NodeType::Element if Some(child.id()) == self.left_out => {}
            NodeType::Element => self.element(child)?,
            NodeType::Text => escape(&mut self.out, child.text().unwrap_or_default(), false),
            NodeType::Comment if self.form.with_comments => {
                self.out.push_str("<!--");
                self.out.push_str(child.text().unwrap_or_default());
                self.out.push_str("-->");
            }
            NodeType::Comment => {}
            NodeType::PI | NodeType::Root => return Err("it has a processing instruction"),
        }
        Ok(())
    }

    /// Writes what a prefix stands for here, unless an element around has written the same.
    fn namespace(&mut self, node: Node<'a, '_>, prefix: &str) -> Result<(), &'static str> {
        let uri = match prefix {
            "" => node.lookup_namespace_uri(None).unwrap_or(""),
            prefix => node.lookup_namespace_uri(Some(prefix)).ok_or("a prefix is not declared")?,
        };
        let last = self.written.iter().rev().find(|(written, _)| written == prefix).map(|(_, uri)| *uri);
        if last == Some(uri) || (last.is_none() && prefix.is_empty() && uri.is_empty()) {
            return Ok(());
        }
        self.written.push((prefix.to_owned(), uri));
        self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
        self.out.push_str(prefix);
        self.out.push_str("=\"");
        escape(&mut self.out, uri, true);
        self.out.push('"');
        Ok(())
    }
}

fn name(out: &mut String, prefix: &str, local: &str) {
    if !prefix.is_empty() {
        out.push_str(prefix);
        out.push(':');
    }
    out.push_str(local);
}

/// Canonical XML 1.0, section 2.3.
fn escape(out: &mut String, text: &str, is_attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\r' => out.push_str("&#xD;"),
            '>' if !is_attribute => out.push_str("&gt;"),
            '"' if is_attribute => out.push_str("&quot;"),
            '\t' if is_attribute => out.push_str("&#x9;"),
            '\n' if is_attribute => out.push_str("&#xA;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::saml::xml;

    /// The source, whether comments are kept, the inclusive prefixes, and what lxml's exclusive canonicalization makes of the element `e`
    /// in it: `etree.tostring(element, method="c14n", exclusive=True, …)`. tests/ram/test_saml.py makes these anew and compares.
    const VECTORS: &str = include_str!("c14n_vectors.json");

    #[test]
    fn it_writes_what_lxml_writes() {
        let vectors: Vec<serde_json::Value> = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.len() >= 10);
        for vector in vectors {
            let source = vector["source"].as_str().unwrap();
            let inclusive = vector["inclusive"].as_array().unwrap();
            let form = Form {
                with_comments: vector["with_comments"].as_bool().unwrap(),
                inclusive: inclusive.iter().map(|prefix| prefix.as_str().unwrap().to_owned()).collect(),
            };
            let document = xml::parse(source).unwrap();
            let element = document.descendants().find(|node| node.tag_name().name() == "e").unwrap();
            let written = canonical(element, None, &form).unwrap();
            assert_eq!(written, vector["canonical"].as_str().unwrap(), "{source}");
            // What was written is read again: it is its own canonical form.
            let again = xml::parse(&written).unwrap();
            let form = Form { inclusive: Vec::new(), ..form };
            let exclusive = canonical(element, None, &form).unwrap();
            assert_eq!(canonical(again.root_element(), None, &form).unwrap(), exclusive, "{source}");
        }
    }

    /// Exclusive XML Canonicalization 1.0, section 3: `#default` in the list. lxml passes it over.
    #[test]
    fn the_default_namespace_may_be_in_the_list() {
        let document = xml::parse("<a xmlns='u:a' xmlns:p='u:p'><p:e><f xmlns=''/></p:e></a>").unwrap();
        let element = document.root_element().first_element_child().unwrap();
        let form = Form { with_comments: false, inclusive: vec![String::new()] };
        let written = r#"<p:e xmlns="u:a" xmlns:p="u:p"><f xmlns=""></f></p:e>"#;
        assert_eq!(canonical(element, None, &form), Ok(written.to_owned()));
    }
}
