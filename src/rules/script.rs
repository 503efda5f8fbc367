//! The types that scripts hold: the object, its references, and the special flow values. Rhai on one side, plain data
//! on the other.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Position};

use super::input::{Context, FlowValue, Groups, Input, JoinGroup, JoinKey};
use super::vocabulary::Exact;
use super::vocabulary::entra::Failure;
use crate::value::{AttributeName, Value, Values};

/// The parameter of `scope`, `join` and `flow`.
#[derive(Clone)]
pub(super) struct ScriptObject(pub(super) Arc<Input>);

/// A reference attribute of the object: handed on, counted, never opened.
#[derive(Clone, Debug)]
pub(super) struct References {
    pub(super) attribute: AttributeName,
    count: usize,
}

/// `absent()`, `keep()`, `once(v)`, `seed(v)`, `merge(list)`, `unique(list)`, `password(length)`.
#[derive(Clone)]
pub(super) enum Special {
    Absent,
    Keep,
    Once(Dynamic),
    Seed(Dynamic),
    Merge(Dynamic),
    Unique(Dynamic),
    Password(u16),
}

type Fallible<T> = Result<T, Box<EvalAltResult>>;

thread_local! {
    /// The attribute read last, for `imported(user.x)`, whose argument `check` requires to be such a read.
    static LAST_READ: RefCell<Option<(Arc<Input>, AttributeName)>> = const { RefCell::new(None) };
}

/// Forgets which attribute was read last; called before each evaluation.
pub(super) fn forget_last_read() {
    LAST_READ.with(|last| last.borrow_mut().take());
}

impl ScriptObject {
    fn read(&self, name: &AttributeName) -> Fallible<Dynamic> {
        let input = &self.0;
        if input.imported.as_ref().is_some_and(|imported| !imported.contains(name)) {
            return Err(failed(format!("`{name}` has not been imported for this type of object")));
        }
        if !input.confirmed.is_empty() {
            LAST_READ.with(|last| *last.borrow_mut() = Some((Arc::clone(input), name.clone())));
        }
        if let Some(count) = input.references.get(name) {
            return Ok(Dynamic::from(References { attribute: name.clone(), count: *count }));
        }
        Ok(to_dynamic(input.attributes.get(name).map_or(&[], Vec::as_slice), input.lists.contains(name)))
    }
}

fn failed(message: String) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into()
}

/// Values as a script sees them: `()` for none, a list where the attribute is one.
pub(super) fn to_dynamic(values: &[Value], list: bool) -> Dynamic {
    match values {
        [] => Dynamic::UNIT,
        [value] if !list => one_to_dynamic(value),
        values => Dynamic::from_array(values.iter().map(one_to_dynamic).collect()),
    }
}

fn one_to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Text(text) => ImmutableString::from(text.as_str()).into(),
        Value::Integer(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Bytes(bytes) => Dynamic::from_blob(bytes.clone()),
        Value::Time(_) => value.to_string().into(),
        Value::Password(length) => Dynamic::from(Special::Password(*length)),
    }
}

/// Registers the object, its references, the special values, and the context.
pub(super) fn register(engine: &mut Engine, names: impl Iterator<Item = AttributeName>) {
    engine.register_type_with_name::<ScriptObject>("object");
    engine.register_type_with_name::<References>("references");
    engine.register_type_with_name::<Special>("special value");
    for name in names {
        let attribute = name.clone();
        engine.register_get(name.as_str(), move |object: &mut ScriptObject| object.read(&attribute));
    }
    engine.register_indexer_get(|object: &mut ScriptObject, name: ImmutableString| object.read(&name.as_str().into()));
    engine.register_fn("absent", || Special::Absent);
    engine.register_fn("keep", || Special::Keep);
    engine.register_fn("once", |value: Dynamic| Special::Once(value));
    engine.register_fn("seed", |value: Dynamic| Special::Seed(value));
    engine.register_fn("merge", |value: Dynamic| Special::Merge(value));
    engine.register_fn("password", password);
    register_unique(engine);
    engine.register_fn("count", count);
    engine.register_fn("imported", imported_value);
    engine.register_fn("is_member_of", |object: ScriptObject, group: ImmutableString| {
        Ok::<_, Box<EvalAltResult>>(names_one(&known_groups(&object)?.direct, &group))
    });
    engine.register_fn("is_in_group", |object: ScriptObject, group: ImmutableString| {
        let groups = known_groups(&object)?;
        Ok::<_, Box<EvalAltResult>>(names_one(&groups.direct, &group) || names_one(&groups.nested, &group))
    });
    #[expect(deprecated, reason = "rhai marks it volatile, not deprecated; the version is pinned")]
    engine.on_var(|name, _, context| {
        let wanted = context.tag().read_lock::<Arc<Context>>();
        Ok(wanted.filter(|context| context.name == name).map(|context| context_map(&context)))
    });
}

/// Who is in which group is not known where no groups were imported: then nobody is in none.
fn known_groups(object: &ScriptObject) -> Fallible<&Groups> {
    let unknown = || failed("no groups have been imported, so nobody knows who is in them".to_owned());
    object.0.groups.as_ref().ok_or_else(unknown)
}

fn names_one(groups: &BTreeSet<String>, group: &str) -> bool {
    groups.contains(&crate::dn::normalise(group)) || groups.contains(group)
}

/// Shorter is guessed, longer Entra ID does not take.
const PASSWORDS: std::ops::RangeInclusive<i64> = 12..=256;

fn password(length: i64) -> Fallible<Special> {
    let fits = u16::try_from(length).ok().filter(|_| PASSWORDS.contains(&length));
    let wrong = || failed(format!("a password of {length} characters: {} to {}", PASSWORDS.start(), PASSWORDS.end()));
    fits.map(Special::Password).ok_or_else(wrong)
}

/// Rhai has no functions with a changing number of parameters; who has more names gives a list.
fn register_unique(engine: &mut Engine) {
    let list = |names: rhai::Array| Special::Unique(Dynamic::from_array(names));
    engine.register_fn("unique", |names: Dynamic| Special::Unique(names));
    engine.register_fn("unique", move |a: Dynamic, b: Dynamic| list(vec![a, b]));
    engine.register_fn("unique", move |a: Dynamic, b: Dynamic, c: Dynamic| list(vec![a, b, c]));
    engine.register_fn("unique", move |a: Dynamic, b: Dynamic, c: Dynamic, d: Dynamic| list(vec![a, b, c, d]));
}

fn context_map(context: &Context) -> Dynamic {
    let texts = context.texts.iter().map(|(key, text)| ((*key).into(), text.into()));
    let lists = context.lists.iter().map(|(key, list)| {
        let list: rhai::Array = list.iter().map(|text| text.into()).collect();
        ((*key).into(), list.into())
    });
    Dynamic::from_map(texts.chain(lists).collect())
}

fn count(value: Dynamic) -> Fallible<i64> {
    if value.is_unit() {
        return Ok(0);
    }
    let length = value.read_lock::<References>().map(|references| references.count);
    let length = length.or_else(|| value.as_array_ref().ok().map(|list| list.len())).unwrap_or(1);
    Ok(i64::try_from(length).unwrap_or(i64::MAX))
}

fn imported_value(value: Dynamic) -> Dynamic {
    LAST_READ.with(|last| match last.borrow_mut().take() {
        Some((input, name)) => match input.confirmed.get(&name) {
            Some(confirmed) => to_dynamic(confirmed, input.lists.contains(&name)),
            None => value,
        },
        None => value,
    })
}

/// What a flow map holds for one key.
///
/// # Errors
/// Says what the value is when it cannot be an attribute's value.
pub(super) fn to_flow_value(value: Dynamic) -> Result<FlowValue, String> {
    if let Some(special) = value.read_lock::<Special>().map(|special| special.clone()) {
        return match special {
            Special::Absent => Ok(FlowValue::Absent),
            Special::Keep => Ok(FlowValue::Keep),
            Special::Once(value) => to_once(value).map(|values| non_empty(values, FlowValue::Once)),
            Special::Seed(value) => to_values(value).map(|values| non_empty(values, FlowValue::Seed)),
            Special::Merge(value) => to_values(value).map(|values| non_empty(values, FlowValue::Merge)),
            Special::Unique(value) => to_values(value).map(|values| non_empty(values, FlowValue::Unique)),
            Special::Password(_) => Err("a password is given when an account is made: `once(password(24))`".into()),
        };
    }
    if let Some(references) = value.read_lock::<References>() {
        return Ok(FlowValue::References(references.attribute.clone()));
    }
    let list = value.is_array();
    let mut values = to_values(value)?;
    if list {
        return Ok(non_empty(values, FlowValue::List));
    }
    Ok(values.pop().map_or(FlowValue::Nothing, FlowValue::One))
}

/// What is given once may be a password.
fn to_once(value: Dynamic) -> Result<Values, String> {
    let password = value.read_lock::<Special>().and_then(|special| match *special {
        Special::Password(length) => Some(vec![Value::Password(length)]),
        Special::Absent
        | Special::Keep
        | Special::Once(_)
        | Special::Seed(_)
        | Special::Merge(_)
        | Special::Unique(_) => None,
    });
    password.map_or_else(|| to_values(value), Ok)
}

fn non_empty(values: Values, wrap: impl Fn(Values) -> FlowValue) -> FlowValue {
    if values.is_empty() { FlowValue::Nothing } else { wrap(values) }
}

/// The values of a text, number, flag, bytes, or list of these; `()` and empty text fall.
fn to_values(value: Dynamic) -> Result<Values, String> {
    if value.is_array() {
        let mut values = Values::new();
        for item in value.into_array().map_err(str::to_owned)? {
            for item in to_values(item)? {
                if !values.contains(&item) {
                    values.push(item);
                }
            }
        }
        return Ok(values);
    }
    Ok(to_value(value)?.into_iter().collect())
}

fn to_value(value: Dynamic) -> Result<Option<Value>, String> {
    if value.is_unit() {
        return Ok(None);
    }
    if let Some(exact) = value.read_lock::<Exact>() {
        return Ok(Value::text(exact.text()));
    }
    if let Some(failure) = value.read_lock::<Failure>() {
        return Err(failure.0.clone());
    }
    if let Ok(number) = value.as_int() {
        return Ok(Some(Value::Integer(number)));
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Some(Value::Boolean(flag)));
    }
    if value.is_string() || value.is_char() {
        return Ok(Value::text(value.to_string()));
    }
    if value.is_blob() {
        return Ok(value.into_blob().ok().filter(|bytes| !bytes.is_empty()).map(Value::Bytes));
    }
    Err(format!("a value of type `{}` cannot be written to an attribute", value.type_name()))
}

/// The groups that `join` answers. Groups in which a key has no value are left out.
pub(super) fn to_join_groups(value: Dynamic) -> Result<Vec<JoinGroup>, String> {
    let whole = |attempt: Attempt| attempt.into_iter().map(|(_, key)| key).collect::<Option<JoinGroup>>();
    Ok(to_join_attempts(value)?.into_iter().filter_map(whole).collect())
}

/// The keys of one group, with nothing for a key that has no value.
pub(super) type Attempt = Vec<(AttributeName, Option<JoinKey>)>;

/// The groups that `join` answers, those in which a key has no value too.
pub(super) fn to_join_attempts(value: Dynamic) -> Result<Vec<Attempt>, String> {
    let wrong = || "`join` gives a list of maps: `[#{ mail: user.mail }]`".to_owned();
    if value.is_unit() {
        return Ok(Vec::new());
    }
    let list = value.into_array().map_err(|_| wrong())?;
    let mut attempts = Vec::new();
    for item in list {
        let map = item.try_cast::<rhai::Map>().ok_or_else(wrong)?;
        if map.is_empty() {
            return Err("an empty join group would match everybody".into());
        }
        attempts.push(to_join_attempt(map)?);
    }
    Ok(attempts)
}

fn to_join_attempt(map: rhai::Map) -> Result<Attempt, String> {
    let mut attempt = Attempt::new();
    let mut skipped = false;
    for (name, value) in map {
        let attribute = AttributeName::from(name.as_str());
        let exact = value.is::<Exact>();
        // A group that is skipped anyway cannot be wrong.
        let mut values = if skipped { to_values(value).unwrap_or_default() } else { to_values(value)? };
        let key = match (values.pop(), values.is_empty()) {
            (None, _) => None,
            (Some(value), true) => Some(JoinKey { attribute: attribute.clone(), value, exact }),
            (Some(_), false) if skipped => None,
            (Some(_), false) => return Err(format!("join key `{name}` has several values")),
        };
        skipped |= key.is_none();
        attempt.push((attribute, key));
    }
    Ok(attempt)
}
