//! Declarations of who people are, what they agree to, and where sets are mirrored.

use crate::lang::syntax::*;

use super::cursor::Cursor;

impl Cursor<'_> {
    /// `identity { user_id limit 1 … }`.
    pub(super) fn identity(&mut self) -> Option<Vec<IdentifierItem>> {
        self.symbol("{")?;
        let mut found = Vec::new();
        while !self.take(&["}"]) {
            if self.peek().is_none() {
                return self.expected("`}`");
            }
            match self.identifier() {
                Some(identifier) => found.push(identifier),
                None => {
                    self.skip_entry(|cursor| cursor.sees_name() && cursor.peek_at(1).is_some_and(|t| t.text == "limit"))
                }
            }
        }
        Some(found)
    }

    /// `email limit 3, ignore ("test@example.com")`.
    fn identifier(&mut self) -> Option<IdentifierItem> {
        let name = self.name("an identifier such as `email`")?;
        let mut item = IdentifierItem { name, limit: None, ignore: Vec::new() };
        loop {
            if self.take(&["limit"]) {
                item.limit = Some(self.number()?);
            } else if self.take(&["ignore"]) {
                item.ignore = self.literals()?;
            } else {
                break;
            }
            self.take(&[","]);
        }
        if item.limit.is_none() && item.ignore.is_empty() && !self.sees_name() && !self.sees(&["}"]) {
            return self.expected("`limit` and a number, or `ignore (…)`");
        }
        Some(item)
    }

    /// `list NAME "Title" from "lists/x.csv" by email`.
    pub(super) fn list(&mut self) -> Option<ListItem> {
        let name = self.name("the list's name")?;
        let title = self.title();
        self.word("from")?;
        let file = self.text("the file's path in double quotes, such as `\"lists/may.csv\"`")?;
        self.word("by")?;
        let by = self.name("the trait that identifies people in the file, such as `email`")?;
        Some(ListItem { name, title, file, by })
    }

    /// `topic NAME "Title" channels email, sms marketing opt_in`.
    pub(super) fn topic(&mut self) -> Option<TopicItem> {
        let name = self.name("the topic's name")?;
        let title = self.title();
        self.word("channels")?;
        let mut channels = vec![self.name("a channel such as `email`")?];
        while self.take(&[","]) {
            channels.push(self.name("a channel such as `email`")?);
        }
        let is_marketing = self.take(&["marketing"]);
        if !is_marketing && !self.take(&["transactional"]) {
            return self.unknown_word("`marketing` or `transactional`", &["marketing", "transactional"]);
        }
        let opt_in = self.peek().map(|token| token.span()).filter(|_| self.take(&["opt_in"]));
        Some(TopicItem { name, title, channels, is_marketing, opt_in })
    }

    pub(super) fn purpose(&mut self) -> Option<PurposeItem> {
        let name = self.name("the purpose's name")?;
        let title = self.title();
        let opt_in = self.take(&["opt_in"]);
        Some(PurposeItem { name, title, opt_in })
    }

    /// `audience_sync NAME = members of SEGMENT to CHANNEL using (email) purpose ads`, or `manual to …`.
    pub(super) fn audience(&mut self) -> Option<AudienceItem> {
        let name = self.name("the audience's name")?;
        let segment = if self.take(&["manual"]) {
            None
        } else if self.take(&["=", "members", "of"]) {
            Some(self.name("the segment's name")?)
        } else {
            return self.expected("`= members of …` or `manual`");
        };
        self.word("to")?;
        let destination = self.name("a channel of `tidewater.yaml`")?;
        self.word("using")?;
        let using = self.names("a trait that identifies people")?;
        let purpose = if self.take(&["purpose"]) { Some(self.name("the purpose's name")?) } else { None };
        Some(AudienceItem { name, segment, destination, using, purpose })
    }
}
