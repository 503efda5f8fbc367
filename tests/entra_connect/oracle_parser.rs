//! The parser of the oracle: text of Entra Connect's expression language to a tree.
//!
//! Comparisons bind tighter than `&&` and `||`, sums tighter than comparisons; inside each of the three levels it goes from
//! left to right. `With` is written out: its value stands wherever its variable does.

use crate::oracle::Value;

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Literal(Value),
    /// A number with decimals: of the grammar, but no value.
    Fraction(String),
    Attribute(String),
    /// `ImportedValue("attribute")`.
    Imported(String),
    Parameter(String),
    /// The variable of a loop, by the loop's number.
    Variable(usize),
    Minus(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Call(&'static str, Vec<Expr>),
    /// `Where`, which keeps values, or `Select`, which makes others of them.
    Loop {
        keep: bool,
        variable: usize,
        list: Box<Expr>,
        body: Box<Expr>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Join,
    Plus,
    Minus,
    Times,
    Divide,
}

/// The levels of operators, the loosest first.
const LEVELS: [&[(&str, Operator)]; 3] = [
    &[("||", Operator::Or), ("&&", Operator::And)],
    &[
        ("=", Operator::Equal),
        ("<>", Operator::Unequal),
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
    ],
    &[
        ("&", Operator::Join),
        ("+", Operator::Plus),
        ("-", Operator::Minus),
        ("*", Operator::Times),
        ("/", Operator::Divide),
    ],
];

/// The functions by how many arguments they take, at least and at most.
const FUNCTIONS: &[(usize, usize, &str)] = &[
    (0, 0, "Guid Now"),
    (1, 1, "CertExtensionOids CertFormat CertFriendlyName CertHashString CertIssuer CertIssuerDN CertIssuerOid"),
    (1, 1, "CertKeyAlgorithm CertKeyAlgorithmParams CertNotAfter CertNotBefore CertPublicKeyOid CertThumbprint"),
    (1, 1, "CertPublicKeyParametersOid CertSerialNumber CertSignatureAlgorithmOid CertSubject CertSubjectNameDN"),
    (1, 1, "CertSubjectNameOid CertVersion IsCert CBool CDate CGuid ConvertToBase64 ConvertFromUTF8Hex"),
    (1, 1, "ConvertToUTF8Hex CNum CRef CStr StringFromGuid StringFromSid DateFromNum NumFromDate EscapeDNComponent"),
    (1, 1, "IsDate IsEmpty IsGuid IsNull IsNullOrEmpty IsNumeric IsPresent IsString Count RemoveDuplicates Error"),
    (1, 1, "LCase UCase PCase Len Trim LTrim RTrim Thumbprint ImportedValue ValueCount"),
    (1, 2, "ConvertFromBase64 Join"),
    (2, 2, "BitAnd BitOr CBin DNComponent FormatDateTime IsBitSet Item ItemOrNull Left RandomNum ReplaceChars Right"),
    (2, 3, "Contains DNComponentRev Mid Split"),
    (2, 4, "InStr InStrRev"),
    (3, 3, "CertNameInfo DateAdd IIF PadLeft PadRight Replace Select Where With Word"),
    (2, usize::MAX, "Switch"),
];

/// Words that are text where they stand, as arguments of functions.
const WORDS: &str = "UTF8 ASCII Unicode CaseSensitive CaseInsensitive vbTextCompare vbBinaryCompare DC SimpleName \
                     EmailName UpnName DnsName DnsFromAlternativeName UrlName";

/// An expression from its text; the error says where it is wrong.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let tokens = Lexer { chars: text.chars().collect(), at: 0, tokens: Vec::new() }.run()?;
    let mut parser = Parser { tokens, at: 0, bindings: Vec::new(), loops: 0 };
    let expr = parser.expression()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(format!("trailing {token:?}")),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Number(i64),
    Fraction(String),
    Attribute(String),
    Parameter(String),
    Variable(String),
    Name(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 16] = ["<>", "<=", ">=", "&&", "||", "<", ">", "=", "&", "+", "-", "*", "/", "(", ")", ","];

struct Lexer {
    chars: Vec<char>,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn run(mut self) -> Result<Vec<Token>, String> {
        while let Some(&c) = self.chars.get(self.at) {
            if c.is_whitespace() {
                self.at += 1;
            } else {
                let token = self.token(c)?;
                self.tokens.push(token);
            }
        }
        Ok(self.tokens)
    }

    fn error(&self, what: &str) -> String {
        let before = &self.chars[..self.at.min(self.chars.len())];
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
        format!("line {line}, column {column}: {what}")
    }

    fn token(&mut self, first: char) -> Result<Token, String> {
        match first {
            '"' | '“' | '”' | '„' | '‟' => self.text(first),
            '[' => self.attribute(),
            '%' => self.parameter(),
            '$' => {
                self.at += 1;
                Ok(Token::Variable(self.word("a variable")?))
            }
            '&' if self.is_hex() => {
                self.at += 2;
                let digits = self.take(|c| c.is_ascii_hexdigit());
                i64::from_str_radix(&digits, 16).map(Token::Number).map_err(|_| self.error("the number is too large"))
            }
            c if c.is_ascii_digit() => self.number(),
            c if c.is_alphabetic() || c == '_' => Ok(Token::Name(self.word("a name")?)),
            _ => self.symbol(),
        }
    }

    fn take(&mut self, part: impl Fn(char) -> bool) -> String {
        let taken: String = self.chars[self.at..].iter().take_while(|c| part(**c)).collect();
        self.at += taken.chars().count();
        taken
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        let word = self.take(|c| c.is_alphanumeric() || c == '_');
        if word.is_empty() { Err(self.error(&format!("{what} is missing"))) } else { Ok(word) }
    }

    /// Whether `&H` begins a number: only where an operand may stand.
    fn is_hex(&self) -> bool {
        let operand = match self.tokens.last() {
            None => true,
            Some(Token::Symbol(symbol)) => *symbol != ")",
            Some(_) => false,
        };
        let next = |offset: usize| self.chars.get(self.at + offset).copied().unwrap_or(' ');
        operand && next(1).eq_ignore_ascii_case(&'H') && next(2).is_ascii_hexdigit()
    }

    fn number(&mut self) -> Result<Token, String> {
        let digits = self.take(|c| c.is_ascii_digit());
        let decimals = self.chars.get(self.at + 1).is_some_and(char::is_ascii_digit);
        if self.chars.get(self.at) == Some(&'.') && decimals {
            self.at += 1;
            return Ok(Token::Fraction(format!("{digits}.{}", self.take(|c| c.is_ascii_digit()))));
        }
        digits.parse().map(Token::Number).map_err(|_| self.error("the number is too large"))
    }

    fn symbol(&mut self) -> Result<Token, String> {
        let rest: String = self.chars[self.at..].iter().take(2).collect();
        let found = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
        let symbol = found.ok_or_else(|| self.error(&format!("`{rest}` is unknown")))?;
        self.at += symbol.len();
        Ok(Token::Symbol(symbol))
    }

    fn attribute(&mut self) -> Result<Token, String> {
        self.at += 1;
        let name = self.take(|c| c != '[' && c != ']');
        if name.is_empty() || self.chars.get(self.at) != Some(&']') {
            return Err(self.error("an attribute needs a name and a closing bracket"));
        }
        self.at += 1;
        Ok(Token::Attribute(name))
    }

    fn parameter(&mut self) -> Result<Token, String> {
        self.at += 1;
        let name = self.take(|c| c.is_alphanumeric() || ".-_".contains(c));
        if name.is_empty() || self.chars.get(self.at) != Some(&'%') {
            return Err(self.error("a parameter needs a name and a closing `%`"));
        }
        self.at += 1;
        Ok(Token::Parameter(name))
    }

    /// A text: `\\` is a backslash, `\"` and `""` are quotes, any other backslash stays. What begins with a typographic
    /// quote ends with any quote.
    fn text(&mut self, first: char) -> Result<Token, String> {
        let ends = |c: char| c == '"' || first != '"' && "“”„‟".contains(c);
        let mut text = String::new();
        self.at += 1;
        while let Some(&c) = self.chars.get(self.at) {
            let next = self.chars.get(self.at + 1).copied();
            let pair = c == '\\' && matches!(next, Some('\\' | '"')) || c == '"' && next == Some('"');
            if !pair && ends(c) {
                self.at += 1;
                return Ok(Token::Text(text));
            }
            text.push(if pair { next.unwrap_or(c) } else { c });
            self.at += if pair { 2 } else { 1 };
        }
        Err(self.error("the text has no end"))
    }
}

/// What a variable stands for.
enum Binding {
    Loop(usize),
    Written(Expr),
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    bindings: Vec<(String, Binding)>,
    loops: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("the expression ends too early")?;
        self.at += 1;
        Ok(token)
    }

    fn accept(&mut self, symbol: &'static str) -> bool {
        let found = self.peek() == Some(&Token::Symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), String> {
        let found = self.peek().map_or("the end".to_owned(), |token| format!("{token:?}"));
        if self.accept(symbol) { Ok(()) } else { Err(format!("`{symbol}` is missing before {found}")) }
    }

    fn expression(&mut self) -> Result<Expr, String> {
        self.level(0)
    }

    fn level(&mut self, level: usize) -> Result<Expr, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.accept(symbol)) {
            let right = self.level(level + 1)?;
            left = Expr::Binary(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if self.accept("-") { Ok(Expr::Minus(Box::new(self.unary()?))) } else { self.primary() }
    }

    fn primary(&mut self) -> Result<Expr, String> {
        match self.next()? {
            Token::Text(text) => Ok(Expr::Literal(Value::Text(text))),
            Token::Number(number) => Ok(Expr::Literal(Value::Int(number))),
            Token::Fraction(text) => Ok(Expr::Fraction(text)),
            Token::Attribute(name) => Ok(Expr::Attribute(name)),
            Token::Parameter(name) => Ok(Expr::Parameter(name)),
            Token::Variable(name) => self.variable(&name),
            Token::Name(name) if self.accept("(") => self.call(&name),
            Token::Name(name) => literal(&name),
            Token::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Symbol(symbol) => Err(format!("`{symbol}` where a value is needed")),
        }
    }

    fn variable(&self, name: &str) -> Result<Expr, String> {
        match self.bindings.iter().rev().find(|(bound, _)| bound == name) {
            Some((_, Binding::Loop(number))) => Ok(Expr::Variable(*number)),
            Some((_, Binding::Written(expr))) => Ok(expr.clone()),
            None => Err(format!("the variable ${name} is unknown")),
        }
    }

    fn call(&mut self, name: &str) -> Result<Expr, String> {
        let (least, most, name) = function(name).ok_or_else(|| format!("the function {name} is unknown"))?;
        if ["Where", "Select", "With"].contains(&name) {
            return self.binder(name);
        }
        let mut arguments = Vec::new();
        if !self.accept(")") {
            arguments.push(self.expression()?);
            while self.accept(",") {
                arguments.push(self.expression()?);
            }
            self.expect(")")?;
        }
        let count = arguments.len();
        if count < least || count > most || name == "Switch" && count % 2 == 1 {
            return Err(format!("{name} does not take {count} arguments"));
        }
        quoted(name, arguments)
    }

    fn binder(&mut self, name: &str) -> Result<Expr, String> {
        let Token::Variable(variable) = self.next()? else { return Err(format!("{name} needs a variable")) };
        self.expect(",")?;
        let first = self.expression()?;
        self.expect(",")?;
        self.loops += 1;
        let number = self.loops;
        let binding = if name == "With" { Binding::Written(first.clone()) } else { Binding::Loop(number) };
        self.bindings.push((variable, binding));
        let body = self.expression()?;
        self.bindings.pop();
        self.expect(")")?;
        if name == "With" {
            return Ok(body);
        }
        Ok(Expr::Loop { keep: name == "Where", variable: number, list: Box::new(first), body: Box::new(body) })
    }
}

/// Functions that take the name of an attribute in quotes.
fn quoted(name: &'static str, arguments: Vec<Expr>) -> Result<Expr, String> {
    match (name, arguments.as_slice()) {
        ("ImportedValue", [Expr::Literal(Value::Text(attribute))]) => Ok(Expr::Imported(attribute.clone())),
        ("ValueCount", [Expr::Literal(Value::Text(_))]) => Ok(Expr::Call(name, arguments)),
        ("ImportedValue" | "ValueCount", _) => Err(format!("{name} takes the name of an attribute in quotes")),
        _ => Ok(Expr::Call(name, arguments)),
    }
}

/// A function by its name, without case where none has it exactly.
fn function(name: &str) -> Option<(usize, usize, &'static str)> {
    let all = || FUNCTIONS.iter().flat_map(|(least, most, names)| names.split(' ').map(|each| (*least, *most, each)));
    all().find(|(.., each)| *each == name).or_else(|| all().find(|(.., each)| each.eq_ignore_ascii_case(name)))
}

fn literal(name: &str) -> Result<Expr, String> {
    let value = match name.to_lowercase().as_str() {
        "null" => Value::Null,
        "authoritativenull" => Value::AuthoritativeNull,
        "ignorethisflow" => Value::IgnoreThisFlow,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "crlf" => Value::Text("\r\n".into()),
        _ => match WORDS.split_whitespace().find(|word| word.eq_ignore_ascii_case(name)) {
            Some(word) => Value::Text(word.into()),
            None => return Err(format!("the word {name} is unknown")),
        },
    };
    Ok(Expr::Literal(value))
}
