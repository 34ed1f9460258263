//! Each page is in the table of contents, and its code is compiled.

#![forbid(unsafe_code)]

use std::fs;

/// `tests/attributes` compiles these, because it has the other crates.
const COMPILED_ELSEWHERE: [&str; 1] = ["attributes.md"];

#[test]
fn each_page_is_listed_and_compiled() {
    let (contents, modules) = (include_str!("../src/SUMMARY.md"), include_str!("../lib.rs"));
    let folder = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("the pages");
    for file in folder.map(|entry| entry.expect("an entry").path()) {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        if file.extension() != Some("md".as_ref()) || name == "SUMMARY.md" {
            continue;
        }
        assert!(contents.contains(&format!("]({name})")), "SUMMARY.md does not have {name}");
        let has_code = fs::read_to_string(&file).expect("a page").contains("```rust\n");
        let is_compiled = modules.contains(&format!("\"src/{name}\"")) || COMPILED_ELSEWHERE.contains(&name);
        assert!(is_compiled || !has_code, "lib.rs does not have {name}");
    }
}
