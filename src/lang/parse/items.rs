//! Declarations: what data comes, and what we hold.

use crate::finding::{Code, did_you_mean};
use crate::lang::syntax::*;

use super::ITEM_WORDS;
use super::cursor::Cursor;

const TYPE: &str = "a kind of value (`text`, `number`, `bool`, `date`, `time`, `money by …`, `list of …`)";
const TYPE_WORDS: &[&str] = &["text", "number", "bool", "date", "time", "money", "list"];

impl Cursor<'_> {
    pub(super) fn item(&mut self) -> Option<Item> {
        let token = self.peek()?;
        if !ITEM_WORDS.contains(&token.text) {
            return self.unknown_item();
        }
        self.advance();
        match token.text {
            "event" => self.event().map(Item::Event),
            "identity" => self.identity().map(Item::Identity),
            "trait" => self.trait_item().map(Item::Trait),
            "constant" => self.constant().map(Item::Constant),
            "compute" => self.compute().map(Item::Compute),
            "score" => self.score().map(Item::Score),
            "segment" => self.segment().map(Item::Segment),
            "list" => self.list().map(Item::List),
            "topic" => self.topic().map(Item::Topic),
            "purpose" => self.purpose().map(Item::Purpose),
            _ => self.audience().map(Item::Audience),
        }
    }

    fn unknown_item(&mut self) -> Option<Item> {
        let token = self.peek()?;
        let finding = self.finding(Code::Syntax, token.span(), format!("`{}` does not begin a rule", token.text));
        let place = finding.place;
        self.report(match did_you_mean(token.text, ITEM_WORDS.iter().copied()) {
            Some(word) => finding.help(format!("did you mean `{word}`?")).fix(place, word),
            None => finding.help(format!(
                "a rule begins with one of {} in the first column; lines that continue it are indented",
                ITEM_WORDS.join(", ")
            )),
        });
        None
    }

    // --- events ------------------------------------------------------------------------------------------------------

    fn event(&mut self) -> Option<EventItem> {
        let name = self.text("the event's name in double quotes")?;
        let strict = self.take(&["strict"]);
        if self.peek().is_none() {
            return Some(EventItem { name, strict, properties: Vec::new(), is_broken: false });
        }
        let (properties, is_broken) = self.object().unwrap_or((Vec::new(), true));
        Some(EventItem { name, strict, properties, is_broken })
    }

    /// `{ name: type, … }`; and whether some of it could not be read.
    fn object(&mut self) -> Option<(Vec<PropertyItem>, bool)> {
        self.deeper(|cursor| {
            cursor.symbol("{")?;
            let (mut properties, mut is_broken) = (Vec::new(), false);
            while !cursor.take(&["}"]) {
                if cursor.peek().is_none() {
                    cursor.expected::<()>("`}`");
                    return Some((properties, true));
                }
                match cursor.property() {
                    Some(property) => {
                        properties.push(property);
                        cursor.take(&[","]);
                    }
                    None => {
                        is_broken = true;
                        cursor.skip_entry(Self::sees_property);
                    }
                }
            }
            Some((properties, is_broken))
        })
    }

    fn sees_property(&self) -> bool {
        self.sees_name() && self.peek_at(1).is_some_and(|token| token.text == ":")
    }

    fn property(&mut self) -> Option<PropertyItem> {
        let name = self.name("a property such as `price: number`")?;
        self.symbol(":")?;
        let kind = self.value_type()?;
        let (mut required, mut one_of) = (false, None);
        while !self.sees_any(&[",", "}"]) && !self.sees_property() && self.peek().is_some() {
            if self.take(&["required"]) {
                required = true;
            } else if self.take(&["one", "of"]) {
                one_of = Some(self.literals()?);
            } else {
                return self.unknown_word("`,`, `required` or `one of (…)`", &["required", "one"]);
            }
        }
        Some(PropertyItem { name, kind, required, one_of })
    }

    fn value_type(&mut self) -> Option<TypeItem> {
        if self.sees(&["{"]) {
            return self.object().map(|(properties, _)| TypeItem::Object(properties));
        }
        if self.take(&["list"]) {
            self.word("of")?;
            return self.deeper(Self::value_type).map(|inner| TypeItem::List(Box::new(inner)));
        }
        if self.take(&["money"]) {
            self.word("by")?;
            return self.name("the property that holds the currency").map(TypeItem::Money);
        }
        let kind = match self.peek().map(|token| token.text) {
            Some("text") => TypeItem::Text,
            Some("number") => TypeItem::Number,
            Some("bool") => TypeItem::Bool,
            Some("date") => TypeItem::Date,
            Some("time") => TypeItem::Time,
            _ => return self.unknown_word(TYPE, TYPE_WORDS),
        };
        self.advance();
        Some(kind)
    }

    // --- traits ------------------------------------------------------------------------------------------------------

    fn trait_item(&mut self) -> Option<TraitItem> {
        let name = self.name("the trait's name")?;
        self.symbol(":")?;
        let kind = self.value_type()?;
        let mut item = TraitItem { name, kind, one_of: None, clean: Vec::new(), pii: None };
        while self.peek().is_some() {
            if self.take(&["one", "of"]) {
                item.one_of = Some(self.literals()?);
            } else if self.take(&["clean"]) {
                item.clean = self.cleaners()?;
            } else if self.take(&["pii"]) {
                let channels = if self.take(&["for"]) { Some(self.names("a channel")?) } else { None };
                item.pii = Some(PiiItem { channels });
            } else {
                return self.unknown_word("`one of (…)`, `clean (…)` or `pii`", &["one", "clean", "pii"]);
            }
        }
        Some(item)
    }

    fn cleaners(&mut self) -> Option<Vec<(Word, Option<Word>)>> {
        self.symbol("(")?;
        let mut found = Vec::new();
        loop {
            let name = self.name("a way of cleaning such as `trim`")?;
            let mut argument = None;
            if self.take(&["("]) {
                let what = "`default_country` or a country";
                argument = Some(if self.sees_text() { self.text(what)? } else { self.name(what)? });
                self.symbol(")")?;
            }
            found.push((name, argument));
            if !self.take(&[","]) {
                break;
            }
        }
        self.symbol(")")?;
        Some(found)
    }

    fn segment(&mut self) -> Option<SegmentItem> {
        let name = self.name("the segment's name")?;
        let title = self.title();
        let start = self.start();
        if !self.take(&["="]) {
            self.expected::<()>("`=`");
            return Some(SegmentItem {
                name,
                title,
                rule: Expr { kind: ExprKind::Broken, span: self.span_from(start) },
            });
        }
        let rule = self.chain();
        Some(SegmentItem { name, title, rule })
    }
}
