//! `hello.rs` without the macros: what they make of its manager and of its `with!`, with shorter paths and names, and
//! with comments. It prints the same. `tests/tests/expansion.rs` compares it with what the macros write.
//!
//! Nothing to build on: `__private` belongs to the macros and may change in any release. For code of your own, see
//! `cargo +nightly rustc --example hello -- -Zunpretty=expanded`.
//!
//! `cargo run -p examples --example expanded`

// As the macros write it.
#![allow(clippy::let_and_return, clippy::match_single_binding, clippy::needless_return)]

use std::num::ParseIntError;

use async_context_manager::__private::{
    Body, BodyToken, BorrowToken, End, FnContract, IntoManager, Known, Lend1, SameContract, ValueToken, assert_manager,
    expected, lend1, open, run,
};
use async_context_manager::Manager;
use tokio::task::yield_now;

/// Was: `async fn welcome(name: &str) -> &mut Vec<u32>`
///
/// Now it returns a manager. Its body is a closure that gets the handle on its `with!` and returns the future that the
/// `async fn` was. This future is the one opaque type that matters: the `with!` is `Send` when everything in it is.
///
/// `FnContract` says what is lent. The lifetime that was left out of `&mut Vec<u32>` stands for "while the block runs", and
/// whoever calls this function does not know it yet; hence the `for<'y>`. The `dyn` is the place to write that in, and
/// there never is such an object.
fn welcome(
    name: &str,
) -> Manager<
    impl Body<Future = impl Future<Output = ()>>,
    FnContract<dyn for<'y> Lend1<'y, Out = &'y mut Vec<u32>>, 1, ()>,
> {
    // It is of no size, and made outside of the body. By its type, which is that of the signature, the body and whoever
    // calls this function agree on every lifetime of what is lent.
    let return_type = SameContract::new();
    // By the type that the body ends in, the compiler tells here how an error could be shown.
    let __acm_name = || Known::<()>::new("welcome").__acm_named();
    Manager::new(return_type, __acm_name, move |handle| async move {
        // By its type, the yield point can't outlive this local, and so the block can't outlive the body. (For a `yield!`
        // in an `async` block, which may be raced, there is more to look after: a `DetachedGuard` stands here.)
        let __this_manager = BodyToken::new();
        // The body owns all arguments, even those that it does not use, as that of an `async fn` does.
        let name = name;
        // Tells the compiler what the body ends in, before it comes to the first `?`.
        if false {
            return expected::<()>().value;
        }
        {
            println!("Hello, {name}!");
            let mut seats = vec![1, 2, 3];
            // Was: `r#yield!(&mut seats)`
            //
            // This future holds the borrow of `seats`, and polls the block. When it is ready, the block has ended and
            // has been dropped.
            let outcome = lend1(SameContract::point(return_type, &handle, &__this_manager), &mut seats).await;
            yield_now().await;
            println!("Goodbye, {name}! {outcome:?}, seats left: {seats:?}");
        }
    })
}

async fn visit(name: &str, wish: &str) -> Result<u32, ParseIntError> {
    // Was: `with!(welcome(name) as seats => { ... })`
    // A `match`, so that temporaries of `welcome(name)` live as long as all this.
    match open(IntoManager::into_manager(assert_manager(welcome(name)))) {
        (manager, opened) => {
            // The value of the block is still here when the manager has ended. By this local it can't be what was lent,
            // not even if nobody looks at it.
            let value_of_block = ValueToken::new();
            // By its type, what is lent borrows from the second of these, and what is behind it from the first; so the
            // block can't let it escape, and can't store it where it would be found when it is gone.
            let __lent_value = BorrowToken::new();
            let __lent_value = BorrowToken::inside(&__lent_value);
            // The frame takes what is lent to the block, and brings back how the block ended.
            let frame0 = &opened.until(&__lent_value, &value_of_block);
            // Each `if false` only tells the compiler a type, so that the block is inferred as if it stood outside.
            if false {
                return frame0.returned().value;
            }
            if false {
                // There are no values of what this returns, and so there is no way past the block.
                frame0.typed().value
            } else {
                // The future of the block. It ends in the type of the function, so `?` and `return` have what they need.
                // They end this future; the function is left below, after the exit phase.
                let future = frame0.future(async {
                    if false {
                        return frame0.returned().value;
                    }
                    let block = frame0.block();
                    let end = {
                        let seats = frame0.value();
                        // `if true`, so that the compiler goes on behind a block that never ends.
                        block.end(if true {
                            let wish: usize = wish.parse()?;
                            Ok(seats.remove(wish))
                        } else {
                            block.typed().value
                        })
                    };
                    // The number is for the compiler: by it, it tells a `Result` from other types.
                    let end = frame0.end(end, 0);
                    // The value is in the frame now, and the block waits here to be dropped.
                    match end.await {}
                });
                // The future of `run` polls the body of the manager. The future of the yield point polls the block,
                // wherever the manager has put it. A `with!` that has a `yield!` in its block would pass its yield
                // point in place of `()`.
                match run(manager, frame0, (), future, 0).await {
                    // A `break` or `continue` in the block would have an arm here, too.
                    End::Value(value) => value,
                    End::Return(value) => return value,
                }
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("{:?}\n", visit("Ada", "1").await);
    println!("{:?}\n", visit("Ben", "the window").await);

    let panicked = tokio::spawn(visit("Cleo", "7")).await;
    println!("{}", panicked.unwrap_err());
}
