//! A folder of certificates, made for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use herd::protocol::text::Name;
use herd::tls::{Authority, Identity, TlsFiles, Validity};
use tempfile::TempDir;

/// A CA and a folder for what it signs.
pub(crate) struct Certificates {
    folder: TempDir,
    authority: Authority,
}

/// The dates of a certificate that is valid now.
pub(crate) fn valid() -> Validity {
    Validity::days(1)
}

/// Those of one that was valid until an hour ago.
pub(crate) fn expired() -> Validity {
    let hours_ago = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 60 * 60);
    Validity { from: hours_ago(2), until: hours_ago(1) }
}

impl Certificates {
    /// A CA, and a certificate for each name.
    pub(crate) fn of(names: &[&str]) -> Self {
        let made = Self { folder: TempDir::new().unwrap(), authority: Authority::new(&valid()).unwrap() };
        for name in names {
            made.issue(name, &[name], &valid());
        }
        made
    }

    /// Writes what `who` has to show: a certificate for `names`, its key, and this CA.
    pub(crate) fn issue(&self, who: &str, names: &[&str], validity: &Validity) {
        let names: Vec<_> = names.iter().map(|name| Name::new(name).unwrap()).collect();
        let pair = self.authority.issue(&names, validity).unwrap();
        let TlsFiles { cert, key, ca } = self.files(who);
        fs::write(&ca, self.authority.pair().cert).unwrap();
        fs::write(&key, pair.key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&cert, pair.cert).unwrap();
    }

    /// Makes `who` believe the CAs of all these.
    pub(crate) fn believe(&self, who: &str, authorities: &[&Self]) {
        let pem: String = authorities.iter().map(|other| other.authority.pair().cert).collect();
        fs::write(self.files(who).ca, pem).unwrap();
    }

    pub(crate) fn files(&self, who: &str) -> TlsFiles {
        let file = |what: &str| -> PathBuf { self.folder.path().join(format!("{who}.{what}.pem")) };
        TlsFiles { cert: file("cert"), key: file("key"), ca: file("ca") }
    }

    /// What `who` shows and believes.
    pub(crate) fn identity(&self, who: &str) -> Identity {
        Identity::load(self.files(who), &Name::new(who).unwrap()).unwrap()
    }

    /// The options that name the files of `who`.
    pub(crate) fn options(&self, who: &str) -> Vec<String> {
        let TlsFiles { cert, key, ca } = self.files(who);
        let options = [("--tls-cert", cert), ("--tls-key", key), ("--tls-ca", ca)];
        options.into_iter().flat_map(|(option, file)| [option.into(), file.to_str().unwrap().into()]).collect()
    }
}
