//! Certificates for trying it out and for tests, from a CA that is made on the spot.

use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

use crate::protocol::text::Name;

/// How far clocks may be behind ours and still take a new certificate for valid.
const BEHIND: Duration = Duration::from_secs(60 * 60);

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// The first moment.
    pub from: SystemTime,
    /// The last.
    pub until: SystemTime,
}

impl Validity {
    /// From an hour ago, for clocks that are behind, for so many days from now.
    #[must_use]
    pub fn days(days: u32) -> Self {
        let now = SystemTime::now();
        Self { from: now - BEHIND, until: now + Duration::from_secs(u64::from(days) * 24 * 60 * 60) }
    }
}

/// A certificate and its key in PEM.
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key: whoever has it is whom the certificate is made out to.
    pub key: String,
}

/// A CA.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    cert: String,
}

impl Authority {
    /// Makes a CA whose name no other has, so that two in one file are told apart.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn new(validity: &Validity) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = params(&format!("herd trial CA {:016x}", fastrand::u64(..)), validity);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), cert })
    }

    /// The CA's own certificate and key.
    #[must_use]
    pub fn pair(&self) -> Pair {
        Pair { cert: self.cert.clone(), key: self.issuer.key().serialize_pem() }
    }

    /// Makes a certificate for servers or observers of these names, for both ends of a link.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn issue(&self, names: &[Name], validity: &Validity) -> Result<Pair, Error> {
        let key = KeyPair::generate()?;
        let cert = server_params(names, validity)?.signed_by(&key, &self.issuer)?;
        Ok(Pair { cert: cert.pem(), key: key.serialize_pem() })
    }
}

fn server_params(names: &[Name], validity: &Validity) -> Result<CertificateParams, Error> {
    let mut params = params(names.first().map_or("nobody", Name::as_str), validity);
    // As DNS names, also those that look like addresses.
    let dns = |name: &Name| Ok(SanType::DnsName(Ia5String::try_from(name.as_str())?));
    params.subject_alt_names = names.iter().map(dns).collect::<Result<_, Error>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(name: &str, validity: &Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = validity.from.into();
    params.not_after = validity.until.into();
    params
}
