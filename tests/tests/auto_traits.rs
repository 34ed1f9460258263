//! A manager, and the `with!` around it, is `Send` exactly when what it holds is.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_context_manager::{Manager, Outcome, async_context_manager, with};
use tests::{Log, yields};

/// Whether what a function gives is `Send`: a method comes before one that takes another reference. Of an `async` block
/// in the same function the compiler does not know it yet.
macro_rules! is_send {
    ($value:expr) => {{
        #[allow(unused_imports, reason = "one of the two is used")]
        use probe::{IsNotSend as _, IsSend as _};
        (&probe::Probe(&$value)).is_send()
    }};
}

mod probe {
    #[allow(dead_code, reason = "only its type is looked at")]
    pub(crate) struct Probe<'p, T>(pub(crate) &'p T);

    pub(crate) trait IsSend {
        fn is_send(&self) -> bool;
    }

    impl<T: Send> IsSend for Probe<'_, T> {
        fn is_send(&self) -> bool {
            true
        }
    }

    pub(crate) trait IsNotSend {
        fn is_send(&self) -> bool;
    }

    impl<T> IsNotSend for &Probe<'_, T> {
        fn is_send(&self) -> bool {
            false
        }
    }
}

#[test]
fn the_probe_tells_them_apart() {
    assert!(is_send!(5));
    assert!(!is_send!(Rc::new(5)));
    assert!(is_send!(yields(1)));
    assert!(!is_send!(holds_an_rc()));
}

async fn holds_an_rc() {
    let rc = Rc::new(5);
    yields(1).await;
    drop(rc);
}

struct Pool {
    log: Log,
}

impl Pool {
    #[async_context_manager]
    async fn shared(&self) -> &mut String {
        let mut local = "local".to_string();
        yields(1).await;
        r#yield!(&mut local);
        yields(1).await;
        self.log.add(format!("exit {local}"));
    }

    #[async_context_manager]
    async fn exclusive(&mut self) -> Result<&mut Self, String> {
        r#yield!(&mut *self);
        yields(1).await;
        self.log.add("exit");
        Ok(())
    }

    #[async_context_manager]
    async fn counted(self: Arc<Self>) -> Arc<Self> {
        r#yield!(Arc::clone(&self));
        yields(1).await;
        self.log.add(format!("exit {}", Arc::strong_count(&self)));
    }

    #[async_context_manager]
    async fn racing(&self, limit: Duration) -> Result<&mut String, tokio::time::error::Elapsed> {
        let mut local = "raced".to_string();
        let outcome = tokio::time::timeout(limit, async { r#yield!(&mut local) }).await;
        self.log.add(format!("{outcome:?} {local}"));
        outcome.map(drop)
    }
}

#[async_context_manager]
async fn generic<T>(value: T) -> T {
    r#yield!(value);
    yields(1).await;
}

#[async_context_manager]
async fn holds<T>(value: T) {
    r#yield!();
    yields(1).await;
    drop(value);
}

#[async_context_manager]
async fn lends<T: Default>() -> &mut T {
    let mut value = T::default();
    r#yield!(&mut value);
    yields(1).await;
}

#[async_context_manager]
async fn composed(pool: &Pool) -> &mut String {
    with!(pool.shared() as local, holds(5) => { r#yield!(local); });
}

#[async_context_manager]
async fn composed_racing(pool: &Pool) -> Result<&mut String, tokio::time::error::Elapsed> {
    with!(pool.racing(Duration::from_secs(1)) as local, holds(5) => {
        tokio::select! {
            _ = async { r#yield!(local) } => {}
            () = std::future::pending() => {}
        }
    })
}

mod spawned {
    use super::*;

    #[tokio::test]
    async fn with_of_a_manager_by_reference_can_be_spawned() {
        let pool = Arc::new(Pool { log: Log::new() });
        let task = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move {
                with!(pool.shared() as local => {
                    tokio::task::yield_now().await;
                    local.push('!');
                    local.len()
                })
            }
        });
        assert_eq!(task.await.unwrap(), 6);
        assert_eq!(pool.log.take(), ["exit local!"]);
    }

    #[tokio::test]
    async fn with_of_a_manager_by_mutable_reference_can_be_spawned() {
        let mut pool = Pool { log: Log::new() };
        let log = pool.log.clone();
        let task = tokio::spawn(async move {
            with!(pool.exclusive() as pool => {
                tokio::task::yield_now().await;
                pool.log.add("block");
            })
        });
        assert_eq!(task.await.unwrap(), Ok(()));
        assert_eq!(log.take(), ["block", "exit"]);
    }

    #[tokio::test]
    async fn with_of_a_manager_of_an_arc_can_be_spawned() {
        let pool = Arc::new(Pool { log: Log::new() });
        let log = pool.log.clone();
        let task = tokio::spawn(async { with!(pool.counted() as pool => pool.log.add("block")) });
        task.await.unwrap();
        assert_eq!(log.take(), ["block", "exit 1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn with_of_a_manager_that_races_can_be_spawned() {
        let pool = Arc::new(Pool { log: Log::new() });
        let task = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { with!(pool.racing(Duration::from_secs(1)) as _local => std::future::pending::<()>().await) }
        });
        assert!(task.await.unwrap().is_err());
        assert_eq!(pool.log.take(), ["Err(Elapsed(())) raced"]);
    }

    #[tokio::test]
    async fn with_of_composed_managers_with_all_ways_out_can_be_spawned() {
        async fn job(pool: &Pool, n: u8) -> Result<u8, String> {
            loop {
                let len = with!(composed(pool) as local, generic(n) as n => {
                    tokio::task::yield_now().await;
                    match n {
                        0 => Err("error")?,
                        1 => return Ok(1),
                        2 => break,
                        _ => local.len(),
                    }
                });
                return Ok(u8::try_from(len).unwrap());
            }
            Ok(2)
        }
        let pool = Arc::new(Pool { log: Log::new() });
        for (n, result) in [(0, Err("error".to_string())), (1, Ok(1)), (2, Ok(2)), (3, Ok(5))] {
            let pool = Arc::clone(&pool);
            let task = tokio::spawn(async move { job(&pool, n).await });
            assert_eq!(task.await.unwrap(), result);
        }
        assert_eq!(pool.log.take(), ["exit local"; 4]);
    }

    #[tokio::test]
    async fn with_of_a_composed_manager_that_races_can_be_spawned() {
        let pool = Arc::new(Pool { log: Log::new() });
        let task = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { with!(composed_racing(&pool) as local => local.len()) }
        });
        assert_eq!(task.await.unwrap(), Ok(5));
        assert_eq!(pool.log.take(), ["Ok(Completed) raced"]);
    }

    #[tokio::test]
    async fn generic_function_around_a_with_can_be_spawned() {
        async fn job<T: Send + Sync + Clone + 'static>(value: T) -> T {
            let task = tokio::spawn(async move {
                with!(generic(value.clone()) as copy, holds(value) => {
                    tokio::task::yield_now().await;
                    copy
                })
            });
            task.await.unwrap()
        }
        assert_eq!(job("text".to_string()).await, "text");
    }

    #[tokio::test]
    async fn with_that_is_not_send_can_be_spawned_on_its_own_thread() {
        let local = tokio::task::LocalSet::new();
        let task = local.spawn_local(async {
            with!(generic(Rc::new(5)) as rc, holds(Rc::clone(&rc)) => {
                tokio::task::yield_now().await;
                Rc::strong_count(&rc)
            })
        });
        local.await;
        assert_eq!(task.await.unwrap(), 2);
    }

    #[test]
    fn with_can_be_spawned_on_a_runtime_of_many_threads() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let pool = Arc::new(Pool { log: Log::new() });
        let lens = runtime.block_on(async {
            let tasks = (0..20).map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move {
                    with!(composed(&pool) as local => {
                        for _ in 0..5 {
                            tokio::task::yield_now().await;
                            local.push('!');
                        }
                        local.len()
                    })
                })
            });
            futures::future::join_all(tasks).await
        });
        assert!(lens.into_iter().all(|len| len.unwrap() == 10));
        assert_eq!(pool.log.take(), vec!["exit local!!!!!"; 20]);
    }
}

mod managers {
    use super::*;

    #[test]
    fn auto_traits_of_managers_that_hold_what_they_are_given() {
        async fn enters_lends() {
            with!(lends::<Rc<u8>>() => ());
        }
        assert!(is_send!(generic(5)));
        assert!(is_send!(lends::<String>()));
        assert!(is_send!(holds(Cell::new(5))));
        assert!(!is_send!(generic(Rc::new(5))));
        assert!(!is_send!(holds(Rc::new(5))));
        assert!(!is_send!(enters_lends()));
    }

    #[test]
    fn auto_traits_of_managers_by_all_receivers() {
        let mut pool = Pool { log: Log::new() };
        assert!(is_send!(pool.shared()));
        assert!(is_send!(pool.racing(Duration::ZERO)));
        assert!(is_send!(composed(&pool)));
        assert!(is_send!(composed_racing(&pool)));
        assert!(is_send!(pool.exclusive()));
        assert!(is_send!(Arc::new(pool).counted()));
    }

    #[test]
    fn auto_traits_of_managers_that_hold_an_rc_of_their_own_over_their_yield() {
        #[async_context_manager]
        async fn over() {
            let rc = Rc::new(5);
            r#yield!();
            drop(rc);
        }
        #[async_context_manager]
        async fn before() -> u8 {
            let n = *Rc::new(5);
            r#yield!(n);
        }
        #[async_context_manager]
        async fn after() {
            r#yield!();
            let rc = Rc::new(5);
            yields(1).await;
            drop(rc);
        }
        async fn enters_over() {
            with!(over() => ());
        }
        async fn enters_before() {
            with!(before() => ());
        }
        async fn enters_after() {
            with!(after() => ());
        }
        assert!(!is_send!(enters_over()));
        assert!(is_send!(enters_before()));
        assert!(!is_send!(enters_after()));
        // It has none of these before it is entered, and may be entered elsewhere.
        assert!(is_send!(over()));
        assert!(is_send!(after()));
    }

    #[test]
    fn auto_traits_of_managers_that_race_and_hold_an_rc() {
        #[async_context_manager]
        async fn races() {
            let rc = Rc::new(5);
            async { r#yield!() }.await;
            drop(rc);
        }
        #[async_context_manager]
        async fn races_with_an_rc_inside() {
            async {
                let rc = Rc::new(5);
                r#yield!();
                drop(rc);
            }
            .await;
        }
        async fn enters_races() {
            with!(races() => ());
        }
        async fn enters_races_with_an_rc_inside() {
            with!(races_with_an_rc_inside() => ());
        }
        assert!(!is_send!(enters_races()));
        assert!(!is_send!(enters_races_with_an_rc_inside()));
    }

    #[test]
    fn auto_traits_of_managers_that_are_made_of_one_that_holds_an_rc() {
        #[async_context_manager]
        async fn made() {
            with!(holds(Rc::new(5)) => { r#yield!(); });
        }
        async fn enters_made() {
            with!(made() => ());
        }
        assert!(!is_send!(enters_made()));
    }

    #[test]
    fn auto_traits_of_managers_whose_argument_is_not_sync() {
        #[async_context_manager]
        async fn borrows(_cell: &Cell<u8>) {
            r#yield!();
        }
        #[async_context_manager]
        async fn borrows_mutably(_cell: &mut Cell<u8>) {
            r#yield!();
        }
        assert!(!is_send!(borrows(&Cell::new(5))));
        assert!(is_send!(borrows_mutably(&mut Cell::new(5))));
    }
}

mod withs {
    use super::*;

    #[test]
    fn auto_traits_of_a_with_are_those_of_its_manager() {
        async fn run<T>(value: T) {
            with!(holds(value) => yields(1).await);
        }
        assert!(is_send!(run(5)));
        assert!(!is_send!(run(Rc::new(5))));
    }

    #[test]
    fn auto_traits_of_a_with_are_those_of_what_is_lent() {
        async fn cell() {
            with!(lends() as cell => { yields(1).await; Cell::set(cell, 5_u8) });
        }
        async fn rc() {
            with!(lends() as rc => { yields(1).await; *rc = Rc::new(5) });
        }
        async fn owned_rc() {
            with!(generic(Rc::new(5)) as _ => {});
        }
        #[async_context_manager]
        async fn shared() -> &Cell<u8> {
            let cell = Cell::new(5);
            r#yield!(&cell);
        }
        async fn shared_cell() {
            with!(shared() as cell => { yields(1).await; cell.set(5) });
        }
        assert!(is_send!(cell()));
        assert!(!is_send!(rc()));
        assert!(!is_send!(owned_rc()));
        assert!(!is_send!(shared_cell()));
    }

    #[test]
    fn auto_traits_of_a_with_are_those_of_what_the_block_holds() {
        async fn cell() {
            with!(holds(5) => {
                let cell = Cell::new(5);
                yields(1).await;
                cell.set(6);
            });
        }
        async fn rc() {
            with!(holds(5) => {
                let rc = Rc::new(5);
                yields(1).await;
                drop(rc);
            });
        }
        async fn uses_an_rc(rc: Rc<u8>) -> u8 {
            with!(holds(5) => *rc)
        }
        assert!(is_send!(cell()));
        assert!(!is_send!(rc()));
        assert!(!is_send!(uses_an_rc(Rc::new(5))));
    }

    #[test]
    fn auto_traits_of_a_with_are_those_of_what_the_block_gives() {
        async fn value<T>(make: fn() -> T) -> T {
            with!(holds(5) => make())
        }
        async fn returned<T>(make: fn() -> T) -> T {
            with!(holds(5) => { return make() })
        }
        async fn broken<T>(make: fn() -> T) -> T {
            loop {
                with!(holds(5) => { break make() });
            }
        }
        async fn failed<E>(make: fn() -> E) -> Result<(), E> {
            with!(holds(5) => Err(make())?);
            Ok(())
        }
        let (cell, rc) = (|| Cell::new(5), || Rc::new(5));
        assert!(is_send!(value(cell)) && is_send!(returned(cell)) && is_send!(broken(cell)) && is_send!(failed(cell)));
        assert!(!is_send!(value(rc)));
        assert!(!is_send!(returned(rc)));
        assert!(!is_send!(broken(rc)));
        assert!(!is_send!(failed(rc)));
    }

    #[test]
    fn auto_traits_of_a_with_are_those_of_the_managers_error() {
        #[async_context_manager]
        async fn fails<E>(error: E) -> Result<(), E> {
            r#yield!();
            Err(error)
        }
        async fn run<E>(error: E) -> Result<(), E> {
            with!(fails(error) => {})
        }
        assert!(is_send!(run("error")));
        assert!(!is_send!(run(Rc::new("error"))));
    }

    #[test]
    fn auto_traits_of_a_with_are_those_of_a_header_of_several() {
        async fn run<T, U>(first: T, second: U) {
            with!(holds(first), generic(second) as _second, holds(5) => {});
        }
        assert!(is_send!(run(5, 5)));
        assert!(!is_send!(run(Rc::new(5), 5)));
        assert!(!is_send!(run(5, Rc::new(5))));
    }

    #[test]
    fn auto_traits_of_a_with_are_those_of_nested_ones() {
        async fn run<T, U>(first: T, second: U) {
            with!(holds(first) => with!(holds(second) => {}));
        }
        assert!(is_send!(run(5, 5)));
        assert!(!is_send!(run(Rc::new(5), 5)));
        assert!(!is_send!(run(5, Rc::new(5))));
    }
}

mod others {
    use super::*;

    const fn is_unpin<T: Unpin>() {}
    const fn is_all<T: Send + Sync + Unpin + 'static>() {}

    #[test]
    fn outcome_has_all_auto_traits() {
        const { is_all::<Outcome>() };
        const { is_all::<Outcome<String>>() };
        const { is_unpin::<Outcome<&mut u8>>() };
    }

    #[test]
    fn a_manager_is_as_static_as_its_arguments() {
        fn is_static<F: 'static, L: 'static>(_: &Manager<F, L>) {}
        is_static(&generic(5));
        is_static(&Arc::new(Pool { log: Log::new() }).counted());
    }
}
