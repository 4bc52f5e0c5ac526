//! What the documents say of the options, the endpoints and the metrics exists.

use std::fs;
use std::path::Path;

use crate::process::{output, server};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Words of a text that begin with `--`, without what follows them.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.starts_with("--") && word.len() > 3)
}

#[tokio::test]
async fn every_option_that_the_documents_name_exists() {
    let help = String::from_utf8(output(server(["--help"])).await.stdout).unwrap();
    let of_others = [
        "--release",
        "--bin",
        "--bins",
        "--workspace",
        "--all-targets",
        "--examples",
        "--requests",
        "--keep",
        "--seconds",
        "--test",
        "--nocapture",
        "--quick",
    ];
    let of_loadgen = [
        "--clients",
        "--rate",
        "--whatsat",
        "--slo",
        "--out",
        "--closed",
        "--pipeline",
        "--ndjson",
        "--hlog",
        "--hgrm",
        "--shard",
        "--scenario",
        "--roam",
        "--garbage",
        "--find-max",
        "--tap",
        "--metrics",
        "--source",
    ];
    for name in ["README.md", "ARCHITECTURE.md", "PROTOCOL.md", "CONTRIBUTING.md"] {
        let text = document(name);
        for option in options(&text).filter(|option| !of_others.contains(option) && !of_loadgen.contains(option)) {
            assert!(
                help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
                "{name} names {option}"
            );
        }
    }
}

#[test]
fn every_file_that_the_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["README.md", "ARCHITECTURE.md", "PROTOCOL.md", "CONTRIBUTING.md"] {
        let text = document(name);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files = links.filter(|link| !link.starts_with("http") && !link.starts_with('#'));
        let quoted = text.split('`').skip(1).step_by(2).filter(|code| code.contains('/') && !code.contains(' '));
        let sources =
            quoted.filter(|code| code.starts_with("src/") || code.starts_with("tests/") || code.ends_with(".rs"));
        for file in files.chain(sources) {
            let found = ["", "src/"].iter().any(|folder| root.join(folder).join(file).exists());
            assert!(found, "{name} names {file}");
        }
    }
}
