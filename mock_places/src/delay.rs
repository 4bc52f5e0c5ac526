//! How long an answer takes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::draw::{Draw, Purpose};

/// No delay may be longer; also the bound of exponential ones.
const MAX_DELAY: Duration = Duration::from_secs(600);
/// An exponential delay is cut at so many times its mean: 1 in 22,000 is.
const EXPONENTIAL_CAP: u32 = 10;

/// The distribution of the time between a request and its answer, in addition to the work itself.
///
/// Text forms: `none`, `50ms` (always), `20ms..80ms` (uniform), `exp:50ms` (exponential of that
/// mean, at most ten times the mean). Each request's delay follows from the seed and the request's
/// number. It is kept to the millisecond, by a timer of that granularity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delay {
    /// Answer at once.
    #[default]
    None,
    /// The same for every request.
    Fixed(Duration),
    /// Every value between two bounds is as likely.
    Uniform {
        /// The shortest delay.
        shortest: Duration,
        /// The longest delay.
        longest: Duration,
    },
    /// Many short delays, few long ones.
    Exponential {
        /// The mean, before the longest are cut.
        mean: Duration,
    },
}

/// Why a text is not a [`Delay`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DelayError {
    /// It has none of the forms.
    #[error("`{0}` is not a delay: write none, 50ms, 20ms..80ms or exp:50ms")]
    Form(String),
    /// The first bound of a range is above the second.
    #[error("`{0}` is not a delay: the shortest comes first, as in 20ms..80ms")]
    Order(String),
    /// A delay may be above the maximum.
    #[error("`{0}` is too long a delay: at most 10m, and 1m for the mean of exp:")]
    TooLong(String),
}

impl Delay {
    /// The delay of a request.
    pub(crate) fn draw(self, seed: u64, request: u64) -> Duration {
        let mut draw = Draw::new(seed, Purpose::Delay, &[request]);
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(delay) => delay,
            Self::Uniform { shortest, longest } => shortest + longest.saturating_sub(shortest).mul_f64(draw.unit()),
            Self::Exponential { mean } => {
                let means = -(1.0 - draw.unit()).ln();
                mean.mul_f64(means.min(f64::from(EXPONENTIAL_CAP)))
            }
        }
    }

    fn longest(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(delay) => delay,
            Self::Uniform { longest, .. } => longest,
            Self::Exponential { mean } => mean.saturating_mul(EXPONENTIAL_CAP),
        }
    }
}

impl FromStr for Delay {
    type Err = DelayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let duration = |part: &str| humantime::parse_duration(part).map_err(|_| DelayError::Form(text.to_owned()));
        let delay = if text == "none" {
            Self::None
        } else if let Some(mean) = text.strip_prefix("exp:") {
            Self::Exponential { mean: duration(mean)? }
        } else if let Some((shortest, longest)) = text.split_once("..") {
            let (shortest, longest) = (duration(shortest)?, duration(longest)?);
            if shortest > longest {
                return Err(DelayError::Order(text.to_owned()));
            }
            Self::Uniform { shortest, longest }
        } else {
            Self::Fixed(duration(text)?)
        };
        if delay.longest() > MAX_DELAY {
            return Err(DelayError::TooLong(text.to_owned()));
        }
        Ok(delay)
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |delay: Duration| humantime::format_duration(delay);
        match *self {
            Self::None => formatter.write_str("none"),
            Self::Fixed(delay) => write!(formatter, "{}", text(delay)),
            Self::Uniform { shortest, longest } => {
                write!(formatter, "{}..{}", text(shortest), text(longest))
            }
            Self::Exponential { mean } => write!(formatter, "exp:{}", text(mean)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Delay;

    fn delay(text: &str) -> Delay {
        text.parse().expect("a delay")
    }

    fn draws(text: &str) -> Vec<Duration> {
        (0..20_000).map(|request| delay(text).draw(1, request)).collect()
    }

    fn mean_milliseconds(delays: &[Duration]) -> f64 {
        delays.iter().sum::<Duration>().as_secs_f64() * 1000.0 / delays.len() as f64
    }

    #[test]
    fn every_form_is_read_and_printed() {
        for text in ["none", "50ms", "20ms..80ms", "exp:50ms", "1s 500ms", "10m"] {
            assert_eq!(delay(text).to_string(), text);
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_is_allowed() {
        let error = |text: &str| text.parse::<Delay>().expect_err(text).to_string();
        insta::assert_snapshot!(error("50"), @"`50` is not a delay: write none, 50ms, 20ms..80ms or exp:50ms");
        insta::assert_snapshot!(error("exp:"), @"`exp:` is not a delay: write none, 50ms, 20ms..80ms or exp:50ms");
        insta::assert_snapshot!(error("80ms..20ms"), @"`80ms..20ms` is not a delay: the shortest comes first, as in 20ms..80ms");
        insta::assert_snapshot!(error("exp:2m"), @"`exp:2m` is too long a delay: at most 10m, and 1m for the mean of exp:");
    }

    #[test]
    fn a_delay_follows_from_seed_and_request() {
        let exponential = delay("exp:50ms");
        assert_eq!(exponential.draw(1, 2), exponential.draw(1, 2));
        assert_ne!(exponential.draw(1, 2), exponential.draw(1, 3));
        assert_ne!(exponential.draw(1, 2), exponential.draw(2, 2));
        assert_eq!(delay("50ms").draw(1, 2), Duration::from_millis(50));
        assert_eq!(delay("none").draw(1, 2), Duration::ZERO);
    }

    #[test]
    fn distributions_have_their_mean_and_bounds() {
        let uniform = draws("20ms..80ms");
        assert!(uniform.iter().all(|delay| (20..=80).contains(&delay.as_millis())));
        assert!((49.0..51.0).contains(&mean_milliseconds(&uniform)));
        let exponential = draws("exp:50ms");
        assert!((49.0..51.0).contains(&mean_milliseconds(&exponential)));
        let longest = exponential.iter().max().expect("some");
        assert!((350..=500).contains(&longest.as_millis()), "{longest:?}");
    }
}
