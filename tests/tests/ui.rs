//! What users see when they make a mistake: each case in `ui/` beside the compiler's words, which are those of Rust 1.95.
//! (Those in `ui/generic-body` are mistakes of ours: ways to build this crate that the language does not have.)

#![forbid(unsafe_code)]

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*/*.rs");
}
