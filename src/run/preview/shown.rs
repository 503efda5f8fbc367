//! Values as a preview shows them: bytes in short, and nothing that is secret.

use crate::value::{AttributeName, Value};

/// Attributes that hold passwords or keys, whichever directory they come from.
const SECRET: [&str; 9] = [
    "userPassword",
    "unicodePwd",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "supplementalCredentials",
    "ms-Mcs-AdmPwd",
    "msLAPS-Password",
    "sambaNTPassword",
];

/// Longer bytes are cut: so many letters of base64.
const BYTES_SHOWN: usize = 44;

/// Whether an attribute's values are never shown.
pub(super) fn is_secret(name: &AttributeName) -> bool {
    let name = name.as_str();
    name.to_ascii_lowercase().starts_with("passwordprofile")
        || SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// The values of an attribute as text.
pub(super) fn texts(name: &AttributeName, values: &[Value]) -> Vec<String> {
    if is_secret(name) {
        return values.iter().map(|_| "(secret)".to_owned()).collect();
    }
    values.iter().map(text).collect()
}

fn text(value: &Value) -> String {
    let whole = value.to_string();
    match value {
        Value::Bytes(bytes) if whole.len() > BYTES_SHOWN => {
            let start: String = whole.chars().take(BYTES_SHOWN - 12).collect();
            format!("{start}… ({} bytes)", bytes.len())
        }
        Value::Bytes(_) | Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::Time(_) => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_pictures_are_not_shown() {
        let secret = texts(&"USERPASSWORD".into(), &[Value::Text("hunter2".into())]);
        assert_eq!(secret, ["(secret)"]);
        assert_eq!(texts(&"passwordProfile.password".into(), &[Value::Text("hunter2".into())]), ["(secret)"]);
        let picture = texts(&"thumbnailPhoto".into(), &[Value::Bytes(vec![0; 5_000])]);
        assert!(picture[0].ends_with("… (5000 bytes)") && picture[0].len() < 60, "{picture:?}");
        assert_eq!(texts(&"objectGUID".into(), &[Value::Bytes(vec![0; 16])]), ["AAAAAAAAAAAAAAAAAAAAAA=="]);
    }
}
