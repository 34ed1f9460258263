//! Says which tests `cargo test` leaves out, and how to run them.

fn main() {
    println!(
        "left out: the examples with PostgreSQL, Redis and axum; to run them: `.ci/services cargo test -p examples`"
    );
}
