//! Buffers that a thread keeps for whichever connection is awake, so that an idle one holds none and an active one asks the
//! allocator for none. facts/broker-techniques.md, 4 and 12.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes of a buffer that is kept.
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;
/// Buffers that a thread keeps.
const KEPT_MAX: usize = 8;

thread_local! {
    static KEPT: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer of at least [`BUFFER_BYTES`].
pub(crate) fn take() -> BytesMut {
    let kept = KEPT.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| BytesMut::with_capacity(BUFFER_BYTES))
}

/// Gives a buffer back; one that grew, or that something else still reads from, is dropped.
pub(crate) fn give(mut buffer: BytesMut) {
    buffer.clear();
    if (BUFFER_BYTES..2 * BUFFER_BYTES).contains(&buffer.capacity()) {
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_one_that_grew_does_not() {
        let mut buffer = take();
        buffer.extend_from_slice(b"x");
        let place = buffer.as_ptr();
        give(buffer);
        let again = take();
        assert!(again.is_empty());
        assert_eq!(again.as_ptr(), place);
        give(BytesMut::with_capacity(4 * BUFFER_BYTES));
        give(BytesMut::new());
        assert!(KEPT.with_borrow(Vec::is_empty));
    }
}
