//! The registry of all finding codes. A number is given once and never used again.
//!
//! Ranges: `TW0xx` files and syntax, `TW1xx` names, `TW2xx` types and meaning of rules, `TW3xx` journeys,
//! `TW4xx` messages, templates and consent, `TW5xx` `tidewater.yaml`, `TW6xx` scenarios, `TW7xx` what data tells,
//! `TW8xx` comments that silence findings.
//! Each code has a page `docs/findings/TWnnn.md`, which `tidewater lint --explain` prints.

use std::fmt;

use serde::{Serialize, Serializer};

/// How bad a finding is. A workspace with an error does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

macro_rules! codes {
    ($($number:ident $name:ident $severity:ident $summary:literal;)*) => {
        /// A kind of finding, named for the mistake that it shows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $summary] $name,)*
        }

        impl Code {
            /// All codes, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code, such as `TW001`.
            #[must_use]
            pub fn number(self) -> &'static str {
                match self { $(Self::$name => stringify!($number),)* }
            }

            /// The severity that the code has unless the workspace says otherwise.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// One line on what is wrong.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$name => $summary,)* }
            }

            /// The page that explains it, in Markdown.
            #[must_use]
            pub fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../../docs/findings/", stringify!($number), ".md")),)*
                }
            }
        }
    };
}

codes! {
    TW001 Syntax Error "a line is not a rule, or breaks off";
    TW002 UnreadableFile Error "a file cannot be read as text";
    TW003 YamlSyntax Error "a file is not valid YAML";
    TW004 UnknownKey Error "a YAML key that means nothing here";
    TW005 MissingKey Error "a YAML key that must be there is missing";
    TW006 WrongShape Error "a YAML value of another form than is expected";
    TW007 TooLarge Error "a file or a rule is larger or deeper than is allowed";
    TW008 YamlBrokeRule Error "YAML cut a rule that holds `: ` or ` #`";
    TW009 NotYet Error "a construct of the language that this version does not carry out yet";
    TW101 UnknownEvent Error "an event that nothing declares";
    TW102 UnknownTrait Error "a trait or compute that nothing declares";
    TW103 UnknownSegment Error "a segment that nothing declares";
    TW104 UnknownProperty Error "a property that the event's declaration does not name";
    TW105 DuplicateName Error "two declarations of one name";
    TW106 UnknownTopic Error "a topic or purpose that nothing declares";
    TW107 UnknownChannel Error "a channel or destination that `tidewater.yaml` does not name";
    TW108 UnknownAudience Error "an audience sync that nothing declares";
    TW109 UnknownCleaner Error "a way of cleaning that does not exist";
    TW110 UnknownJourney Error "a journey that the workspace does not have";
    TW111 UnknownList Error "a list that nothing declares";
    TW112 UnknownConstant Error "a constant that nothing declares";
    TW201 TypeMismatch Error "a value compared with one of another type";
    TW202 NotOneOf Error "a value outside the declared `one of` list";
    TW203 AndOrMixed Error "`and` mixed with `or` without parentheses";
    TW204 SegmentCycle Error "segments that refer to each other in a circle";
    TW205 NotBeforeComparison Error "`not` directly before a comparison";
    TW206 BadDuration Error "a length of time that is none, or that cannot be used here";
    TW207 MixedCurrencies Error "amounts of several currencies added as they are";
    TW208 OnlyNegatives Warning "a segment made of negatives only, which also holds people who never did anything";
    TW209 UnusedSegment Note "a segment that nothing uses";
    TW210 Contradiction Warning "conditions that can never hold together";
    TW211 Tautology Warning "a condition that always holds";
    TW212 SameMeaning Note "two segments that mean the same";
    TW213 LeavesOutMissing Note "`is not` that leaves out people for whom the value is missing";
    TW214 UnusedCompute Note "a compute that nothing uses";
    TW215 BeyondRetention Warning "a window that looks further back than events are kept";
    TW216 UnusedDeclaration Note "a topic, purpose, list or audience that nothing uses";
    TW217 NotFollowed Note "a declaration that is checked and not followed yet";
    TW230 BadPattern Error "a pattern that cannot be used";
    TW301 UnknownStep Error "a step that the journey does not have";
    TW302 SharesNotWhole Error "the shares of a split do not add up to 100%";
    TW303 UnreachableStep Warning "a step that no run can come to";
    TW304 BadSchedule Error "a schedule that cannot be read, or that never comes up";
    TW305 EndlessRestarts Warning "a journey that can start again without limit";
    TW306 SinceEntryOutside Error "`since entry` or `entry.` outside a journey";
    TW307 UntakenBranch Warning "an arm of a branch that no run takes";
    TW308 WholeSegmentEnters Warning "a launch that takes in everyone who is in the segment already";
    TW309 JourneyCircle Warning "journeys that start each other again without limit";
    TW310 UnguardedMessage Warning "a message after a wait that also goes to who did meanwhile what it asks for";
    TW311 EventNeverComes Warning "an event of Tidewater's own that a journey counts on and that cannot come";
    TW401 MissingTemplate Error "a template that is not in `templates/`";
    TW402 TemplateSyntax Error "a template that cannot be read";
    TW403 UnknownVariable Warning "a template uses a variable that no trait gives";
    TW404 EmailWithoutTopic Error "an e-mail in a journey without a topic";
    TW405 TopicNotOnChannel Error "a topic that is not sent on this channel";
    TW406 NoUnsubscribeLink Warning "marketing mail whose body has no unsubscribe link";
    TW407 PersonalData Warning "personal data that goes where its declaration does not allow it";
    TW501 BadConfig Error "a value of `tidewater.yaml` that cannot be used";
    TW502 MissingVariable Error "an environment variable that is not set";
    TW601 BadScenario Error "a scenario that cannot be carried out";
    TW701 ValueNeverSeen Warning "a value that a rule asks for and that data never had";
    TW702 EventNeverCame Warning "an event that a rule reads and that never came";
    TW703 EventStopped Warning "an event that a rule reads and that comes no more";
    TW704 EmptySegment Warning "a segment that nobody was ever in";
    TW705 EverybodyIn Warning "a segment that everybody is in";
    TW706 EmptiedSegment Note "a segment that nobody is in now";
    TW801 SilencedWithoutReason Warning "a comment that silences without a reason, or cannot be read";
    TW802 CannotSilence Warning "a comment that names a code that cannot be silenced";
    TW803 SilencesNothing Warning "a comment that silences nothing";
}

impl Code {
    /// The code of this number, written in any case.
    #[must_use]
    pub fn find(number: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number().eq_ignore_ascii_case(number))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.number())
    }
}
