//! Whose certificate it is: the names that it bears.

use rustls::pki_types::CertificateDer;

use crate::protocol::text::Name;

/// The tags of DER (X.690) that lead to a certificate's names (RFC 5280, 4.1 and 4.2.1.6).
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
/// The identifier of the extension that holds them, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// A certificate, as far as it says whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    names: Vec<Name>,
}

impl Certificate {
    /// Reads the names of a certificate that rustls has checked: its DNS subject alternative
    /// names that could be a server's. One that cannot be read bears no name.
    ///
    /// They are compared as they are written, byte by byte. The functions of rustls compare
    /// host names: they know nothing of names such as `7`, `a..b` or `-tap`, which the herd
    /// file allows, disregard case, and take `*` for any name.
    #[must_use]
    pub fn read(certificate: &CertificateDer<'_>) -> Self {
        let names = dns_names(certificate).unwrap_or_default().into_iter();
        let text = names.filter_map(|name| std::str::from_utf8(name).ok());
        Self { names: text.filter_map(Name::new).collect() }
    }

    /// Whether it is made out to this server or observer.
    #[must_use]
    pub fn bears(&self, name: &Name) -> bool {
        self.names.contains(name)
    }

    /// The names for people: `Bona`, `Bona and Clark`, `nobody`.
    #[must_use]
    pub fn holders(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(Name::as_str).collect();
        if names.is_empty() { "nobody".into() } else { names.join(" and ") }
    }
}

fn dns_names(certificate: &[u8]) -> Option<Vec<&[u8]>> {
    let whole = Elements(certificate).find(SEQUENCE)?;
    let signed_part = Elements(whole).find(SEQUENCE)?;
    let extensions = Elements(Elements(signed_part).find(EXTENSIONS)?).find(SEQUENCE)?;
    let names = Elements(extensions).find_map(|(_, extension)| {
        let is_names = Elements(extension).find(OBJECT_IDENTIFIER)? == SUBJECT_ALT_NAME;
        is_names.then(|| Elements(extension).find(OCTET_STRING)).flatten()
    })?;
    let names = Elements(Elements(names).find(SEQUENCE)?);
    Some(names.filter(|(tag, _)| *tag == DNS_NAME).map(|(_, name)| name).collect())
}

/// The elements in a run of DER, as tags and contents, up to the first that is cut off.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The contents of the first element with this tag.
    fn find(mut self, wanted: u8) -> Option<&'a [u8]> {
        Iterator::find(&mut self, |(tag, _)| *tag == wanted).map(|(_, contents)| contents)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        // A length below 128 is one byte; of a longer one the first byte says how many follow.
        let (length, rest) = if first < 0x80 {
            (first.into(), rest)
        } else {
            let (digits, rest) = rest.split_at_checked((first - 0x80).into())?;
            let fits = digits.len() <= size_of::<u32>();
            let length = digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit));
            (fits.then_some(length)?, rest)
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, contents))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::tls::{Authority, Validity};

    fn made_out_to(names: &[&str]) -> CertificateDer<'static> {
        let validity = Validity::days(1);
        let names: Vec<_> = names.iter().map(|name| Name::new(name).unwrap()).collect();
        let pair = Authority::new(&validity).unwrap().issue(&names, &validity).unwrap();
        CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()
    }

    #[test]
    fn a_certificate_bears_the_names_that_it_was_made_out_to() {
        let longest = "x".repeat(Name::MAX);
        for names in [&["Clark"][..], &["a_b", "-tap", "7", "a..b", ".", "127.0.0.1"], &[&longest, "Clark"], &[]] {
            let certificate = Certificate::read(&made_out_to(names));
            for name in names {
                assert!(certificate.bears(&Name::new(name).unwrap()), "{name}");
            }
            for other in ["clark", "Clar", "Clarke", "lark"] {
                assert!(!certificate.bears(&Name::new(other).unwrap()), "{other}");
            }
        }
    }

    #[test]
    fn holders_are_named_for_people() {
        let holders = |names: &[&str]| Certificate::read(&made_out_to(names)).holders();
        assert_eq!(holders(&[]), "nobody");
        assert_eq!(holders(&["Bona"]), "Bona");
        assert_eq!(holders(&["Bona", "Clark"]), "Bona and Clark");
    }

    #[test]
    fn a_certificate_that_is_cut_off_bears_no_name() {
        let whole = made_out_to(&["Clark"]);
        for end in 0..whole.len() {
            assert_eq!(Certificate::read(&whole[..end].into()).holders(), "nobody", "{end}");
        }
    }

    proptest! {
        #[test]
        fn nothing_in_a_certificate_stops_the_reader(bytes: Vec<u8>, place: prop::sample::Index, byte: u8) {
            let _ = Certificate::read(&bytes.into());
            let mut changed = made_out_to(&["Clark"]).to_vec();
            let place = place.index(changed.len());
            changed[place] = byte;
            let _ = Certificate::read(&changed.into());
        }
    }
}
