//! Which values Graph accepts: turns the JSON of a create or update request into properties, or says what is wrong.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::directory::Properties;
use super::exchange::Refusal;
use super::schema::{Access, Kind, Property, Shape};

/// Checked properties of a request.
pub(crate) type Checked = Vec<(Cow<'static, str>, Json)>;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Create,
    Update,
}

/// Checks all properties of a body. Links (`members@odata.bind`), annotations and `passwordProfile` (which is checked, but
/// never kept) are left out of the result.
pub(crate) fn check(
    kind: Kind,
    purpose: Purpose,
    body: &Map<String, Json>,
    domains: &[String],
) -> Result<Checked, Refusal> {
    if purpose == Purpose::Create {
        require(kind, body)?;
    }
    let mut checked = Vec::with_capacity(body.len());
    for (name, value) in body {
        if name.contains("@odata.") {
            continue;
        }
        let Some(property) = kind.property(name) else {
            if name.starts_with("extension_") {
                checked.push((Cow::Owned(name.clone()), extension(name, value)?));
                continue;
            }
            return Err(Refusal::bad(format!("Invalid property '{name}'.")));
        };
        writable(property, purpose)?;
        if value.is_null() {
            if property.kept || matches!(property.shape, Shape::TextList | Shape::RecordList) {
                return Err(invalid(name, format!("Property '{name}' cannot be null.")));
            }
            checked.push((property.name.into(), Json::Null));
            continue;
        }
        shape(property, value)?;
        special(kind, name, value, body, domains)?;
        if property.name != "passwordProfile" {
            checked.push((property.name.into(), value.clone()));
        }
    }
    Ok(checked)
}

fn require(kind: Kind, body: &Map<String, Json>) -> Result<(), Refusal> {
    for property in kind.properties().iter().filter(|property| property.required) {
        if body.get(property.name).is_none_or(|value| value.is_null() || value.as_str() == Some("")) {
            let message =
                format!("A value is required for property '{}' of resource '{}'.", property.name, kind.title());
            return Err(Refusal::invalid(property.name, "InvalidValue", message));
        }
    }
    if kind == Kind::User && body.get("passwordProfile").and_then(|profile| profile.get("password")).is_none() {
        let message = "A password must be specified to create a new user.";
        return Err(Refusal::invalid("passwordProfile", "PasswordRequired", message));
    }
    Ok(())
}

fn writable(property: &Property, purpose: Purpose) -> Result<(), Refusal> {
    let name = property.name;
    match (property.access, purpose) {
        (Access::Write, _) | (Access::CreateOnly, Purpose::Create) | (Access::UpdateOnly, Purpose::Update) => Ok(()),
        (Access::Read, _) => Err(invalid(name, format!("Property '{name}' is read-only and cannot be set."))),
        (Access::CreateOnly, Purpose::Update) => {
            Err(invalid(name, format!("Property '{name}' can only be set when the object is created.")))
        }
        (Access::UpdateOnly, Purpose::Create) => {
            Err(invalid(name, format!("Property '{name}' cannot be set when the object is created.")))
        }
        (Access::Elsewhere, _) => {
            Err(Refusal::new(501, "NotImplemented", format!("Property '{name}' cannot be used in this request.")))
        }
    }
}

fn shape(property: &Property, value: &Json) -> Result<(), Refusal> {
    let name = property.name;
    let fits = |text: &str| text.chars().count() <= property.max;
    let right = match property.shape {
        Shape::Text => value.is_string(),
        Shape::Boolean => value.is_boolean(),
        Shape::Integer => value.is_i64(),
        Shape::Time => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        Shape::TextList => value.as_array().is_some_and(|list| list.iter().all(Json::is_string)),
        Shape::RecordList => value.as_array().is_some_and(|list| list.iter().all(Json::is_object)),
        Shape::Record | Shape::Extensions => value.is_object(),
    };
    if !right {
        return Err(invalid(name, format!("Invalid value specified for property '{name}' of resource.")));
    }
    if value.as_str() == Some("") {
        return Err(invalid(name, format!("Invalid value specified for property '{name}' of resource: it is empty.")));
    }
    if value.as_str().is_some_and(|text| !fits(text)) {
        return Err(too_long(name, property.max));
    }
    if let Some(list) = value.as_array() {
        if list.len() > property.items {
            return Err(invalid(name, format!("Property '{name}' takes at most {} values.", property.items)));
        }
        if list.iter().filter_map(Json::as_str).any(|text| !fits(text)) {
            return Err(too_long(name, property.max));
        }
    }
    if property.shape == Shape::Extensions { extensions(property, value) } else { Ok(()) }
}

fn extensions(property: &Property, value: &Json) -> Result<(), Refusal> {
    for (name, value) in value.as_object().into_iter().flatten() {
        let known = name
            .strip_prefix("extensionAttribute")
            .and_then(|number| number.parse::<u8>().ok())
            .is_some_and(|number| (1..=15).contains(&number));
        if !known {
            return Err(Refusal::bad(format!("Invalid property '{name}'.")));
        }
        match value {
            Json::Null => {}
            Json::String(text) if text.chars().count() <= property.max => {}
            Json::String(_) => return Err(too_long(name, property.max)),
            _ => return Err(invalid(name, format!("Invalid value specified for property '{name}' of resource."))),
        }
    }
    Ok(())
}

/// A directory extension: text up to 256 characters, a number, a flag, or a list of them.
fn extension(name: &str, value: &Json) -> Result<Json, Refusal> {
    let long = |value: &Json| value.as_str().is_some_and(|text| text.chars().count() > 256);
    match value {
        Json::Object(_) => Err(invalid(name, format!("Invalid value specified for property '{name}' of resource."))),
        Json::Array(list) if list.iter().any(long) => Err(too_long(name, 256)),
        _ if long(value) => Err(too_long(name, 256)),
        _ => Ok(value.clone()),
    }
}

fn special(kind: Kind, name: &str, value: &Json, body: &Map<String, Json>, domains: &[String]) -> Result<(), Refusal> {
    let text = value.as_str().unwrap_or_default();
    match (kind, name) {
        (Kind::User, "userPrincipalName") => user_principal_name(text, domains),
        (Kind::User, "passwordProfile") => password(value, body),
        (_, "mail") if !address(text) => Err(invalid(name, "Property mail is invalid.".to_owned())),
        (_, "mailNickname") if !nickname(text) => Err(invalid(name, "Property mailNickname is invalid.".to_owned())),
        (Kind::User, "usageLocation") if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Err(invalid(name, "Invalid value specified for property 'usageLocation' of resource 'User'.".to_owned()))
        }
        (Kind::User, "onPremisesImmutableId") if text.contains(['$', '_']) => Err(invalid(
            name,
            "Invalid value specified for property 'onPremisesImmutableId' of resource 'User'.".into(),
        )),
        (Kind::User, "userType") if !["Member", "Guest"].contains(&text) => {
            Err(invalid(name, "Invalid value specified for property 'userType' of resource 'User'.".to_owned()))
        }
        (Kind::User, "otherMails") => {
            match value.as_array().into_iter().flatten().filter_map(Json::as_str).all(address) {
                true => Ok(()),
                false => Err(invalid(name, "One or more properties contains invalid values.".to_owned())),
            }
        }
        (Kind::User, "passwordPolicies") => {
            let known = ["None", "DisableStrongPassword", "DisablePasswordExpiration"];
            match text.split(',').all(|policy| known.contains(&policy.trim())) {
                true => Ok(()),
                false => Err(invalid(name, "Invalid value specified for property 'passwordPolicies'.".to_owned())),
            }
        }
        _ => Ok(()),
    }
}

/// Letters, lengths and domain of a user principal name.
pub(crate) fn user_principal_name(name: &str, domains: &[String]) -> Result<(), Refusal> {
    let wrong = || Err(Refusal::invalid("userPrincipalName", "InvalidValue", "Property userPrincipalName is invalid."));
    let Some((local, domain)) = name.rsplit_once('@') else { return wrong() };
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"'.-_!#^~".contains(&byte);
    if local.is_empty() || local.len() > 64 || domain.len() > 48 || local.ends_with('.') || !local.bytes().all(letters)
    {
        return wrong();
    }
    if !domains.iter().any(|verified| verified.eq_ignore_ascii_case(domain)) {
        let message = "The domain portion of the userPrincipalName property is invalid. You must use one of the \
                       verified domain names in your organization.";
        return Err(Refusal::invalid("userPrincipalName", "InvalidValue", message));
    }
    Ok(())
}

/// The policy of the cloud: 8 to 256 letters, three of four classes unless the user's policy says otherwise.
fn password(profile: &Json, body: &Map<String, Json>) -> Result<(), Refusal> {
    let weak = || {
        let message = "The specified password does not comply with password complexity requirements. Please provide a \
                       different password.";
        Err(Refusal::invalid("passwordProfile", "PasswordPolicyViolation", message))
    };
    let text = match profile.get("password") {
        None | Some(Json::Null) => return Ok(()),
        Some(Json::String(text)) => text,
        Some(_) => return weak(),
    };
    if !(8..=256).contains(&text.len()) || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return weak();
    }
    let relaxed = body.get("passwordPolicies").and_then(Json::as_str);
    let classes = [
        text.bytes().any(|byte| byte.is_ascii_lowercase()),
        text.bytes().any(|byte| byte.is_ascii_uppercase()),
        text.bytes().any(|byte| byte.is_ascii_digit()),
        text.bytes().any(|byte| !byte.is_ascii_alphanumeric()),
    ];
    let strong = classes.into_iter().filter(|class| *class).count() >= 3;
    if strong || relaxed.is_some_and(|policies| policies.contains("DisableStrongPassword")) { Ok(()) } else { weak() }
}

fn nickname(text: &str) -> bool {
    text.is_ascii() && !text.contains(|letter: char| "@()\\[]\";:<>, ".contains(letter) || letter.is_ascii_control())
}

fn address(text: &str) -> bool {
    text.is_ascii()
        && !text.contains(char::is_whitespace)
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.ends_with('.')
        })
}

/// Adds what follows from other values: `mail` sets the primary proxy address, extension attributes merge into those
/// that are there.
pub(crate) fn complete(checked: &mut Checked, before: Option<&Properties>) {
    let mail = checked.iter().find(|(name, _)| name == "mail").map(|(_, value)| value.clone());
    if let Some(mail) = mail {
        let old = before.map(|properties| properties.texts("proxyAddresses").map(str::to_owned).collect::<Vec<_>>());
        let old = old.unwrap_or_default();
        let mut addresses: Vec<String> = Vec::with_capacity(old.len() + 1);
        if let Some(mail) = mail.as_str() {
            addresses.push(format!("SMTP:{mail}"));
        }
        for address in old {
            let again = addresses.iter().any(|known| known.eq_ignore_ascii_case(&address));
            if !address.starts_with("SMTP:") && !again {
                addresses.push(address);
            }
        }
        checked.push(("proxyAddresses".into(), json!(addresses)));
    }
    if let Some((_, value)) = checked.iter_mut().find(|(name, _)| name == "onPremisesExtensionAttributes") {
        merge_extensions(value, before.and_then(|properties| properties.get("onPremisesExtensionAttributes")));
    }
}

fn merge_extensions(value: &mut Json, before: Option<&Json>) {
    let mut merged = before.and_then(Json::as_object).cloned().unwrap_or_default();
    for (name, value) in value.as_object().into_iter().flatten() {
        if value.is_null() {
            merged.remove(name);
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    *value = Json::Object(merged);
}

fn invalid(property: &str, message: String) -> Refusal {
    Refusal::invalid(property, "InvalidValue", message)
}

fn too_long(property: &str, max: usize) -> Refusal {
    let message = format!("The value of property '{property}' is too long: at most {max} characters are allowed.");
    Refusal::invalid(property, "InvalidLength", message)
}
