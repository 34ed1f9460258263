//! Why a body is not generic over its block, 5: if the function were generic, a manager that is never entered would be
//! an error, and an unclear one.

use std::future::{Future, ready};

struct Manager<F, B>(F, fn(B));

fn lease<B: Future>() -> Manager<impl Future, B> {
    Manager(ready(()), drop::<B>)
}

fn main() {
    drop(lease());
}
