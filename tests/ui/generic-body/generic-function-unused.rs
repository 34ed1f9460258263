//! Why a body is not generic over its block, 5: if the function itself were, a manager that is made and never entered would
//! be an error, and not one that says so.

use std::future::{Future, ready};

struct Manager<F, B>(F, fn(B));

fn lease<B: Future>() -> Manager<impl Future, B> {
    Manager(ready(()), drop::<B>)
}

fn main() {
    drop(lease());
}
