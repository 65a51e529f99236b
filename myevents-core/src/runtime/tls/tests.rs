//! What looks at the files find: what is new is taken, what can't be used changes nothing and is told once.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// What was observed, in words.
#[derive(Debug, Default)]
struct Words(Mutex<Vec<String>>);

impl Observer for Words {
    fn observe(&self, observation: &Observation<'_>) {
        let word = match observation {
            Observation::TlsReload { outcome, .. } => (*outcome).to_owned(),
            Observation::TlsCertificate { until, .. } => format!("until {until}"),
            other => format!("{other:?}"),
        };
        self.0.lock().push(word);
    }
}

impl Words {
    fn all(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// A certificate and its key, PEM, valid until the end of a year.
fn pair(year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    parameters.not_after = date_time_ymd(year, 12, 31);
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

struct Place {
    folder: tempfile::TempDir,
    words: Arc<Words>,
    tls: Tls,
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
        client_ca: None,
        client_required: true,
        reload: Duration::from_secs(10),
    }
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words = Arc::new(Words::default());
        let (certificate, key) = pair(2090);
        std::fs::write(folder.path().join("cert.pem"), certificate).unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
        let observer = Arc::<Words>::clone(&words);
        let tls = Tls::open(files(folder.path()), "test", observer).unwrap();
        assert_eq!(words.all(), ["until 3818361600"]);
        Self { folder, words, tls }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// Whether what is in force is another than at the last look.
    fn changed(&self, before: &Arc<ServerConfig>) -> bool {
        !Arc::ptr_eq(before, &self.tls.config())
    }
}

#[test]
fn a_new_pair_is_taken_at_the_next_look() {
    let place = Place::new();
    let before = place.tls.config();
    assert_eq!(place.tls.look(), Look::Same);
    assert!(!place.changed(&before));
    let (certificate, key) = pair(2091);
    place.write("cert.pem", certificate);
    place.write("key.pem", key);
    assert_eq!(place.tls.look(), Look::Taken);
    assert!(place.changed(&before));
    assert_eq!(place.words.all(), ["taken", "until 3849897600"]);
    assert_eq!(place.tls.look(), Look::Same);
}

#[test]
fn half_a_pair_is_looked_at_again_before_anything_is_said() {
    let place = Place::new();
    let before = place.tls.config();
    let (certificate, key) = pair(2091);
    place.write("cert.pem", &certificate);
    assert_eq!(place.tls.look(), Look::Doubted);
    assert!(!place.changed(&before) && place.words.all().is_empty());
    place.write("key.pem", key);
    assert_eq!(place.tls.look(), Look::Taken);
    assert!(place.changed(&before));
}

#[test]
fn what_cannot_be_used_is_told_once_and_changes_nothing() {
    let place = Place::new();
    let before = place.tls.config();
    let (certificate, _) = pair(2091);
    let (over, key_of_over) = pair(2020);
    let own_key = std::fs::read(place.folder.path().join("key.pem")).unwrap();
    let own = std::fs::read(place.folder.path().join("cert.pem")).unwrap();
    let bad: [(&str, &[u8], &[u8]); 5] = [
        ("of another key", certificate.as_bytes(), &own_key),
        ("cut", &own[..own.len() / 2], &own_key),
        ("empty", b"", &own_key),
        ("no key", &own, b"nothing"),
        ("no longer valid", over.as_bytes(), key_of_over.as_bytes()),
    ];
    for (what, certificate, key) in bad {
        place.write("cert.pem", certificate);
        place.write("key.pem", key);
        let looks = [place.tls.look(), place.tls.look(), place.tls.look()];
        assert_eq!(
            looks,
            [Look::Doubted, Look::Refused, Look::StillRefused],
            "{what}"
        );
        assert_eq!(place.words.all(), ["refused"], "{what}");
        assert!(!place.changed(&before), "{what}");
    }
    std::fs::remove_file(place.folder.path().join("key.pem")).unwrap();
    let looks = [place.tls.look(), place.tls.look(), place.tls.look()];
    assert_eq!(looks, [Look::Doubted, Look::Refused, Look::StillRefused]);
    assert!(!place.changed(&before));
    // What was in force all the time is nothing new.
    place.write("cert.pem", own);
    place.write("key.pem", own_key);
    assert_eq!(place.tls.look(), Look::Same);
    assert_eq!(place.words.all(), ["refused"]);
}

#[test]
fn authorities_of_clients_are_read_again_too() {
    let place = Place::new();
    let files = TlsFiles {
        client_ca: Some(place.folder.path().join("ca.pem")),
        ..files(place.folder.path())
    };
    let open = || Tls::open(files.clone(), "test", Arc::<Words>::clone(&place.words));
    let missing = open().unwrap_err().to_string();
    assert!(missing.contains("ca.pem"), "{missing}");
    place.write("ca.pem", "no certificate");
    let wrong = open().unwrap_err().to_string();
    assert!(
        wrong.contains("ca.pem") && wrong.contains("BEGIN CERTIFICATE"),
        "{wrong}"
    );
    place.write("ca.pem", pair(2090).0);
    let tls = open().unwrap();
    place.write("ca.pem", pair(2090).0);
    assert_eq!(tls.look(), Look::Taken);
}

#[test]
fn a_start_names_the_file_that_is_wrong() {
    let place = Place::new();
    place.write("key.pem", pair(2090).1);
    let told = Tls::open(
        files(place.folder.path()),
        "test",
        Arc::<Words>::clone(&place.words),
    );
    let told = told.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Config);
    assert!(told.to_string().contains("do not fit"), "{told}");
}
