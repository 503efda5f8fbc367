//! Tests of the oracle itself: the examples of the reference, the hard cases, and the collected expressions.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::oracle::{Object, Value, evaluate, in_scope, parse};

/// The collected expressions, relative to the crate.
const MULTI: &str = "proxyaddresses otherphone othermailbox description usercertificate member";

/// A certificate made for tests.
const CERTIFICATE: &str = "MIIBoDCCAUegAwIBAgIFAQIDBAUwCgYIKoZIzj0EAwIwODELMAkGA1UEBhMCRVMxFjAUBgNVBAoMDVN5bmNsaW5lIFRlc3QxE\
TAPBgNVBAMMCEFuYSBUZXN0MB4XDTI0MDEwMTAwMDAwMFoXDTM0MDEwMTAwMDAwMFowODELMAkGA1UEBhMCRVMxFjAUBgNVBAoMDVN5bmNsaW5lIFRlc3QxETAP\
BgNVBAMMCEFuYSBUZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+evkZBR8wQLZIyTQmdknwaUOQtV6CKEW/+wKKYGdjGVwuvfRKIiQKmoMHWet0QMSPIW\
atpv46UMck4STDUt+7qM+MDwwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwHAYDVR0RBBUwE4ERYW5hQHN5bmNsaW5lLnRlc3QwCgYIKoZIzj0EAwIDRw\
AwRAIgEaTW7LuJg59AFovjPWUtJy3Z3Qif5gDX5idJIwnLQOYCICXoLVfxOlV9N5YeVA0sUXT+sGqVoFodMcTQDmxdPNrz";

fn object<const N: usize>(attributes: [(&str, Value); N]) -> Object {
    let attributes: BTreeMap<_, _> = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Object {
        imported: attributes.clone(),
        attributes,
        parameters: BTreeMap::from([("Domain.FQDN".to_owned(), "contoso.com".to_owned())]),
        counts: BTreeMap::from([("member".to_owned(), 7)]),
        multi: |name| MULTI.split(' ').any(|multi| multi.eq_ignore_ascii_case(name)),
        booleans: |name| name == "cloudMastered",
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn texts<const N: usize>(values: [&str; N]) -> Value {
    Value::List(values.map(text).into())
}

fn run(expression: &str, object: &Object) -> Result<Value, String> {
    evaluate(&parse(expression)?, object)
}

/// Each expression gives the same as the one after `→`.
fn check(table: &str, object: &Object) {
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let (expression, wanted) = line.split_once('→').expect("an arrow");
        let found = run(expression, object);
        match wanted.trim() {
            "error" => assert!(found.is_err(), "{expression} gives {found:?}"),
            wanted => assert_eq!(found, Ok(run(wanted, object).unwrap()), "{expression}"),
        }
    }
}

#[test]
fn functions_of_text() {
    let table = r#"
        Left("ab", -1) → "ab"
        Left("ab", 0) → ""
        Left(NULL, 1) → ""
        Right("ab", 5) → "ab"
        Mid("SMTP:a@b.c", 6) → "a@b.c"
        Mid("ab", 3, 1) → "ab"
        Mid("ab", 0, 1) → "ab"
        Mid("ab", 1, 0) → ""
        Len("😀") → 1
        Len(NULL) → 0
        InStr("banana", "a", 3) → 4
        InStr("repEated", "e", 3, vbTextCompare) → 4
        InStr("banana", "x") → 0
        InStr(NULL, "x") → 0
        InStrRev("abbcdbbbef", "bb", 5) → 2
        InStrRev("ABBA", "b", 9, vbTextCompare) → 3
        PadLeft("7", 0, "0") → "7"
        PadLeft("7", 3, "ab") → error
        PadRight("ab", 4, ".") → "ab.."
        PadLeft(NULL, 3, "0") → ""
        PCase("mARY ann-lee ROE") → "Mary Ann-lee ROE"
        Trim("  ") → ""
        Trim(NULL) → NULL
        ReplaceChars("x", "ab:c") → error
        ReplaceChars("Åse", "Å:A") → "Ase"
        Replace(NULL, "-", "") → NULL
        Word("a,,b", 2, ",") → "b"
        Word("a", 0, ",") → ""
        Word(NULL, 1, ",") → ""
        DNComponent("CN=Roe\\, Jane,OU=IT,DC=x", 1) → "Roe\\, Jane"
        DNComponent("CN=Ann", 2) → error
        DNComponentRev("CN=Ann,DC=x", 2, DC) → error
        EscapeDNComponent("cn=Smith, Ann") → "cn=Smith\\, Ann"
        EscapeDNComponent("Smith, Ann") → "Smith\\, Ann"
        CRef("Ann") → error
    "#;
    check(table, &object([]));
}

#[test]
fn functions_of_other_values() {
    let table = r#"
        CBool(3) → True
        CBool("0") → False
        CBool(NULL) → False
        CNum("4x") → error
        CStr(True) → "True"
        CStr(42) → "42"
        StringFromGuid(CGuid("{00001111-aaaa-2222-bbbb-3333cccc4444}")) → "00001111-aaaa-2222-bbbb-3333cccc4444"
        ConvertToBase64(CGuid("00001111-aaaa-2222-bbbb-3333cccc4444")) → "EREAAKqqIiK7uzMzzMxERA=="
        CGuid("jane") → error
        ConvertFromBase64("?") → error
        ConvertFromUTF8Hex("4") → error
        ConvertToBase64(CBin(513, 2)) → "AQI="
        CBin(256, 1) → error
        CBin(1, 99999999999) → error
        Thumbprint(CBin(1, 1)) → "4BF5122F344554C53BDE2EBB8CD2B7E3D1600AD631C385A5D7CCE23C7785459A"
        Len(Mid(CBin(513, 4), 2, 2) & CBin(1, 1)) → 3
        IsNull("") → False
        IsEmpty("") → True
        IsEmpty(NULL) → False
        IsPresent(False) → True
        IsNullOrEmpty(False) → False
        IsString(CBin(1, 1)) → False
        IsNumeric("12a") → False
        IsBitSet(512, 2) → False
        IsBitSet(NULL, 2) → False
        BitAnd(NULL, 2) → error
        BitOr(512, 2) → 514
        RandomNum(2, 1) → error
        Contains("SMTP:b@x", "x500:") → 0
        Count(NULL) → 0
        Item(NULL, 1) → error
        ItemOrNull("a", 3) → NULL
        Join(Split("a,b,c", ",", 2), "|") → "a|b,c"
        Join(Split("a b", " ")) → "a b"
        Split("a", "::") → error
        Error("no mail") → error
        Switch(False, 1) → NULL
        Select($item, "a-b", Replace($item, "-", "")) → "ab"
        Join(Where($x, Split("x,yy", ","), Len($x) > 1), ",") → "yy"
        With($n, Len("abc"), IIF($n > 2, "long", "short")) → "long"
    "#;
    check(table, &object([]));
}

#[test]
fn dates() {
    let table = r#"
        CDate("2026-03-01 09:30 +2") → CDate("2026-03-01T07:30:00Z")
        CDate("5 Jan 2026 12:01 AM") → CDate("2026-01-05T00:01:00Z")
        CDate("2026-01-05T09:30:00.5+01:00") → CDate("2026-01-05T08:30:00.5Z")
        CStr(CDate("12/25/2007")) → "2007-12-25T00:00:00Z"
        CDate("1/5/26") → CDate("2026-01-05")
        CDate("Jan 5, 2026 4:00 PM") → CDate("2026-01-05 16:00")
        CDate("soon") → error
        CDate("13/25/2007") → error
        IsDate("2026-01-05") → True
        IsDate("x") → False
        DateAdd("d", -1, CDate("2024-03-01")) → CDate("2024-02-29")
        DateAdd("q", 1, "2024-11-30T00:00:00Z") → CDate("2025-02-28")
        DateAdd("x", 1, "2024-11-30T00:00:00Z") → error
        DateFromNum(0) → NULL
        DateFromNum(9223372036854775807) → NULL
        DateFromNum(116444736000000000) → CDate("1970-01-01")
        FormatDateTime(DateFromNum(130543784930000000), "yyyyMMddHHmmss.0Z") → "20140905081453.0Z"
        FormatDateTime("2026-01-05T15:04:00Z", "dddd, d MMMM yyyy 'at' h:mm tt") → "Monday, 5 January 2026 at 3:04 PM"
        FormatDateTime("2026-01-05T15:04:00Z", "s") → "2026-01-05T15:04:00"
        FormatDateTime(CDate("2026-01-05"), "dd.MM.yyyy") → "05.01.2026"
        CDate("2026-01-05") < CDate("2026-01-05T00:00:00.5Z") → True
        IsDate(Now()) → True
    "#;
    check(table, &object([]));
}

#[test]
fn certificates() {
    let table = r#"
        CertHashString([c]) → "E84D0EAA0FE4FD3D86CFC6875595486E0F94D059"
        CertIssuer([c]) → "CN=Ana Test, O=Syncline Test, C=ES"
        CertKeyAlgorithm([c]) → "1.2.840.10045.2.1"
        CertKeyAlgorithmParams([c]) → "06082A8648CE3D030107"
        CertNameInfo([c], "EmailName", False) → "ana@syncline.test"
        CertNameInfo([c], "SimpleName", True) → "Ana Test"
        CertNameInfo([c], "UpnName", False) → ""
        CertNameInfo([c], "Nickname", False) → error
        CertNotAfter([c]) → CDate("2034-01-01")
        CertNotBefore([c]) → CDate("2024-01-01")
        CertSerialNumber([c]) → "0102030405"
        CertSignatureAlgorithmOid([c]) → "1.2.840.10045.4.3.2"
        CertVersion([c]) → "3"
        Join(CertExtensionOids([c])) → "2.5.29.19 2.5.29.15"
        IsCert([c]) → True
        IsCert(CBin(513, 2)) → False
        CertVersion(CBin(513, 2)) → error
        CertVersion(NULL) → NULL
    "#;
    check(table, &object([("c", text(CERTIFICATE))]));
}

#[test]
fn operators() {
    let table = r#"
        2 * 5 + 3 → 13
        2 + 5 * 3 → 21
        True || True && False → False
        7 / 0 → error
        9223372036854775807 + 1 → error
        9223372036854775808 → error
        - - 3 → 3
        "a" = "A" → False
        NULL = NULL → False
        NULL <> "a" → False
        "x" & NULL → "x"
        "x" & 5 & True → "x5True"
        "a" + "b" → "ab"
        5 = "5" → True
        True = "true" → True
        False && Error("never") → False
        True || Error("never") → True
        IIF("x", 1, 2) → error
        “smart” → "smart"
        "x" &HFF → error
        BitAnd(&HF, &HF7) → 7
        %Nobody% → error
        f(1, , 2) → error
        Left("a", ) → error
        IF(True, 1, 2) → error
        (1 → error
        iif(true, 1, 2) → 1
        1 + IgnoreThisFlow → error
    "#;
    check(table, &object([]));
    assert_eq!(run(r#""a\\b""c\"d\n""#, &object([])), Ok(text("a\\b\"c\"d\\n")));
    assert_eq!(run("CRLF", &object([])), Ok(text("\r\n")));
    assert_eq!(run("IgnoreThisFlow", &object([])), Ok(Value::IgnoreThisFlow));
    let error = parse("1 +\n  ?").unwrap_err();
    assert!(error.contains("line 2, column 3"), "{error}");
}

#[test]
fn hard_cases() {
    let addresses = || ("proxyAddresses", texts(["smtp: a@x", "SIP:b@x"]));
    let guarded = r#"Contains([proxyAddresses],"SMTP:") > 0 && InStr(Item([proxyAddresses],Contains([proxyAddresses],"SMTP:")),"@") > 0"#;
    assert_eq!(run(guarded, &object([addresses()])), Ok(Value::Bool(false)));

    let bits = "CBool(IIF(IsPresent([x]), BitAnd([x],&H21C07000) > 0, NULL))";
    assert_eq!(run(bits, &object([])), Ok(Value::Bool(false)));
    assert_eq!(run(bits, &object([("x", Value::Int(0x1000))])), Ok(Value::Bool(true)));

    let conflict = r#"InStr(DNComponent(CRef([dn]),1),"\\0ACNF:") > 0"#;
    let renamed = object([("dn", text("CN=foo\\0ACNF:1234-5,OU=x"))]);
    assert_eq!(run(conflict, &renamed), Ok(Value::Bool(true)));

    for (kind, secure) in [(-2147483646, true), (2, false)] {
        let group = object([("groupType", Value::Int(kind))]);
        assert_eq!(run("CBool(BitAnd([groupType],-2147483648))", &group), Ok(Value::Bool(secure)));
    }

    let limit = r#"IIF([memberCount] > 50000, Error("Maximum"), IgnoreThisFlow)"#;
    assert_eq!(run(limit, &object([("memberCount", Value::Int(5))])), Ok(Value::IgnoreThisFlow));
    assert_eq!(run(limit, &object([("memberCount", Value::Int(50001))])), Err("Maximum".into()));

    let filter = r#"IIF(InStr([proxyAddresses],"SIP:")=1,NULL,[proxyAddresses])"#;
    assert_eq!(run(filter, &object([addresses()])), Ok(texts(["smtp: a@x"])));
    assert_eq!(run(filter, &object([])), Ok(Value::Null));

    let trimmed = r#"RemoveDuplicates(Trim(ImportedValue("proxyAddresses")))"#;
    let repeated = object([("proxyAddresses", texts([" a", "b", "a "]))]);
    assert_eq!(run(trimmed, &repeated), Ok(texts(["a", "b"])));

    let anchor = object([("objectGUID", Value::Bytes((0..16).collect()))]);
    assert_eq!(run("ConvertToBase64([objectGUID])", &anchor), Ok(text("AAECAwQFBgcICQoLDA0ODw==")));
    assert_eq!(run("IsString([objectGUID])", &anchor), Ok(Value::Bool(false)));
}

#[test]
fn multi_valued() {
    let phones = || object([("otherPhone", texts(["1-2", "3"])), ("otherMailbox", texts(["m"]))]);
    let upper = object([("otherPhone", texts(["one"]))]);
    assert_eq!(run(r#""tel:" & [otherPhone]"#, &phones()), Ok(texts(["tel:1-2", "tel:3"])));
    assert_eq!(run("[otherPhone]", &phones()), Ok(texts(["1-2", "3"])));
    assert_eq!(run("UCase([otherPhone])", &upper), Ok(texts(["ONE"])));
    assert_eq!(run("IIF(Count([otherPhone]) = 2, [otherPhone], NULL)", &phones()), Ok(texts(["1-2", "3"])));
    assert_eq!(run(r#"Join(Replace([otherPhone],"-",""),"+")"#, &phones()), Ok(text("12+3")));
    assert_eq!(run("With($p, [otherPhone], Count($p))", &phones()), Ok(Value::Int(2)));
    assert!(run("[otherPhone] & [otherMailbox]", &phones()).is_err());
    let nested =
        r#"Where($item, Select($item, [otherPhone], IIF($item = "3", NULL, $item)), False = IsNullOrEmpty($item))"#;
    assert_eq!(run(nested, &phones()), Ok(texts(["1-2"])));
    assert_eq!(run(r#"IIF(IsNullOrEmpty([otherPhone]),"none",LCase([otherPhone]))"#, &object([])), Ok(Value::Null));
    assert_eq!(run(r#"ValueCount("member")"#, &object([])), Ok(Value::Int(7)));
}

#[test]
fn scopes() {
    let user = object([
        ("mail", text("Ann@Contoso.com")),
        ("memberCount", Value::Int(900)),
        ("flag", Value::Bool(true)),
        ("userAccountControl", Value::Int(514)),
        ("proxyAddresses", texts(["smtp:a", "SMTP:b"])),
    ]);
    let table = "mail EQUAL ann@contoso.COM true,mail NOTEQUAL ann@contoso.com false,mail ENDSWITH %Domain.FQDN% true,\
        flag EQUAL TRUE true,flag NOTCONTAINS False true,none EQUAL True false,none NOTEQUAL True true,\
        none NOTSTARTWITH a true,cloudMastered EQUAL False true,cloudMastered EQUAL True false,cloudMastered NOTEQUAL False true,none EQUAL False false,\
        memberCount LESSTHAN 50000 true,memberCount GREATERTHAN_OR_EQUAL 900 true,none LESSTHAN 5 false,none ISNULL - true,\
        mail ISNOTNULL - true,userAccountControl ISBITSET 2 true,userAccountControl ISNOTBITSET 0x2 false,\
        none ISBITNOTSET 2 true,proxyAddresses ISIN smtp:B true,proxyAddresses ISNOTIN smtp:c true,\
        proxyAddresses NOTEQUAL smtp:a false,none ISNOTMEMBEROF CN=x true";
    for line in table.split(',') {
        let parts: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let clause = (parts[0].clone(), parts[1].clone(), parts[2].clone());
        assert_eq!(in_scope(&[vec![clause]], &user), Ok(parts[3] == "true"), "{line}");
    }
    assert_eq!(in_scope(&[], &user), Ok(true));
    assert!(in_scope(&[vec![("mail".into(), "LIKE".into(), "a".into())]], &user).is_err());
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Int(number.as_i64().expect("a whole number")),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(values) => Value::List(values.iter().map(value).collect()),
        Json::Object(_) => panic!("{json}"),
    }
}

fn object_of(inputs: &Json) -> Object {
    let mut made = object([]);
    for (name, input) in inputs.as_object().into_iter().flatten() {
        match name.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) {
            Some(name) => made.parameters.insert(name.into(), input.as_str().expect("text").into()).map(|_| ()),
            None => made.attributes.insert(name.clone(), value(input)).map(|_| ()),
        };
    }
    made
}

#[test]
fn collected_expressions() {
    let Some(path) = crate::corpus::shared("expressions.jsonl") else { return };
    let lines = std::fs::read_to_string(path).unwrap();
    let (mut parsed, mut refused, mut agreed) = (0, 0, 0);
    for line in lines.lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        let expression = entry["expression"].as_str().unwrap();
        let expr = parse(expression);
        assert_eq!(expr.is_ok(), entry["parses"] == true, "{expression}: {expr:?}");
        let Ok(expr) = expr else {
            refused += 1;
            continue;
        };
        parsed += 1;
        if let Some(wanted) = entry.get("expect") {
            assert_eq!(evaluate(&expr, &object_of(&entry["inputs"])), Ok(value(wanted)), "{expression}");
            agreed += 1;
        }
        for case in entry["cases"].as_array().into_iter().flatten() {
            assert_eq!(evaluate(&expr, &object_of(&case[0])), Ok(value(&case[1])), "{expression}");
            agreed += 1;
        }
    }
    println!("{parsed} parse, {refused} are refused, {agreed} results agree");
    assert!(parsed > 100 && agreed > 40);
}
