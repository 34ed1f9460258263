//! What users see when they make a mistake: each case in `ui/` beside the compiler's words, which are those of Rust 1.95.

#![forbid(unsafe_code)]

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*/*.rs");
}
