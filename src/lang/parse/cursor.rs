//! Where reading stands, what is expected there, and how it goes on after a mistake.

use crate::finding::{Code, Finding, Locate, Span, did_you_mean};
use crate::lang::lex::{Kind, Token, lex, unquote};
use crate::lang::syntax::{Literal, Word};
use crate::model::Value;
use crate::model::limit::RULE_DEPTH;

/// Words that cannot be a name: a rule would have two readings.
const RESERVED: &[&str] = &[
    "and", "or", "not", "did", "in", "is", "where", "at", "since", "from", "as", "then", "within", "true", "false",
    "contains", "starts", "ends", "has", "matches",
];

/// Whether a bare word cannot be a name.
pub(in crate::lang) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

pub(super) struct Cursor<'a> {
    text: &'a str,
    /// Without comments and line breaks.
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
    /// The rest is not read: nothing more is said of it.
    is_given_up: bool,
    locate: &'a dyn Locate,
    findings: Vec<Finding>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, locate: &'a dyn Locate) -> Self {
        let mut tokens = lex(text);
        tokens.retain(|token| !matches!(token.kind, Kind::Comment | Kind::Break));
        Self { text, tokens, at: 0, depth: 0, is_given_up: false, locate, findings: Vec::new() }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    // --- looking -----------------------------------------------------------------------------------------------------

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).copied()
    }

    /// Whether the tokens from here on are these words or symbols.
    pub(super) fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| {
            self.peek_at(ahead)
                .is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Symbol) && token.text == *word)
        })
    }

    pub(super) fn sees_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.sees(&[word]))
    }

    pub(super) fn sees_kind(&self, ahead: usize, kind: Kind) -> bool {
        self.peek_at(ahead).is_some_and(|token| token.kind == kind)
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// Takes these words if they are next.
    pub(super) fn take(&mut self, words: &[&str]) -> bool {
        let found = self.sees(words);
        if found {
            self.at += words.len();
        }
        found
    }

    /// Where the next token begins.
    pub(super) fn start(&self) -> usize {
        self.peek().map_or(self.text.len(), |token| token.start)
    }

    /// From `start` to the end of what was taken last.
    pub(super) fn span_from(&self, start: usize) -> Span {
        let end = self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |token| token.span().end);
        Span::new(start, end.max(start))
    }

    // --- mistakes ----------------------------------------------------------------------------------------------------

    pub(super) fn report(&mut self, finding: Finding) {
        if !self.is_given_up {
            self.findings.push(finding);
        }
    }

    pub(super) fn finding(&self, code: Code, span: Span, message: impl Into<String>) -> Finding {
        Finding::new(code, self.locate.place(span), message)
    }

    /// Tells that something else was expected here. Always `None`, so that a caller can return it.
    pub(super) fn expected<T>(&mut self, what: &str) -> Option<T> {
        if self.is_given_up {
            return None;
        }
        let (found, span) = self.found();
        let mut finding = self.finding(Code::Syntax, span, format!("expected {what} but found {found}"));
        if let Some(help) = self.hint() {
            finding = finding.help(help);
        }
        self.report(finding);
        None
    }

    /// Tells of a word that is none of those that may stand here, with the nearest of them.
    pub(super) fn unknown_word<T>(&mut self, what: &str, known: &[&str]) -> Option<T> {
        let near = self.peek().filter(|token| token.kind == Kind::Word);
        let near = near.and_then(|token| Some((token, did_you_mean(token.text, known.iter().copied())?)));
        let Some((token, near)) = near else { return self.expected(what) };
        let place = self.locate.place(token.span());
        let finding = Finding::new(Code::Syntax, place, format!("expected {what} but found `{}`", token.text));
        self.report(finding.help(format!("did you mean `{near}`?")).fix(place, near));
        None
    }

    fn found(&self) -> (String, Span) {
        match self.peek() {
            None => {
                // Point just behind the last thing that is there, not at a line that follows.
                let end = self.tokens.last().map_or(0, |token| token.span().end);
                let width = self.text[end..].chars().next().map_or(0, char::len_utf8).min(1);
                ("the end of the rule".to_owned(), Span::new(end, end + width))
            }
            Some(token) if token.kind == Kind::OpenText => {
                ("a text without its closing quote".to_owned(), token.span())
            }
            Some(token) => (format!("`{}`", shorten(token.text)), token.span()),
        }
    }

    /// Help for the mistakes that people make most.
    fn hint(&self) -> Option<String> {
        let before = self.at.checked_sub(1).and_then(|last| self.tokens.get(last))?;
        let Some(here) = self.peek() else {
            let opened = self.tokens.iter().filter(|token| token.text == "(").count();
            let closed = self.tokens.iter().filter(|token| token.text == ")").count();
            return (opened > closed).then(|| "a closing parenthesis `)` is missing".to_owned());
        };
        match here.kind {
            Kind::OpenText => Some("close it with a double quote `\"` on the same line".to_owned()),
            Kind::Word | Kind::Number if before.text == "did" => {
                Some(format!("events stand in double quotes: `did \"{}\"`", here.text))
            }
            Kind::Unknown if matches!(here.text, "'" | "‘" | "’") => {
                Some("texts stand in double quotes".to_owned())
            }
            Kind::Unknown if matches!(here.text, "&" | "|") => Some("write `and` or `or`".to_owned()),
            _ => None,
        }
    }

    /// After a mistake in a condition: goes on before the next `and`, `or` or closing bracket that belongs to it.
    pub(super) fn skip_condition(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token.text {
                "(" | "{" => depth += 1,
                ")" | "}" if depth == 0 => return,
                ")" | "}" => depth -= 1,
                "and" | "or" if depth == 0 && token.kind == Kind::Word => return,
                _ => {}
            }
            self.advance();
        }
    }

    /// After a mistake in an entry of a block: goes on behind the next comma, or before the next `name:` or `}`.
    pub(super) fn skip_entry(&mut self, begins: impl Fn(&Self) -> bool) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token.text {
                "(" | "{" => depth += 1,
                "}" if depth == 0 => return,
                ")" | "}" => depth = depth.saturating_sub(1),
                "," if depth == 0 => return self.advance(),
                _ => {}
            }
            self.advance();
            if depth == 0 && begins(self) {
                return;
            }
        }
    }

    /// Reports what is left over, if reading went well up to here.
    pub(super) fn must_end(&mut self) {
        if self.findings.is_empty() && self.peek().is_some() {
            self.expected::<()>("the end of the rule");
        }
    }

    /// Runs `read` one level deeper; refuses where that would be too deep for anyone to read.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= RULE_DEPTH {
            let span = self.peek().map_or_else(|| self.found().1, |token| token.span());
            let finding = self.finding(Code::TooLarge, span, format!("this is nested more than {RULE_DEPTH} deep"));
            self.report(finding.help("give the inner conditions names of their own as segments, and refer to them"));
            self.is_given_up = true;
            self.at = self.tokens.len();
            return None;
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    // --- words -------------------------------------------------------------------------------------------------------

    pub(super) fn symbol(&mut self, symbol: &str) -> Option<()> {
        if self.take(&[symbol]) { Some(()) } else { self.expected(&format!("`{symbol}`")) }
    }

    pub(super) fn word(&mut self, word: &str) -> Option<()> {
        if self.take(&[word]) { Some(()) } else { self.unknown_word(&format!("`{word}`"), &[word]) }
    }

    pub(super) fn sees_name(&self) -> bool {
        self.peek().is_some_and(|token| match token.kind {
            Kind::Word => !RESERVED.contains(&token.text),
            Kind::Quoted => true,
            _ => false,
        })
    }

    /// A bare name, or anything between backticks.
    pub(super) fn name(&mut self, what: &str) -> Option<Word> {
        let Some(token) = self.peek().filter(|_| self.sees_name()) else {
            return if self.is_word_as_name() { self.word_as_name(what) } else { self.expected(what) };
        };
        self.advance();
        let text = if token.kind == Kind::Quoted { unquote(token.text) } else { token.text.to_owned() };
        Some(Word { text, span: token.span() })
    }

    /// Whether a word of the language stands where what follows shows that a name was meant.
    fn is_word_as_name(&self) -> bool {
        self.sees_kind(0, Kind::Word) && self.peek_at(1).is_some_and(|next| matches!(next.text, ":" | "="))
    }

    fn word_as_name<T>(&mut self, what: &str) -> Option<T> {
        let token = self.peek()?;
        let quoted = format!("`{}`", token.text);
        let finding = self.finding(Code::Syntax, token.span(), format!("expected {what} but found {quoted}"));
        let place = finding.place;
        let help = "it is a word of the language; as a name it stands between backticks";
        self.report(finding.help(help).fix(place, quoted));
        None
    }

    pub(super) fn sees_text(&self) -> bool {
        self.sees_kind(0, Kind::Text)
    }

    pub(super) fn text(&mut self, what: &str) -> Option<Word> {
        let Some(token) = self.peek().filter(|token| token.kind == Kind::Text) else { return self.expected(what) };
        self.advance();
        Some(Word { text: unquote(token.text), span: token.span() })
    }

    /// A title after a name.
    pub(super) fn title(&mut self) -> Option<String> {
        if self.sees_text() { self.text("a title").map(|word| word.text) } else { None }
    }

    pub(super) fn sees_number(&self) -> bool {
        self.sees_kind(0, Kind::Number) || (self.sees(&["-"]) && self.sees_kind(1, Kind::Number))
    }

    pub(super) fn number(&mut self) -> Option<(f64, Span)> {
        if !self.sees_number() {
            return self.expected("a number");
        }
        let start = self.start();
        let is_negative = self.take(&["-"]);
        let token = self.peek()?;
        let Some(number) = token.text.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite()) else {
            let finding = self.finding(Code::Syntax, token.span(), format!("`{}` is not a number", token.text));
            self.report(finding);
            return None;
        };
        self.advance();
        Some((if is_negative { -number } else { number }, self.span_from(start)))
    }

    /// A whole number that is not negative.
    pub(super) fn whole(&mut self, what: &str) -> Option<(u32, Span)> {
        let token = self.peek().filter(|token| token.kind == Kind::Number);
        let number = token.and_then(|token| Some((token.text.replace('_', "").parse().ok()?, token.span())));
        if number.is_none() {
            return self.expected(what);
        }
        self.advance();
        number
    }

    pub(super) fn sees_literal(&self) -> bool {
        self.sees_text() || self.sees_number() || self.sees_any(&["true", "false"])
    }

    pub(super) fn literal(&mut self) -> Option<Literal> {
        if self.sees_text() {
            let Word { text, span } = self.text("a text")?;
            return Some(Literal { value: Value::Text(text), span });
        }
        if self.sees_any(&["true", "false"]) {
            let token = self.peek()?;
            self.advance();
            return Some(Literal { value: Value::Bool(token.text == "true"), span: token.span() });
        }
        if self.sees_number() {
            let (number, span) = self.number()?;
            return Some(Literal { value: Value::Number(number), span });
        }
        if let Some(token) = self.peek().filter(|token| token.kind == Kind::Word) {
            let place = self.locate.place(token.span());
            let finding = Finding::new(
                Code::Syntax,
                place,
                format!(
                    "expected a value (a text in double quotes, a number, `true` or `false`) but found `{}`",
                    token.text
                ),
            );
            let finding = if RESERVED.contains(&token.text) {
                finding
            } else {
                let quoted = format!("\"{}\"", token.text);
                finding.help(format!("texts stand in double quotes: `{quoted}`")).fix(place, quoted)
            };
            self.report(finding);
            return None;
        }
        self.expected("a value (a text in double quotes, a number, `true` or `false`)")
    }

    /// `("a", "b")`.
    pub(super) fn literals(&mut self) -> Option<Vec<Literal>> {
        self.in_parentheses(Self::literal)
    }

    /// `(a, b)`.
    pub(super) fn names(&mut self, what: &str) -> Option<Vec<Word>> {
        self.in_parentheses(|cursor| cursor.name(what))
    }

    fn in_parentheses<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.symbol("(")?;
        let mut found = vec![read(self)?];
        while self.take(&[","]) {
            if self.sees(&[")"]) {
                break;
            }
            found.push(read(self)?);
        }
        if !self.take(&[")"]) {
            return self.expected("`,` or `)`");
        }
        Some(found)
    }
}

/// As much of a token as a message can hold.
fn shorten(text: &str) -> String {
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(40).collect();
    if characters.next().is_some() { format!("{head}…") } else { head }
}
