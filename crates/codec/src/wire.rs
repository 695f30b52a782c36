//! The data types of MQTT. Source: MQTT 5.0 section 1.5.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    DecodeError,
    Malformation::{PacketId, TrailingBytes, Truncated, VariableByteInteger},
    error::{Malformation, malformed},
};

/// Largest value of a variable byte integer, and so of a remaining length.
pub(crate) const VARIABLE_BYTE_INTEGER_MAX: u32 = 268_435_455;

/// Reads a packet's body from its start.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else { return malformed(Truncated) };
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn variable(&mut self) -> Result<u32, DecodeError> {
        match variable(self.0)? {
            Some((value, length)) => {
                self.0 = &self.0[length..];
                Ok(value)
            }
            None => malformed(Truncated),
        }
    }

    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A text: UTF-8 without U+0000. [MQTT-1.5.4-1, MQTT-1.5.4-2]
    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.binary()?;
        match std::str::from_utf8(bytes) {
            Ok(text) if memchr::memchr(0, bytes).is_none() => Ok(text),
            _ => malformed(Malformation::Text),
        }
    }

    /// A packet identifier, never 0. [MQTT-2.2.1-3]
    pub(crate) fn packet_id(&mut self) -> Result<u16, DecodeError> {
        match self.u16()? {
            0 => malformed(PacketId),
            id => Ok(id),
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        if self.is_empty() { Ok(()) } else { malformed(TrailingBytes) }
    }
}

/// The variable byte integer at the start of `bytes` and its length; `None` while it is incomplete.
pub(crate) fn variable(bytes: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for place in 0..4 {
        let Some(&byte) = bytes.get(place) else { return Ok(None) };
        value |= u32::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            // The shortest form is the only one. [MQTT-1.5.5-1]
            return if place > 0 && byte == 0 { malformed(VariableByteInteger) } else { Ok(Some((value, place + 1))) };
        }
    }
    malformed(VariableByteInteger)
}

/// The length of a variable byte integer.
pub(crate) fn variable_length(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Writes; fields longer than their type holds are cut, which no caller lets happen.
pub(crate) trait Write {
    fn put_variable(&mut self, value: usize);
    fn put_text(&mut self, text: &str);
    fn put_binary(&mut self, bytes: &[u8]);
}

impl Write for BytesMut {
    fn put_variable(&mut self, mut value: usize) {
        loop {
            let byte = u8::try_from(value & 0x7F).expect("seven bits");
            value >>= 7;
            if value == 0 {
                return self.put_u8(byte);
            }
            self.put_u8(byte | 0x80);
        }
    }

    fn put_text(&mut self, text: &str) {
        self.put_binary(text.as_bytes());
    }

    fn put_binary(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.put_u16(length);
        self.put_slice(&bytes[..usize::from(length)]);
    }
}

/// Copies what outlives the read buffer.
pub(crate) fn owned(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_byte_integers_have_one_form() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_384, &[0x80, 0x80, 0x01]),
            (VARIABLE_BYTE_INTEGER_MAX, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            assert_eq!(variable(bytes), Ok(Some((value, bytes.len()))));
            let mut written = BytesMut::new();
            written.put_variable(usize::try_from(value).unwrap());
            assert_eq!((&written[..], variable_length(value as usize)), (bytes, bytes.len()));
        }
        assert_eq!(variable(&[0x80]), Ok(None));
        for bad in [&[0x80, 0x00][..], &[0xFF, 0xFF, 0xFF, 0xFF], &[0x80, 0x80, 0x80, 0x80, 0x01]] {
            assert_eq!(variable(bad), malformed(VariableByteInteger));
        }
    }

    #[test]
    fn texts_are_utf8_without_nul() {
        assert_eq!(Reader(&[0, 2, 0xC3, 0xA4]).text(), Ok("ä"));
        for bad in [&[0, 1, 0x00][..], &[0, 2, 0xC0, 0x80], &[0, 3, 0xED, 0xA0, 0x80], &[0, 1, 0xFF]] {
            assert_eq!(Reader(bad).text(), malformed(Malformation::Text));
        }
        assert_eq!(Reader(&[0, 2, b'a']).text(), malformed(Truncated));
    }
}
