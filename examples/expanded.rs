//! `hello.rs` without the macros: the expansion of its manager and of its `with!`, with shorter paths and names, and with
//! comments. It prints the same. `tests/tests/expansion.rs` compares it with the output of the macros.
//!
//! Do not write such code yourself: `__private` may change in any release. To see the expansion of your own code, run
//! `cargo +nightly rustc --example hello -- -Zunpretty=expanded`.
//!
//! `cargo run -p examples --example expanded`

// As the macros write it.
#![allow(clippy::let_and_return, clippy::match_bool, clippy::match_single_binding, clippy::needless_return)]

use std::num::ParseIntError;

use async_context_manager::__private::{
    Body, BodyToken, BorrowToken, Captures, End, FnContract, IntoManager, Lend1, Named, SameContract, ValueToken,
    assert_manager, expected, lend1, open, run,
};
use async_context_manager::Manager;
use tokio::task::yield_now;

/// Was: `async fn welcome(name: &str) -> &mut Vec<u32>`
///
/// The function now returns a manager. The body is a closure that takes the handle to its `with!` and returns the future of
/// the `async fn`. The `with!` is `Send` if everything in this future is.
///
/// `FnContract` contains the lent type. The elided lifetime of `&mut Vec<u32>` means "while the block runs". The caller does
/// not know this lifetime yet, so the type is generic over it: `for<'y>`. Only a `dyn` type can contain a `for<'y>` here. No
/// such trait object is ever created.
///
/// `Captures` names the lifetimes that the manager has from its arguments, because `rustc` would suggest to change the
/// `impl` otherwise. Each type has this trait.
fn welcome<'name>(
    name: &'name str,
) -> Manager<
    impl Body<Future = impl Future<Output = ()> + Captures<(&'name (),)>> + Captures<(&'name (),)>,
    FnContract<dyn for<'y> Lend1<'y, Out = &'y mut Vec<u32>>, 1, ()>,
> {
    // A value without size. The body and the signature use the same value, so they agree on every lifetime of the lent
    // type.
    let return_type = SameContract::new();
    // The name of the manager. The types that are inferred for these integers say how to show its error: by `Display`, by
    // `Debug`, or by the name of its type.
    let __acm_name = || Named::<()>::new("welcome").showing((0, 0, 0));
    Manager::new(return_type, __acm_name, move |handle| async move {
        // The outer braces are those that the user wrote, so that coverage counts the lines in them. The inner ones have the
        // edition of the macros.
        {
            // The yield point borrows this local, so the block can't outlive the body. (If the `yield!` is in an `async` block,
            // which may be raced, this local is a `DetachedGuard`.)
            let __this_manager = BodyToken::new();
            // Moves each argument into the body, even unused ones, as in an `async fn`.
            let name = name;
            // Fixes the return type of the body for type inference, before the first `?`.
            if false {
                return expected::<()>().value;
            }
            {
                println!("Hello, {name}!");
                let mut seats = vec![1, 2, 3];
                // Was: `r#yield!(&mut seats)`
                //
                // This future borrows `seats` and polls the block. When it is ready, the block has been dropped.
                let outcome = lend1(SameContract::point(return_type, &handle, &__this_manager), &mut seats).await;
                yield_now().await;
                println!("Goodbye, {name}! {outcome:?}, seats left: {seats:?}");
            }
        }
    })
}

async fn visit(name: &str, wish: &str) -> Result<u32, ParseIntError> {
    // Was: `with!(welcome(name) as seats, { ... })`
    // A `match`, so that the temporaries of `welcome(name)` live until its end.
    match open(IntoManager::into_manager(assert_manager(welcome(name)))) {
        (manager, opened) => {
            // The value of the block is stored until the manager has ended. This local keeps it from borrowing the lent
            // value, even if the value is not used.
            let value_of_block = ValueToken::new();
            // The lent value borrows from the second of these locals, and the data behind it from the first. So the block
            // can't keep the value, and can't store it anywhere that outlives it. Both have the name of the lent value,
            // which errors of the borrow checker then show.
            let seats = BorrowToken::new();
            let seats = BorrowToken::inside(&seats);
            // The frame passes the lent value to the block, and the end of the block back.
            let frame0 = &opened.until(&seats, &value_of_block);
            // Each `if false` only fixes a type for inference, as if the code of the block were outside of it.
            if false {
                return frame0.returned().value;
            }
            match false {
                // The type of this value is uninhabited, so the borrow checker sees no path that skips the block.
                true => frame0.typed().value,
                // The tuple does not pass the expected type of the `with!` on. If that type is wrong, `rustc` reports it only
                // once, above.
                false => {
                    ({
                        // The future of the block. Its output is the return type of the function, so `?` and `return`
                        // compile in it. They only end this future. The function returns below, after the exit phase.
                        let future = frame0.future(async {
                            if false {
                                return frame0.returned().value;
                            }
                            let block = frame0.block();
                            let end = {
                                let seats = frame0.value();
                                // `if true`, so that the code after a block that never ends is reachable.
                                block.end(if true {
                                    let wish: usize = wish.parse()?;
                                    Ok(seats.remove(wish))
                                } else {
                                    block.typed().value
                                })
                            };
                            // The type that is inferred for this integer distinguishes a `Result` from other types.
                            let end = frame0.end(end, 0);
                            // The value is in the frame now. The block is pending until it is dropped.
                            match end.await {}
                        });
                        // The future of `run` polls the body, and the future of the `yield!` polls the block. A `with!`
                        // with a `yield!` in its block passes its yield point instead of `()`. The types that are inferred
                        // for the last integers say how to show the errors that the `with!` may lose. The closure with these
                        // integers is never called.
                        match run(manager, frame0, (), future, 0, || {
                            (frame0.asks(), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0))
                        })
                        .await
                        {
                            // Each `break` or `continue` in the block has an arm here, too.
                            End::Value(value) => value,
                            End::Return(value) => return value,
                        }
                    },)
                        .0
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
