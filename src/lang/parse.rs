//! Text to tree, by pest. A file is cut into items first, so that each mistake shows once and hides nothing.

use pest::Parser;
use pest::iterators::Pair;

use crate::finding::{Code, Finding, Locate, Span};
use crate::model::Value;
use crate::model::limit::{RULE_DEPTH, SOURCE_BYTES};

use super::duration::unit_span;
use super::expected;
use super::rules::Operator;
use super::syntax::*;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/rules.pest"]
pub(super) struct RuleParser;

/// Words that begin an item, in the first column of a line.
pub(super) const ITEM_WORDS: &[&str] = &["event", "trait", "compute", "segment", "topic", "purpose", "audience_sync"];
/// Words that begin an item of the language that is not carried out yet.
pub(super) const LATER_ITEM_WORDS: &[&str] = &["identity", "score", "list", "constant", "let"];

/// A stretch of a file that holds one item, with what it seems to declare should it not parse.
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

/// Cuts a file into pieces. What stands before the first item (but comments and blank lines) is a piece too.
pub(super) fn cut(text: &str) -> Vec<Piece<'_>> {
    let mut starts = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let begins_with_letter = line.starts_with(|first: char| first.is_alphabetic() || first == '_');
        if begins_with_letter {
            starts.push(line_start);
        }
        line_start += line.len();
    }
    let first = starts.first().copied().unwrap_or(text.len());
    let head = &text[..first];
    let mut pieces = Vec::new();
    if head.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        pieces.push(Piece { text: head, start: 0 });
    }
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(text.len());
        pieces.push(Piece { text: &text[*start..end], start: *start });
    }
    pieces
}

/// Reads one item. `locate` maps bytes of the piece.
pub(super) fn parse_item(text: &str, locate: &dyn Locate) -> Result<Item, Finding> {
    guard(text, locate)?;
    let mut pairs = RuleParser::parse(Rule::item, text).map_err(|error| expected::finding(&error, text, locate))?;
    let item = pairs.next().and_then(|pair| pair.into_inner().next());
    item.and_then(read_item).ok_or_else(|| unreadable(text, locate))
}

/// Reads a rule that stands alone.
pub(super) fn parse_rule(text: &str, locate: &dyn Locate) -> Result<Expr, Finding> {
    guard(text, locate)?;
    let mut pairs =
        RuleParser::parse(Rule::lone_rule, text).map_err(|error| expected::finding(&error, text, locate))?;
    let chain = pairs.next().and_then(|pair| pair.into_inner().next());
    chain.and_then(read_chain).ok_or_else(|| unreadable(text, locate))
}

fn unreadable(text: &str, locate: &dyn Locate) -> Finding {
    Finding::new(Code::Syntax, locate.place(Span::new(0, text.len())), "this cannot be read")
}

/// Keeps texts away from the parser that would exhaust it.
fn guard(text: &str, locate: &dyn Locate) -> Result<(), Finding> {
    if text.len() > SOURCE_BYTES {
        let message = format!("this is {} bytes long; at most {SOURCE_BYTES} are read", text.len());
        return Err(Finding::new(Code::TooLarge, locate.place(Span::new(0, 0)), message));
    }
    let (mut depth, mut nots) = (0_usize, 0_usize);
    let mut word_start = None;
    for (position, character) in text.char_indices() {
        match character {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if character.is_alphanumeric() || character == '_' {
            word_start.get_or_insert(position);
        } else if let Some(start) = word_start.take() {
            match &text[start..position] {
                "not" | "of" => nots += 1,
                _ => nots = 0,
            }
        }
        if depth > RULE_DEPTH || nots > RULE_DEPTH {
            let place = locate.place(Span::new(position, position + character.len_utf8()));
            let message = format!("this is nested more than {RULE_DEPTH} deep");
            let help = "give the inner conditions names of their own as segments, and refer to them";
            return Err(Finding::new(Code::TooLarge, place, message).help(help));
        }
    }
    Ok(())
}

fn span_of(pair: &Pair<'_, Rule>) -> Span {
    let span = pair.as_span();
    // pest takes the white space before a missing optional part into a rule; people do not.
    let trimmed = span.as_str().trim_end();
    Span::new(span.start(), span.start() + trimmed.len())
}

fn word(pair: Pair<'_, Rule>) -> Option<Word> {
    let span = span_of(&pair);
    let inner = pair.into_inner().next()?;
    let text = match inner.as_rule() {
        Rule::straight_inner => unescape(inner.as_str()),
        _ => inner.as_str().to_owned(),
    };
    Some(Word { text, span })
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

fn words(pair: Pair<'_, Rule>) -> Vec<Word> {
    pair.into_inner().filter_map(word).collect()
}

fn literal(pair: Pair<'_, Rule>) -> Option<Literal> {
    let span = span_of(&pair);
    let inner = pair.into_inner().next()?;
    let value = match inner.as_rule() {
        Rule::string => Value::Text(word(inner)?.text),
        Rule::number => Value::from(inner.as_str().replace('_', "").parse::<f64>().ok()?),
        _ => Value::Bool(inner.as_str() == "true"),
    };
    Some(Literal { value, span })
}

fn read_item(pair: Pair<'_, Rule>) -> Option<Item> {
    let rule = pair.as_rule();
    let mut parts = pair.into_inner();
    let name = word(parts.next()?)?;
    let rest: Vec<_> = parts.collect();
    let title = rest.iter().find(|part| part.as_rule() == Rule::string).cloned().and_then(word).map(|word| word.text);
    let has = |wanted: Rule| rest.iter().any(|part| part.as_rule() == wanted);
    Some(match rule {
        Rule::event_item => Item::Event(EventItem {
            name,
            strict: has(Rule::strict),
            properties: rest.into_iter().filter_map(property).collect(),
        }),
        Rule::trait_item => trait_item(name, rest)?,
        Rule::compute_item => compute_item(name, rest.into_iter().next()?)?,
        Rule::segment_item => Item::Segment(SegmentItem { name, title, rule: read_chain(rest.into_iter().last()?)? }),
        Rule::topic_item => Item::Topic(TopicItem {
            name,
            title,
            is_marketing: rest.iter().any(|part| part.as_rule() == Rule::class && part.as_str().trim() == "marketing"),
            opt_in: rest.iter().find(|part| part.as_rule() == Rule::opt_in).map(span_of),
            channels: rest.into_iter().filter(|part| part.as_rule() == Rule::name).filter_map(word).collect(),
        }),
        Rule::purpose_item => Item::Purpose(PurposeItem { name, title, opt_in: has(Rule::opt_in) }),
        Rule::audience_item => audience_item(name, rest)?,
        _ => return None,
    })
}

fn property(pair: Pair<'_, Rule>) -> Option<PropertyItem> {
    if pair.as_rule() != Rule::property {
        return None;
    }
    let mut parts = pair.into_inner();
    let name = word(parts.next()?)?;
    let kind = value_type(parts.next()?)?;
    let (mut required, mut one_of) = (false, None);
    for part in parts {
        match part.as_rule() {
            Rule::required => required = true,
            _ => one_of = Some(part.into_inner().filter_map(literal).collect()),
        }
    }
    Some(PropertyItem { name, kind, required, one_of })
}

fn value_type(pair: Pair<'_, Rule>) -> Option<TypeItem> {
    let inner = pair.into_inner().next()?;
    Some(match inner.as_rule() {
        Rule::plain_type => match inner.as_str().trim() {
            "text" => TypeItem::Text,
            "number" => TypeItem::Number,
            "bool" => TypeItem::Bool,
            "date" => TypeItem::Date,
            _ => TypeItem::Time,
        },
        Rule::money_type => TypeItem::Money(word(inner.into_inner().next()?)?),
        Rule::list_type => TypeItem::List(Box::new(value_type(inner.into_inner().next()?)?)),
        _ => TypeItem::Object(inner.into_inner().filter_map(property).collect()),
    })
}

fn trait_item(name: Word, rest: Vec<Pair<'_, Rule>>) -> Option<Item> {
    let mut parts = rest.into_iter();
    let kind = value_type(parts.next()?)?;
    let mut item = TraitItem { name, kind, one_of: None, clean: Vec::new(), pii: false };
    for part in parts {
        match part.as_rule() {
            Rule::one_of => item.one_of = Some(part.into_inner().filter_map(literal).collect()),
            Rule::pii => item.pii = true,
            _ => {
                for cleaner in part.into_inner() {
                    let mut words = words(cleaner).into_iter();
                    item.clean.push((words.next()?, words.next()));
                }
            }
        }
    }
    Some(Item::Trait(item))
}

fn compute_item(name: Word, pair: Pair<'_, Rule>) -> Option<Item> {
    let mut parts = pair.into_inner();
    let head = parts.next()?;
    let kind = head.as_rule();
    let inner: Vec<_> = head.into_inner().collect();
    let selector = selector(inner.last()?.clone())?;
    let aggregate = match kind {
        Rule::count_of => AggregateItem::Count,
        Rule::sum_of => AggregateItem::Sum {
            property: word(inner.first()?.clone())?,
            currency: inner
                .iter()
                .find(|part| part.as_rule() == Rule::as_currency)
                .and_then(|part| word(part.clone().into_inner().next()?)),
        },
        _ => AggregateItem::Latest { property: word(inner.first()?.clone())? },
    };
    let (mut filter, mut window) = (None, None);
    for part in parts {
        match part.as_rule() {
            Rule::where_clause => filter = Some(where_clause(part)?),
            _ => window = Some(in_last(part)?),
        }
    }
    Some(Item::Compute(ComputeItem { name, aggregate, selector, filter, window }))
}

fn audience_item(name: Word, rest: Vec<Pair<'_, Rule>>) -> Option<Item> {
    let mut item = AudienceItem {
        name,
        segment: None,
        destination: Word { text: String::new(), span: Span::default() },
        using: Vec::new(),
        purpose: None,
    };
    for part in rest {
        match part.as_rule() {
            Rule::members => item.segment = Some(word(part.into_inner().next()?)?),
            Rule::using => item.using = words(part),
            Rule::for_purpose => item.purpose = Some(word(part.into_inner().next()?)?),
            Rule::name => item.destination = word(part)?,
            _ => {}
        }
    }
    Some(Item::Audience(item))
}

fn read_chain(pair: Pair<'_, Rule>) -> Option<Expr> {
    let span = span_of(&pair);
    let (mut parts, mut joints) = (Vec::new(), Vec::new());
    for part in pair.into_inner() {
        match part.as_rule() {
            Rule::and => joints.push(Joint::And),
            Rule::or => joints.push(Joint::Or),
            _ => parts.push(condition(part)?),
        }
    }
    if parts.len() == 1 { parts.pop() } else { Some(Expr { kind: ExprKind::Chain { parts, joints }, span }) }
}

fn condition(pair: Pair<'_, Rule>) -> Option<Expr> {
    let inner = if pair.as_rule() == Rule::condition { pair.into_inner().next()? } else { pair };
    let span = span_of(&inner);
    let kind = match inner.as_rule() {
        Rule::negated => {
            let mut parts = inner.into_inner();
            let not = span_of(&parts.next()?);
            ExprKind::Not { inner: Box::new(condition(parts.next()?)?), not }
        }
        Rule::group => ExprKind::Group(Box::new(read_chain(inner.into_inner().next()?)?)),
        Rule::in_segment => ExprKind::InSegment(word(inner.into_inner().next_back()?)?),
        Rule::did_rule => ExprKind::Did(Box::new(did_rule(inner)?)),
        _ => {
            let mut parts = inner.into_inner();
            let subject = word(parts.next()?)?;
            let test = parts.next().map_or(Some(Test::Truth), read_test)?;
            ExprKind::Test { subject, test }
        }
    };
    Some(Expr { kind, span })
}

fn selector(pair: Pair<'_, Rule>) -> Option<SelectorItem> {
    let inner = pair.into_inner().next()?;
    Some(match inner.as_rule() {
        Rule::any_activity => SelectorItem::AnyActivity,
        _ => SelectorItem::Event(word(inner)?),
    })
}

fn where_clause(pair: Pair<'_, Rule>) -> Option<Expr> {
    condition(pair.into_inner().next()?)
}

fn in_last(pair: Pair<'_, Rule>) -> Option<DurationItem> {
    let inner = pair.into_inner().next_back()?;
    let span = span_of(&inner);
    let (number, unit) = match inner.as_rule() {
        Rule::unit => (Some(1), inner.as_str().trim().to_owned()),
        _ => {
            let mut parts = inner.into_inner();
            let number = parts.next()?.as_str().trim().parse::<i64>().ok();
            (number, parts.next()?.as_str().trim().to_owned())
        }
    };
    let length = number.zip(unit_span(&unit)).map(|(number, unit)| unit.times(number));
    Some(DurationItem { length, span })
}

fn did_rule(pair: Pair<'_, Rule>) -> Option<DidExpr> {
    let mut parts = pair.into_inner().skip(1).peekable();
    let negated = parts.next_if(|part| part.as_rule() == Rule::not).is_some();
    let selector_item = selector(parts.next()?)?;
    let mut did = DidExpr { negated, selector: selector_item, filter: None, at_least: None, window: None, since: None };
    for part in parts {
        let span = span_of(&part);
        match part.as_rule() {
            Rule::where_clause => did.filter = Some(where_clause(part)?),
            Rule::at_least => {
                let twice = part.as_str().contains("twice");
                let times = match part.into_inner().next() {
                    Some(number) => number.as_str().trim().parse().unwrap_or(u32::MAX),
                    None => 1 + u32::from(twice),
                };
                did.at_least = Some((times, span));
            }
            Rule::in_last => did.window = Some(in_last(part)?),
            Rule::since_entry => did.since = Some((SinceItem::Entry, span)),
            _ => did.since = Some((SinceItem::Last(selector(part.into_inner().next()?)?), span)),
        }
    }
    Some(did)
}

fn read_test(pair: Pair<'_, Rule>) -> Option<Test> {
    let test = pair.into_inner().next()?;
    let rule = test.as_rule();
    let compare = |operator, pair: Pair<'_, Rule>| {
        let value = literal(pair.into_inner().next_back()?)?;
        Some(Test::Compare { operator, value })
    };
    match rule {
        Rule::is_test => {
            let inner = test.into_inner().next_back()?;
            match inner.as_rule() {
                Rule::is_set => Some(Test::IsSet),
                Rule::is_missing => Some(Test::IsMissing),
                Rule::is_not => compare(Operator::IsNot, inner),
                Rule::is_any_case => compare(Operator::IsAnyCase, inner),
                _ => Some(Test::Compare { operator: Operator::Is, value: literal(inner)? }),
            }
        }
        Rule::in_test => {
            let negated = test.clone().into_inner().any(|part| part.as_rule() == Rule::not);
            let literals = test.into_inner().filter(|part| part.as_rule() == Rule::literal);
            Some(Test::OneOf { values: literals.filter_map(literal).collect(), negated })
        }
        Rule::contains => compare(Operator::Contains, test),
        Rule::starts => compare(Operator::StartsWith, test),
        Rule::ends => compare(Operator::EndsWith, test),
        _ => {
            let symbol = test.clone().into_inner().next()?;
            let operator = match symbol.as_str() {
                "<" => Operator::Less,
                "<=" => Operator::LessOrEqual,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterOrEqual,
                "!=" => Operator::IsNot,
                _ => Operator::Is,
            };
            compare(operator, test)
        }
    }
}
