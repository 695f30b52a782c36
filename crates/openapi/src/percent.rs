//! Percent encoding as both signature schemes write it, and the decoding of queries and forms.

use std::fmt::Write;

/// Encodes UTF-8: unreserved are `A-Z a-z 0-9 - _ . ~`, hex in capitals. Source: openapi/wire.md section 2.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    encoded
}

/// Decodes one name or value: `+` is a space, `%XX` a byte. `None` for a broken escape or what is not UTF-8.
#[must_use]
pub(crate) fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(*rest.next()?)? << 4 | hex_digit(*rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_escapes_and_bytes_that_are_not_utf8_are_refused() {
        for bad in ["%", "%1", "%zz", "%C3", "a%FFb", "%+1"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(decode(b"a+b%20c%E4%B8%AD~*"), Some("a b c\u{4e2d}~*".to_owned()));
        assert_eq!(encode("a b~*'()!\u{4e2d}"), "a%20b~%2A%27%28%29%21%E4%B8%AD");
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_decodes_to_itself(text in any::<String>()) {
            prop_assert_eq!(decode(encode(&text).as_bytes()), Some(text));
        }

        #[test]
        fn decoding_never_panics(bytes in any::<Vec<u8>>()) {
            let _ = decode(&bytes);
        }
    }
}
