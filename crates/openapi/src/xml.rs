//! A reply as XML: an element a member, a repeated element a list entry. Only V1 callers can ask for it.

use std::fmt::Write;

use serde_json::Value;

/// The document with `root` around the members of `body`.
pub(crate) fn document(root: &str, body: &Value) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    element(&mut text, root, body);
    text
}

fn element(text: &mut String, name: &str, value: &Value) {
    if let Value::Array(entries) = value {
        for entry in entries {
            element(text, name, entry);
        }
        return;
    }
    write!(text, "<{name}>").expect("writing to a String cannot fail");
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                element(text, name, value);
            }
        }
        Value::String(content) => escape(text, content),
        Value::Null | Value::Array(_) => {}
        Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
    write!(text, "</{name}>").expect("writing to a String cannot fail");
}

fn escape(text: &mut String, content: &str) {
    for character in content.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\t' | '\n' | '\r' => text.push(character),
            // XML 1.0 has no form for the other control characters.
            control if control < ' ' || matches!(control, '\u{fffe}' | '\u{ffff}') => text.push('\u{fffd}'),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_repeat_their_element_and_text_is_escaped() {
        let body = serde_json::json!({"Users": {"User": [{"UserName": "a<b&\u{1}"}, {"UserName": "c"}]}, "IsTruncated": false});
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListUsersResponse><Users><User><UserName>a&lt;b&amp;\u{fffd}</UserName></User><User><UserName>c</UserName></User></Users><IsTruncated>false</IsTruncated></ListUsersResponse>";
        assert_eq!(document("ListUsersResponse", &body), expected);
    }
}
