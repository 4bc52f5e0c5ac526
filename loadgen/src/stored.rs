//! Histograms as text, without loss: HdrHistogram's V2 encoding, compressed, in base64. Every
//! HdrHistogram library reads it.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use crate::measure::histogram;

/// The text is no histogram, or one that was made with other bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a histogram in it cannot be read")]
pub struct NotAHistogram;

/// A histogram as text.
///
/// # Panics
/// Never: memory takes every write.
#[must_use]
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("memory takes every write");
    STANDARD.encode(bytes)
}

/// The histogram that a text is.
///
/// # Errors
/// [`NotAHistogram`].
pub fn decode(text: &str) -> Result<Histogram<u64>, NotAHistogram> {
    let bytes = STANDARD.decode(text).map_err(|_| NotAHistogram)?;
    let stored: Histogram<u64> =
        Deserializer::new().deserialize(&mut io::Cursor::new(bytes)).map_err(|_| NotAHistogram)?;
    // With our own bounds, so that it can be added to others.
    let mut ours = histogram();
    let fits = stored.sigfig() == ours.sigfig() && ours.add(&stored).is_ok();
    fits.then_some(ours).ok_or(NotAHistogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again_without_loss() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut histogram = histogram();
        assert_eq!(decode(&encode(&histogram)), Ok(histogram.clone()));
        for _ in 0..10_000 {
            let most = 1 << rng.u32(1..41);
            histogram.record(rng.u64(1..most)).unwrap();
        }
        assert_eq!(decode(&encode(&histogram)), Ok(histogram));
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        let other = encode(&Histogram::new_with_bounds(1, 1000, 2).unwrap());
        for text in ["", "x", "AAAA", &other] {
            assert_eq!(decode(text), Err(NotAHistogram), "{text}");
        }
    }
}
