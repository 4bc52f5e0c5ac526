//! The map in `src/lib.rs` is the order of imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The lines of the map, top to bottom.
const LINES: [&[&str]; 7] = [
    &["protocol"],
    &["digest", "pending", "quota", "store", "sync", "flood"],
    &["clock", "config", "io_log", "metrics", "net", "tls"],
    &["node", "scratch"],
    &["link", "places"],
    &["session"],
    &["admin", "server"],
];

fn line_of(module: &str) -> Option<usize> {
    LINES.iter().position(|line| line.contains(&module))
}

/// The modules that a source text names as `crate::…`, at the top level.
fn imports(source: &str) -> BTreeSet<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.collect::<Vec<_>>().join("\n");
    let names = code.split("crate::").skip(1).filter_map(|rest| {
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
    });
    names.collect()
}

/// The imports that run upwards or name what is not on the map.
fn violations(module: &str, imports: &BTreeSet<String>) -> Vec<String> {
    let own = line_of(module);
    let upward = imports.iter().filter(|import| line_of(import).is_none_or(|line| Some(line) > own));
    upward.map(|import| format!("{module} imports {import}")).collect()
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
            let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
            found.push((module.to_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
}

fn modules() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, source) in found.into_iter().filter(|(module, _)| module != "lib" && module != "bin") {
        modules.entry(module).or_default().extend(imports(&source));
    }
    modules
}

#[test]
fn no_import_runs_upwards() {
    let modules = modules();
    let on_the_map: BTreeSet<&str> = LINES.concat().into_iter().collect();
    assert_eq!(modules.keys().map(String::as_str).collect::<BTreeSet<_>>(), on_the_map);
    let violations: Vec<String> = modules.iter().flat_map(|(module, imports)| violations(module, imports)).collect();
    assert!(violations.is_empty(), "{violations:?}");
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let mut left = modules();
    for (module, imports) in &mut left {
        imports.remove(module);
    }
    while let Some(free) = left.iter().find(|(_, imports)| imports.is_empty()).map(|(module, _)| module.clone()) {
        left.remove(&free);
        left.values_mut().for_each(|imports| {
            imports.remove(&free);
        });
    }
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_import_that_runs_upwards_is_found() {
    let source =
        "//! See crate::server.\nuse crate::{config, node};\nfn f() { crate::session::run() }\nuse crate::COMMIT;";
    let found = imports(source);
    assert_eq!(found, BTreeSet::from(["session".to_owned()]), "braces are not used for modules");
    assert_eq!(violations("store", &found), ["store imports session"]);
    assert_eq!(violations("server", &found), Vec::<String>::new());
    assert_eq!(violations("store", &BTreeSet::from(["nowhere".to_owned()])), ["store imports nowhere"]);
}

#[test]
fn modules_are_not_imported_in_braces() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.iter().all(|(_, source)| !source.contains("use crate::{")), "write one `use crate::…` per module");
}

#[test]
fn only_net_names_tokios_sockets() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let naming: BTreeSet<_> = found
        .into_iter()
        .filter(|(_, source)| {
            source.lines().any(|line| line.contains("tokio::net") && !line.trim_start().starts_with("//"))
        })
        .map(|(module, _)| module)
        .collect();
    assert_eq!(naming, BTreeSet::from(["net".to_owned()]));
}
