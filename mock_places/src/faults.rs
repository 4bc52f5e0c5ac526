//! Which requests fail, and how.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::draw::{Draw, Purpose};
use crate::share::{Share, ShareError};

const TOO_MANY_REQUESTS: u16 = 429;
const SERVER_ERRORS: RangeInclusive<u16> = 500..=599;
/// How late an answer is by a `slow` that names no duration.
const DEFAULT_SLOW: Duration = Duration::from_secs(5);
/// The longest `slow`.
const MAX_SLOW: Duration = Duration::from_secs(600);

/// One way in which a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An HTTP status: 429 with a JSON object whose status is `OVER_QUERY_LIMIT`, or 500 to 599
    /// with a page of HTML.
    Status(u16),
    /// The body ends, and the connection with it, before the announced length is reached.
    Cut,
    /// HTTP 200 with a body that is not JSON: HTML, half of a JSON text, or bytes that are no text.
    Garbage,
    /// The right answer, later by this much.
    Slow(Duration),
}

/// A mix of faults, each with its share of the requests.
///
/// Text form: `none`, or `KIND:SHARE` separated by commas, such as
/// `500:2%,429:1%,cut:0.5%,garbage:0.5%,slow=5s:1%`. Kinds are 429, 500 to 599, `cut`, `garbage`,
/// `slow` (5 s) and `slow=DURATION`; each at most once, all shares at most 100 %.
///
/// Whether a request fails follows from the seed and the request's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    mix: Vec<(Fault, Share)>,
}

/// Why a text is not a mix of [`Faults`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultsError {
    /// A part lacks its share.
    #[error("`{0}` is not a fault with its share: write KIND:SHARE, such as 500:2%")]
    Form(String),
    /// There is no such kind.
    #[error("`{0}` is not a kind of fault: use 429, 500 to 599, cut, garbage, slow or slow=5s (at most 10m)")]
    Kind(String),
    /// A share is not one.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A kind is named again.
    #[error("`{0}` is there twice: give each kind of fault one share")]
    Twice(String),
    /// More than all requests would fail.
    #[error("`{0}` adds up to more than 100%: lower some of the shares")]
    Total(String),
}

impl Faults {
    /// How a request fails, if it does, with the sequence that decides the details.
    pub(crate) fn draw(&self, seed: u64, request: u64) -> Option<(Fault, Draw)> {
        let mut draw = Draw::new(seed, Purpose::Fault, &[request]);
        let mut rest = draw.below(Share::WHOLE);
        for (fault, share) in &self.mix {
            if rest < share.millionths() {
                return Some((*fault, draw));
            }
            rest -= share.millionths();
        }
        None
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut mix: Vec<(Fault, Share)> = Vec::new();
        if text == "none" {
            return Ok(Self { mix });
        }
        for part in text.split(',') {
            let (kind, share) = part.split_once(':').ok_or_else(|| FaultsError::Form(part.to_owned()))?;
            let (fault, share) = (kind.parse::<Fault>()?, share.parse()?);
            if mix.iter().any(|(other, _)| other.is_same_kind(fault)) {
                return Err(FaultsError::Twice(kind.to_owned()));
            }
            mix.push((fault, share));
        }
        let total: u32 = mix.iter().map(|(_, share)| share.millionths()).sum();
        if total > Share::WHOLE {
            return Err(FaultsError::Total(text.to_owned()));
        }
        Ok(Self { mix })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mix.is_empty() {
            return formatter.write_str("none");
        }
        for (index, (fault, share)) in self.mix.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(formatter, "{separator}{fault}:{share}")?;
        }
        Ok(())
    }
}

impl Fault {
    fn is_same_kind(self, other: Self) -> bool {
        self == other || matches!((self, other), (Self::Slow(_), Self::Slow(_)))
    }
}

impl FromStr for Fault {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = match text {
            "cut" => Some(Self::Cut),
            "garbage" => Some(Self::Garbage),
            "slow" => Some(Self::Slow(DEFAULT_SLOW)),
            _ => match text.strip_prefix("slow=") {
                Some(delay) => humantime::parse_duration(delay).ok().filter(|delay| *delay <= MAX_SLOW).map(Self::Slow),
                None => text
                    .parse()
                    .ok()
                    .filter(|code| *code == TOO_MANY_REQUESTS || SERVER_ERRORS.contains(code))
                    .map(Self::Status),
            },
        };
        fault.ok_or_else(|| FaultsError::Kind(text.to_owned()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(formatter, "{code}"),
            Self::Cut => formatter.write_str("cut"),
            Self::Garbage => formatter.write_str("garbage"),
            Self::Slow(delay) => write!(formatter, "slow={}", humantime::format_duration(*delay)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Fault, Faults};

    const ALL: &str = "500:2%,429:1%,cut:0.5%,garbage:0.5%,slow=2s:1%";

    fn faults(text: &str) -> Faults {
        text.parse().expect("faults")
    }

    #[test]
    fn a_mix_is_read_and_printed() {
        for text in ["none", ALL, "503:100%", "slow=10ms:0.0001%"] {
            assert_eq!(faults(text).to_string(), text);
        }
        assert_eq!(faults("slow:1%").to_string(), "slow=5s:1%");
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_is_allowed() {
        let error = |text: &str| text.parse::<Faults>().expect_err(text).to_string();
        insta::assert_snapshot!(error("500"), @"`500` is not a fault with its share: write KIND:SHARE, such as 500:2%");
        insta::assert_snapshot!(error("500:2%,"), @"`` is not a fault with its share: write KIND:SHARE, such as 500:2%");
        insta::assert_snapshot!(error("404:2%"), @"`404` is not a kind of fault: use 429, 500 to 599, cut, garbage, slow or slow=5s (at most 10m)");
        insta::assert_snapshot!(error("slow=soon:2%"), @"`slow=soon` is not a kind of fault: use 429, 500 to 599, cut, garbage, slow or slow=5s (at most 10m)");
        insta::assert_snapshot!(error("cut:2"), @"`2` is not a share: write a percentage above 0% and up to 100% with at most four decimals, such as 0.5%");
        insta::assert_snapshot!(error("slow:1%,slow=2s:1%"), @"`slow=2s` is there twice: give each kind of fault one share");
        insta::assert_snapshot!(error("cut:60%,500:50%"), @"`cut:60%,500:50%` adds up to more than 100%: lower some of the shares");
    }

    #[test]
    fn shares_come_out_right() {
        let faults = faults(ALL);
        let count = |fault| {
            let hit = |request: &u64| faults.draw(7, *request).is_some_and(|(other, _)| other == fault);
            (0..200_000_u64).filter(hit).count()
        };
        // Within four standard deviations of the share.
        assert!((3_750..4_250).contains(&count(Fault::Status(500))));
        assert!((1_822..2_178).contains(&count(Fault::Status(429))));
        assert!((873..1_127).contains(&count(Fault::Cut)));
        assert!((873..1_127).contains(&count(Fault::Garbage)));
        assert!((1_822..2_178).contains(&count(Fault::Slow(Duration::from_secs(2)))));
    }

    #[test]
    fn who_fails_follows_from_seed_and_request() {
        let failing = |seed| {
            let faults = faults(ALL);
            let fails = move |request: &u64| faults.draw(seed, *request).is_some();
            (0..1_000).filter(fails).collect::<Vec<u64>>()
        };
        assert_eq!(failing(7), failing(7));
        assert_ne!(failing(7), failing(8));
        let all = faults("503:100%");
        assert!((0..1_000).all(|request| all.draw(7, request).is_some()));
        assert!((0..1_000).all(|request| Faults::default().draw(7, request).is_none()));
    }
}
