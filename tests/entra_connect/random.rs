//! Random expressions on random objects: what the converted rule gives is what the evaluator of the original gives.

use std::collections::BTreeMap;

use syncline::entra_connect::FlowOutcome;
use syncline::value::Values;

use crate::engine::{
    BOOLEANS, BYTES, LISTS, NUMBERS, TEXTS, answers, converted, imported, is_boolean, is_list, parameters, plain,
};
use crate::oracle::{self, Object, Value};

/// How many expressions are tried; `EXPRESSIONS=20000` tries more.
const CASES: usize = 1_500;
/// How many objects each is tried on.
const OBJECTS: usize = 8;

/// Dice that fall the same way for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    pub(crate) fn one<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

const WORDS: [&str; 12] =
    ["Ada", "ada", "AAD_x", "SMTP:a@x", "smtp:b@x", " Zoë ", "a@b.c", "}", "O'Neil", "12", "CAS_{1}", "SIP:x"];

/// A condition.
fn condition(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return format!("IsPresent([{}])", attribute(dice));
    }
    let deeper = depth - 1;
    match dice.below(16) {
        0 => format!("IsPresent([{}])", attribute(dice)),
        1 => format!("IsNullOrEmpty([{}])", attribute(dice)),
        2 => format!("IsNull([{}])", attribute(dice)),
        3 => format!("(IsPresent([{}]) = {})", attribute(dice), dice.one(&["True", "False"])),
        4 => format!("({} || {})", condition(dice, deeper), condition(dice, deeper)),
        5 => format!("({} && {})", condition(dice, deeper), condition(dice, deeper)),
        6 => format!("({} {} {})", text(dice, deeper), dice.one(&["=", "<>"]), text(dice, 0)),
        7 => format!("({} {} {})", number(dice, deeper), dice.one(&["=", "<>", "<", ">", ">=", "<="]), number(dice, 0)),
        8 => format!("([{}] = {})", dice.one(&BOOLEANS), dice.one(&["True", "False"])),
        9 => {
            let word = dice.one(&WORDS);
            format!("(Left({}, {}) = \"{word}\")", text(dice, deeper), word.chars().count())
        }
        10 => format!(
            "(InStr({}, \"{}\") {})",
            text(dice, deeper),
            dice.one(&WORDS),
            dice.one(&["> 0", ">= 1", "= 0", "< 1"])
        ),
        11 => format!("(Contains([{}], \"{}\") > 0)", dice.one(&LISTS), dice.one(&WORDS)),
        12 => format!("CBool(IIF({},{},NULL))", condition(dice, deeper), condition(dice, deeper)),
        13 => format!(
            "(BitAnd([userAccountControl],{}) {})",
            dice.one(&["2", "514", "&H200"]),
            dice.one(&["= 0", "> 0", "<> 0"])
        ),
        14 => format!("IsString([{}])", dice.one(&["cn", "objectGUID", "countryCode"])),
        _ => format!("CBool(BitAnd([userAccountControl],{}))", dice.one(&["2", "64", "-2147483648"])),
    }
}

fn attribute(dice: &mut Dice) -> &'static str {
    match dice.below(10) {
        0 => dice.one(&LISTS),
        1 => dice.one(&NUMBERS),
        2 => dice.one(&BOOLEANS),
        3 => dice.one(&BYTES),
        _ => dice.one(&TEXTS),
    }
}

fn literal(dice: &mut Dice) -> String {
    format!("\"{}\"", dice.one(&WORDS))
}

/// A text, or nothing.
fn text(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return if dice.below(3) == 0 { literal(dice) } else { format!("[{}]", dice.one(&TEXTS)) };
    }
    let deeper = depth - 1;
    match dice.below(19) {
        16 => format!("({} & [{}])", literal(dice), dice.one(&BOOLEANS)),
        17 => format!("([{}] & {})", dice.one(&NUMBERS), text(dice, deeper)),
        0 => format!("Trim({})", text(dice, deeper)),
        1 => format!("{}({})", dice.one(&["LCase", "UCase", "PCase"]), text(dice, deeper)),
        2 => format!("{}({}, {})", dice.one(&["Left", "Right"]), text(dice, deeper), dice.below(6)),
        3 => format!("Mid({}, {}, {})", text(dice, deeper), dice.below(4), 1 + dice.below(5)),
        4 => format!("({} & {})", text(dice, deeper), text(dice, deeper)),
        5 => format!("IIF({},{},{})", condition(dice, deeper), text(dice, deeper), branch(dice, deeper)),
        6 => {
            let name = attribute_of_text(dice);
            format!("IIF(IsPresent([{name}]),[{name}],{})", branch(dice, deeper))
        }
        7 => {
            let name = attribute_of_text(dice);
            format!(
                "IIF(IsNullOrEmpty([{name}]),{},{}([{name}]))",
                branch(dice, deeper),
                dice.one(&["Trim", "LCase", "Left", "CStr"])
            )
            .replace("Left([", "UCase([")
        }
        8 => format!("Replace({}, \"{}\", \"-\")", text(dice, deeper), dice.one(&["a", "@", " "])),
        9 => format!("Word({}, {}, \"@:\")", text(dice, deeper), dice.below(3)),
        10 => {
            let name = dice.one(&LISTS);
            format!("IIF(IsNullOrEmpty([{name}]),NULL,Left(Trim(Item([{name}],1)),4))")
        }
        11 => format!("ConvertToBase64([{}])", dice.one(&["objectGUID", "cn"])),
        12 => {
            let name = dice.one(&TEXTS);
            let cases: Vec<String> =
                (0..3).map(|_| format!("[{name}] = {}, {}", literal(dice), text(dice, 0))).collect();
            format!("Switch({}, True, {})", cases.join(", "), branch(dice, 0))
        }
        13 => format!("CStr({})", number(dice, deeper)),
        14 => format!("With($x, {}, IIF(IsNullOrEmpty($x), \"none\", $x & \"!\"))", text(dice, deeper)),
        15 => format!("ConvertToUTF8Hex({})", text(dice, deeper)),
        _ => format!("[{}]", dice.one(&TEXTS)),
    }
}

fn attribute_of_text(dice: &mut Dice) -> &'static str {
    dice.one(&TEXTS)
}

fn branch(dice: &mut Dice, depth: usize) -> String {
    match dice.below(5) {
        0 => "NULL".to_owned(),
        1 => "Error(\"stop\")".to_owned(),
        _ => text(dice, depth),
    }
}

/// A number, or nothing.
fn number(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return if dice.below(2) == 0 { dice.below(600).to_string() } else { format!("[{}]", dice.one(&NUMBERS)) };
    }
    let deeper = depth - 1;
    match dice.below(6) {
        0 => format!("Len({})", text(dice, deeper)),
        1 => format!("InStr({}, \"{}\")", text(dice, deeper), dice.one(&WORDS)),
        2 => format!("Count([{}])", dice.one(&LISTS)),
        3 => format!("BitAnd({}, {})", number(dice, deeper), dice.below(1_024)),
        4 => format!("Contains([{}], \"{}\")", dice.one(&LISTS), dice.one(&WORDS)),
        _ => format!("[{}]", dice.one(&NUMBERS)),
    }
}

/// Values of a list.
fn list(dice: &mut Dice, depth: usize) -> String {
    let name = dice.one(&LISTS);
    match dice.below(11) {
        9 => format!("IIF(Contains([{name}],\"SMTP:\")>0,Left([{name}],5),NULL)"),
        10 => format!("[{name}] & CStr(Count([{name}]))"),
        0 => format!("Trim([{name}])"),
        1 => format!("RemoveDuplicates(Trim([{name}]))"),
        2 => format!("IIF(InStr([{name}],\"SIP:\")=1,NULL,[{name}])"),
        3 => format!("Where($item,[{name}],InStr($item, \"@\") > 0)"),
        4 => format!("Select($item,[{name}],Replace($item, \"a\", {}))", literal(dice)),
        5 => format!("IIF({},[{name}],NULL)", condition(dice, depth)),
        6 => format!("LCase(Left([{name}], 5)) & {}", literal(dice)),
        7 => format!("Join([{name}], \",\")"),
        _ => format!("IIF(IsPresent([{name}]),[{name}],NULL)"),
    }
}

fn expression(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..5 => text(dice, 3),
        5 => format!("IIF({}, True, {})", condition(dice, 3), dice.one(&["NULL", "False"])),
        6 => number(dice, 2),
        7 => format!("CBool({})", condition(dice, 3)),
        _ => list(dice, 2),
    }
}

/// An object with some of the attributes.
pub(crate) fn object(dice: &mut Dice) -> BTreeMap<String, Value> {
    let mut attributes = BTreeMap::new();
    for name in TEXTS {
        if dice.below(3) > 0 {
            attributes.insert(name.to_owned(), Value::Text(dice.one(&WORDS).to_owned()));
        }
    }
    for name in LISTS {
        // Directories keep each value once.
        let mut values: Vec<Value> = Vec::new();
        for _ in 0..dice.below(4) {
            let value = Value::Text(dice.one(&WORDS).to_owned());
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if !values.is_empty() {
            attributes.insert(name.to_owned(), Value::List(values));
        }
    }
    for name in NUMBERS {
        if dice.below(4) > 0 {
            let number = [0, 1, 2, 2, 66, 512, 514, -2_147_483_646][dice.below(8)];
            attributes.insert(name.to_owned(), Value::Int(number));
        }
    }
    for name in BOOLEANS {
        if dice.below(2) > 0 {
            attributes.insert(name.to_owned(), Value::Bool(dice.below(2) > 0));
        }
    }
    for name in BYTES {
        if dice.below(4) > 0 {
            attributes.insert(
                name.to_owned(),
                Value::Bytes((0..16).map(|_| u8::try_from(dice.below(256)).unwrap()).collect()),
            );
        }
    }
    attributes
}

/// Each value once, as an attribute keeps them.
pub(crate) fn once(values: Values) -> Values {
    let mut kept = Values::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

#[test]
fn a_converted_expression_gives_what_the_original_gives() {
    let cases = std::env::var("EXPRESSIONS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let (mut compared, mut by_hand, mut exact, mut values, mut errors) = (0, 0, 0, 0, 0);
    let mut wrong: Vec<String> = Vec::new();
    for case in 0..cases {
        let mut dice = Dice(u64::try_from(case).unwrap() * 7_919 + 17);
        dice.below(2);
        let expression = expression(&mut dice);
        let conversion = converted(&expression);
        let flow = &conversion.rules[0].flows[0];
        if matches!(flow.outcome, FlowOutcome::ByHand(_)) {
            by_hand += 1;
            continue;
        }
        exact += usize::from(flow.outcome == FlowOutcome::Exact);
        let original = oracle::parse(&expression).unwrap();
        let objects: Vec<BTreeMap<String, Value>> = (0..OBJECTS).map(|_| object(&mut dice)).collect();
        let shown: Vec<_> = objects.iter().enumerate().map(|(number, object)| imported(number, object)).collect();
        for (ours, attributes) in answers(&conversion, &shown, &parameters()).into_iter().zip(objects) {
            let object = Object {
                imported: attributes.clone(),
                attributes,
                parameters: parameters(),
                counts: BTreeMap::new(),
                multi: is_list,
                booleans: is_boolean,
            };
            let theirs = oracle::evaluate(&original, &object);
            compared += 1;
            values += usize::from(ours.as_ref().is_ok_and(|values| !values.is_empty()));
            errors += usize::from(ours.is_err());
            let agree = match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => *ours == once(plain(theirs)),
                (Err(_), Err(_)) => true,
                _ => false,
            };
            if !agree {
                let code = conversion.rules[0]
                    .text
                    .lines()
                    .skip_while(|line| !line.contains("answer"))
                    .collect::<Vec<_>>()
                    .join("\n");
                wrong.push(format!(
                    "{expression}\n{code}\n ours {ours:?}\n theirs {theirs:?}\n of {:?}\n",
                    object.attributes
                ));
                break;
            }
        }
    }
    println!(
        "{cases} expressions, {by_hand} by hand, {exact} with exact functions; {compared} answers compared: {values} values, {errors} errors"
    );
    assert!(
        wrong.is_empty(),
        "{} of {cases} differ:\n{}",
        wrong.len(),
        wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(by_hand * 4 < cases && values * 3 > compared && errors > 0, "the expressions say something");
}

#[test]
fn long_and_deep_expressions_stay_within_what_a_rule_may_nest() {
    let many: Vec<String> = (0..200).map(|number| format!("[title] = \"t{number}\"")).collect();
    let cases = (0..80)
        .fold("\"end\"".to_owned(), |rest, number| format!("IIF([title] = \"a{number}\", \"{number}\", {rest})"));
    let joined = (0..60).fold("[title]".to_owned(), |rest, _| format!("({rest} & \"x\")"));
    let nested = (0..40).fold("[title]".to_owned(), |rest, number| format!("Replace({rest}, \"a{number}\", \"b\")"));
    let object = imported(1, &[("title".to_owned(), Value::Text("t199".to_owned()))].into());
    for (expression, expected) in [
        (format!("IIF({}, True, NULL)", many.join(" || ")), Some("true".to_owned())),
        (cases, Some("end".to_owned())),
        (joined, Some(format!("t199{}", "x".repeat(60)))),
        (nested, None),
    ] {
        let conversion = converted(&expression);
        let by_hand = matches!(conversion.rules[0].flows[0].outcome, FlowOutcome::ByHand(_));
        let answer = answers(&conversion, std::slice::from_ref(&object), &parameters()).remove(0);
        match expected {
            Some(expected) => assert_eq!(answer.unwrap().first().map(ToString::to_string), Some(expected)),
            None => assert!(by_hand && answer.unwrap_err().contains("nested too deeply"), "{expression}"),
        }
    }
}
