//! Values of labels: fixed sets, never text from outside.

use std::marker::PhantomData;

use crate::protocol::command::Invalid;

/// A label whose values are known beforehand.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value; each stands at the place that its number in [`Self::place`] says.
    const ALL: &'static [Self];
    /// The value as text.
    fn text(self) -> &'static str;
    /// The value's place in [`Self::ALL`].
    fn place(self) -> usize;
}

/// One metric per value of a label.
#[derive(Debug, Clone)]
pub struct Family<L, M> {
    metrics: Vec<M>,
    label: PhantomData<L>,
}

impl<L: Label, M> Family<L, M> {
    /// Makes the metric of each value.
    pub fn new(make: impl FnMut(L) -> M) -> Self {
        Self { metrics: L::ALL.iter().copied().map(make).collect(), label: PhantomData }
    }

    /// The metric of a value.
    #[must_use]
    pub fn of(&self, value: L) -> &M {
        &self.metrics[value.place()]
    }
}

/// Declares an enum that is a label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $label:literal, $($(#[$value_doc:meta])* $value:ident = $text:literal,)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn text(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// What a client's line was.
    Kind, "kind",
    /// A valid IAMAT.
    Iamat = "iamat",
    /// A valid WHATSAT about a client that is known.
    Whatsat = "whatsat",
    /// Anything else.
    Invalid = "invalid",
}

label! {
    /// Why a client connection was closed.
    Closed, "reason",
    /// The client was done.
    Client = "client",
    /// The connection broke.
    Error = "error",
    /// A line stayed unfinished for too long.
    UnfinishedLine = "unfinished_line",
    /// Replies stayed unread for too long.
    UnreadReplies = "unread_replies",
    /// `--close-after-reply`.
    AfterReply = "after_reply",
    /// The server stopped.
    Shutdown = "shutdown",
    /// The task that served it panicked; that is a defect.
    Panic = "panic",
}

label! {
    /// Why a client connection was refused.
    Rejected, "reason",
    /// As many as may be are open.
    Limit = "limit",
    /// As many as may be are open from its address.
    Address = "address",
}

label! {
    /// Whose quota of questions to Places was used up.
    QuotaScope, "scope",
    /// The connection's own.
    Connection = "connection",
    /// The one that all connections share.
    Total = "total",
}

label! {
    /// What became of a neighbour's update.
    Received, "outcome",
    /// It was newer than what was known.
    Fresh = "fresh",
    /// It was not.
    Stale = "stale",
    /// It was not a valid AT line.
    Invalid = "invalid",
}

label! {
    /// What became of a request to Places.
    PlacesOutcome, "outcome",
    /// A JSON object came with a code of success.
    Ok = "ok",
    /// Another code below 500, except 429.
    ClientError = "client_error",
    /// Code 429.
    Throttled = "throttled",
    /// A code from 500 up.
    ServerError = "server_error",
    /// No connection, or it broke before the answer was whole.
    Transport = "transport",
    /// The deadline passed.
    Timeout = "timeout",
    /// The body was too large.
    TooLarge = "too_large",
    /// The body was not a JSON object.
    NotJson = "not_json",
}

impl Label for Invalid {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.label()
    }

    fn place(self) -> usize {
        self as usize
    }
}
