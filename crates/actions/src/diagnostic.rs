//! `EncodedDiagnosticMessage`: the short form, which points at a refusal that is kept under its request ID.
//!
//! Version 1, kind 1, Unix seconds as a big-endian u64, the request ID in 36 characters; base64. Source: facts/ram.md section 6.

use base64::{Engine, engine::general_purpose::STANDARD};
use sluice_model::UnixMs;

use crate::{ActionError, Code, RequestId};

const SHORT_FORM: [u8; 2] = [1, 1];
const ID_AT: usize = 10;

/// The message that a refusal of this request carries.
#[must_use]
pub fn diagnostic_message(now: UnixMs, request_id: &RequestId) -> String {
    let seconds = u64::try_from(now.0 / 1000).unwrap_or_default();
    let mut bytes = SHORT_FORM.to_vec();
    bytes.extend(seconds.to_be_bytes());
    bytes.extend(request_id.as_str().bytes());
    STANDARD.encode(bytes)
}

/// When and under which request ID it was refused.
///
/// # Errors
/// `NotSupport` for another form than the short one, else `InvalidParameter.EncodedDiagnosticMessage`.
pub(crate) fn read(text: &str) -> Result<(UnixMs, RequestId), ActionError> {
    let wrong = || ActionError::invalid("EncodedDiagnosticMessage");
    let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
    let form = bytes.get(..2).ok_or_else(wrong)?;
    if form != SHORT_FORM {
        return Err(Code::DiagnosticMessageNotSupported.into());
    }
    let seconds = bytes.get(2..ID_AT).and_then(|seconds| seconds.try_into().ok()).map(u64::from_be_bytes);
    let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok()).ok_or_else(wrong)?;
    let id = std::str::from_utf8(&bytes[ID_AT..]).ok().filter(|id| id.len() == 36).ok_or_else(wrong)?;
    Ok((UnixMs(seconds.saturating_mul(1000)), id.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_the_vendors_short_form_and_is_read_back() {
        let id: RequestId = "6433284F-FBBD-505E-81E1-795938961B32".parse().unwrap();
        let message = diagnostic_message(UnixMs(1_755_570_114_000), &id);
        assert_eq!(message, "AQEAAAAAaKPfwjY0MzMyODRGLUZCQkQtNTA1RS04MUUxLTc5NTkzODk2MUIzMg==");
        assert_eq!(read(&message), Ok((UnixMs(1_755_570_114_000), id)));
    }

    #[test]
    fn what_is_no_such_message_says_so() {
        let code = |bytes: &[u8]| read(&STANDARD.encode(bytes)).unwrap_err().code();
        let wrong = "InvalidParameter.EncodedDiagnosticMessage";
        assert_eq!(read("not base64!").unwrap_err().code(), wrong);
        assert_eq!((code(&[]).as_str(), code(&[1, 1, 0]).as_str()), (wrong, wrong));
        assert_eq!(code(&[1, 2, 1, 0x20, 9, 9]), "NotSupport");
        let no_id = [&[1, 1, 0, 0, 0, 0, 0, 0, 0, 1][..], &[b'x'; 36]].concat();
        assert_eq!(code(&no_id), wrong);
        let late = [&[1, 1][..], &[0xFF; 8], b"6433284F-FBBD-505E-81E1-795938961B32"].concat();
        assert_eq!(code(&late), wrong);
    }
}
