//! Code that is generic over managers, and managers whose type is named: `AnyManager` and `BoxManager`.

#![forbid(unsafe_code)]

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_context_manager::{
    AnyManager, AsyncContextManager, AsyncExitStack, BoxManager, LocalBoxManager, Outcome, async_context_manager, lent,
    move_on_after, rescue, task_group, with,
};
use tests::{Log, block_on, drop_after, panic_message, yields};
use tokio::task::JoinHandle;

/// The way in which the managers of these tests end.
type Exit = Result<(), String>;

/// Lends a number of its own.
#[async_context_manager]
async fn counter(log: &Log, first: u32) -> Result<&mut u32, String> {
    let mut number = first;
    yields(1).await;
    let outcome = r#yield!(&mut number);
    yields(1).await;
    log.add(format!("{outcome:?} {number}"));
    Ok(())
}

/// The same, and owns the log.
#[async_context_manager]
async fn owned_counter(log: Log, first: u32) -> Result<&mut u32, String> {
    with!(counter(&log, first) as number => { r#yield!(number); })
}

/// Lends what it has borrowed.
#[async_context_manager]
async fn borrowed(number: &mut u32) -> Result<&mut u32, String> {
    r#yield!(&mut *number);
    *number += 100;
    Ok(())
}

/// A manager that is a type.
struct Session {
    log: Log,
    number: u32,
}

impl AsyncContextManager for Session {
    type Value<'v> = &'v mut u32;
    type Exit = Exit;

    async fn enter(&mut self) -> Result<&mut u32, String> {
        Ok(&mut self.number)
    }

    async fn exit(&mut self, outcome: Outcome) -> Exit {
        self.log.add(format!("session {outcome:?} {}", self.number));
        Ok(())
    }
}

#[async_context_manager]
async fn number(number: u32) -> u32 {
    r#yield!(number);
}

#[async_context_manager]
async fn text(log: &Log) -> &str {
    let text = "text".to_string();
    r#yield!(&text);
    log.add("text is left");
}

mod any_manager {
    use super::*;

    async fn add_one(manager: impl AnyManager<lent::Mut<u32>, Exit = Exit>) -> Result<u32, String> {
        with!(manager as number => {
            *number += 1;
            *number
        })
    }

    #[test]
    fn is_a_manager_of_a_function_or_of_a_type() {
        let log = Log::new();
        let mut local = 30;
        assert_eq!(block_on(add_one(counter(&log, 10))), Ok(11));
        assert_eq!(block_on(add_one(Session { log: log.clone(), number: 20 })), Ok(21));
        assert_eq!(block_on(add_one(borrowed(&mut local))), Ok(31));
        assert_eq!(local, 131);
        assert_eq!(log.take(), ["Completed 11", "session Completed 21"]);
    }

    #[test]
    fn may_lend_a_value_or_a_shared_reference() {
        async fn twice(manager: impl AnyManager<lent::Owned<u32>, Exit = ()>) -> u32 {
            with!(manager as number => 2 * number)
        }
        async fn length(manager: impl AnyManager<lent::Ref<str>, Exit = ()>) -> usize {
            with!(manager as text => text.len())
        }
        let log = Log::new();
        assert_eq!(block_on(twice(number(4))), 8);
        assert_eq!(block_on(length(text(&log))), 4);
        assert_eq!(log.take(), ["text is left"]);
    }

    #[test]
    fn may_have_a_generic_value_and_a_generic_error() {
        async fn take<T: Default, E>(manager: impl AnyManager<lent::Mut<T>, Exit = Result<(), E>>) -> Result<T, E> {
            with!(manager as value => std::mem::take(value))
        }
        let log = Log::new();
        assert_eq!(block_on(take(counter(&log, 5))), Ok(5));
        assert_eq!(log.take(), ["Completed 0"]);
    }

    /// Writes when another manager is entered and left.
    #[async_context_manager]
    async fn logged<T>(log: &Log, manager: impl AnyManager<lent::Mut<T>, Exit = Exit>) -> Result<&mut T, String> {
        log.add("enters");
        let left = with!(manager as value => { r#yield!(value); });
        log.add("left");
        left
    }

    #[test]
    fn can_be_wrapped_by_a_manager_function() {
        let log = Log::new();
        assert_eq!(block_on(add_one(logged(&log, counter(&log, 1)))), Ok(2));
        assert_eq!(block_on(add_one(logged(&log, logged(&log, Session { log: log.clone(), number: 1 })))), Ok(2));
        let once = ["enters", "Completed 2", "left"];
        let twice = ["enters", "enters", "session Completed 2", "left", "left"];
        assert_eq!(log.take(), [&once[..], &twice].concat());
    }

    #[test]
    fn wrapped_sees_an_error_and_a_drop() {
        let log = Log::new();
        let fails: Result<(), String> =
            block_on(async { with!(logged(&log, counter(&log, 1)) as _number => Err("it failed".to_string())?) });
        assert_eq!(fails, Err("it failed".to_string()));
        assert_eq!(log.take(), ["enters", "Failed(()) 1", "left"]);
        drop_after(2, async {
            with!(logged(&log, Session { log: log.clone(), number: 1 }) as _n => pending::<()>().await)
        });
        assert_eq!(log.take(), ["enters", "session Cancelled 1", "left"]);
    }

    /// Retries until a manager is entered.
    #[async_context_manager]
    async fn retrying<T, M>(log: &Log, make: impl Fn(u32) -> M) -> Result<T, String>
    where
        M: AnyManager<lent::Owned<T>, Exit = Exit>,
    {
        for attempt in 0..2 {
            if let Err(error) = with!(make(attempt) as _value => ()) {
                log.add(error);
            }
        }
        with!(make(2) as value => { r#yield!(value); })
    }

    #[test]
    fn can_be_made_by_a_factory() {
        #[async_context_manager]
        async fn flaky(attempt: u32) -> Result<u32, String> {
            if attempt < 2 {
                return Err(format!("attempt {attempt} failed"));
            }
            r#yield!(attempt);
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(retrying(&log, flaky) as attempt => attempt) }), Ok(2));
        assert_eq!(log.take(), ["attempt 0 failed", "attempt 1 failed"]);
    }

    #[test]
    fn can_be_made_by_a_stored_factory() {
        struct App<F> {
            lifespan: F,
        }
        impl<F, M> App<F>
        where
            F: Fn(u32) -> M,
            M: AnyManager<lent::Owned<u32>, Exit = ()>,
        {
            async fn serve(&self, first: u32) -> u32 {
                with!((self.lifespan)(first) as state => state + 1)
            }
        }
        assert_eq!(block_on(App { lifespan: number }.serve(6)), 7);
    }

    #[tokio::test]
    async fn may_be_in_a_function_that_is_spawned() {
        let log = Log::new();
        let sum = tokio::spawn({
            let log = log.clone();
            async move {
                let mut local = 0;
                let one = add_one(counter(&log, 1)).await?;
                let two = add_one(Session { log: log.clone(), number: 1 }).await?;
                let three = add_one(logged(&log, borrowed(&mut local))).await?;
                Ok::<_, String>(one + two + three)
            }
        });
        assert_eq!(sum.await.expect("it does not panic"), Ok(5));
    }

    #[test]
    fn may_lend_a_type_that_borrows() {
        struct Conn<'p>(&'p str);

        #[async_context_manager]
        async fn lease<'p>(pool: &'p str) -> &mut Conn<'p> {
            r#yield!(&mut Conn(pool));
        }
        async fn length<'p>(manager: impl AnyManager<lent::Mut<Conn<'p>>, Exit = ()>) -> usize {
            with!(manager as conn => conn.0.len())
        }
        let pool = "pool".to_string();
        assert_eq!(block_on(length(lease(&pool))), 4);
    }
}

mod boxed {
    use super::*;

    type Counter<'env> = BoxManager<'env, lent::Mut<u32>, Exit>;

    fn is_send<T: Send>(value: T) -> T {
        value
    }

    #[test]
    fn managers_are_two_branches_of_one_if() {
        let log = Log::new();
        for (is_session, first) in [(true, 1), (false, 2)] {
            let left: Result<u32, String> = block_on(async {
                let manager = if is_session {
                    Session { log: log.clone(), number: first }.into_manager().boxed()
                } else {
                    counter(&log, first).boxed()
                };
                with!(manager as number => *number)
            });
            assert_eq!(left, Ok(first));
        }
        assert_eq!(log.take(), ["session Completed 1", "Completed 2"]);
    }

    #[test]
    fn managers_are_in_a_list_and_in_a_field() {
        struct Owner<'env> {
            managers: Vec<Counter<'env>>,
        }
        let (log, mut local) = (Log::new(), 3);
        let managers =
            vec![counter(&log, 1).boxed(), owned_counter(log.clone(), 2).boxed(), borrowed(&mut local).boxed()];
        let sum: Result<u32, String> = block_on(async {
            let mut sum = 0;
            let owner = Owner { managers };
            for manager in owner.managers {
                sum += with!(manager as number => *number)?;
            }
            Ok(sum)
        });
        assert_eq!((sum, local), (Ok(6), 103));
        assert_eq!(log.take(), ["Completed 1", "Completed 2"]);
    }

    #[test]
    fn manager_can_be_recursive() {
        fn nested(log: Log, depth: u32) -> Counter<'static> {
            level(log, depth).boxed()
        }
        #[async_context_manager]
        async fn level(log: Log, depth: u32) -> Result<&mut u32, String> {
            let mut own = depth;
            if depth == 0 {
                r#yield!(&mut own);
            } else {
                return Err("it is not a leaf".to_string());
            }
            log.add("leaf");
            Ok(())
        }
        async fn sum(log: Log, depth: u32) -> Result<u32, String> {
            let below = if depth == 0 { 0 } else { Box::pin(sum(log.clone(), depth - 1)).await? };
            with!(nested(log, 0) as number => *number + below + depth)
        }
        let log = Log::new();
        assert_eq!(block_on(sum(log.clone(), 3)), Ok(6));
        assert_eq!(log.take(), ["leaf"; 4]);
    }

    /// Visits a tree of managers: each holds those below it.
    #[test]
    fn manager_can_hold_itself() {
        fn tree(log: Log, depth: u32) -> BoxManager<'static, lent::Owned<u32>> {
            node(log, depth).boxed()
        }
        #[async_context_manager]
        async fn node(log: Log, depth: u32) -> u32 {
            let below = if depth == 0 { nothing().boxed() } else { tree(log.clone(), depth - 1) };
            with!(below as below => {
                let outcome = r#yield!(below + 1);
                log.add(format!("{depth} {outcome:?}"));
            });
        }
        #[async_context_manager]
        async fn nothing() -> u32 {
            r#yield!(0);
        }
        let log = Log::new();
        assert_eq!(block_on(is_send(async { with!(tree(log.clone(), 3) as nodes => nodes) })), 4);
        assert_eq!(log.take(), ["3 Completed", "2 Completed", "1 Completed", "0 Completed"]);
        drop_after(1, async { with!(tree(log.clone(), 2) as _nodes => pending::<()>().await) });
        assert_eq!(log.take(), ["2 Cancelled", "1 Cancelled", "0 Cancelled"]);
    }

    #[tokio::test]
    async fn manager_is_returned_by_a_method_of_a_dyn_trait() {
        trait Storage: Send + Sync {
            fn open(&self) -> Counter<'_>;
        }
        struct Memory(Log);
        impl Storage for Memory {
            fn open(&self) -> Counter<'_> {
                counter(&self.0, 5).boxed()
            }
        }
        let log = Log::new();
        let storage: Box<dyn Storage> = Box::new(Memory(log.clone()));
        let ended = tokio::spawn(async move { with!(storage.open() as number => *number) });
        assert_eq!(ended.await.expect("it does not panic"), Ok(5));
        assert_eq!(log.take(), ["Completed 5"]);
    }

    #[tokio::test]
    async fn manager_of_a_trait_can_be_spawned_in_generic_code() {
        trait Storage: Send + Sync + 'static {
            fn open(&self) -> Counter<'_>;
        }
        struct Memory(Log);
        impl Storage for Memory {
            fn open(&self) -> Counter<'_> {
                counter(&self.0, 5).boxed()
            }
        }
        async fn add_one<S: Storage>(storage: Arc<S>) -> Result<u32, String> {
            with!(storage.open() as number => {
                *number += 1;
                yields(1).await;
                *number
            })
        }
        fn spawn<S: Storage>(storage: Arc<S>) -> JoinHandle<Result<u32, String>> {
            tokio::spawn(add_one(storage))
        }
        let log = Log::new();
        assert_eq!(spawn(Arc::new(Memory(log.clone()))).await.expect("it does not panic"), Ok(6));
        assert_eq!(log.take(), ["Completed 6"]);
    }

    #[tokio::test]
    async fn manager_is_an_argument_of_a_function_that_spawns() {
        async fn take<T, E>(manager: impl AnyManager<lent::Mut<T>, Exit = Result<(), E>>) -> Result<T, E>
        where
            T: Default,
        {
            with!(manager as value => std::mem::take(value))
        }
        fn spawn<T, E>(manager: BoxManager<'static, lent::Mut<T>, Result<(), E>>) -> JoinHandle<Result<T, E>>
        where
            T: Default + Send + 'static,
            E: Send + 'static,
        {
            tokio::spawn(take(manager))
        }
        let log = Log::new();
        let taken = spawn(owned_counter(log.clone(), 5).boxed());
        assert_eq!(taken.await.expect("it does not panic"), Ok(5));
        assert_eq!(log.take(), ["Completed 0"]);
    }

    #[test]
    fn manager_that_is_not_send_is_local() {
        #[async_context_manager]
        async fn local(number: Rc<u32>) -> u32 {
            r#yield!(*number);
            yields(1).await;
        }
        let manager: LocalBoxManager<'_, lent::Owned<u32>> = local(Rc::new(3)).boxed_local();
        assert_eq!(block_on(async { with!(manager as number => number) }), 3);
    }

    #[test]
    fn manager_is_an_any_manager_and_a_scope() {
        async fn get(manager: impl AnyManager<lent::Mut<u32>, Exit = Exit>) -> Result<u32, String> {
            with!(manager as number => *number)
        }
        let log = Log::new();
        assert_eq!(block_on(get(counter(&log, 1).boxed())), Ok(1));
        assert_eq!(block_on(counter(&log, 2).boxed().scope(async |number| *number)), Ok(2));
        assert_eq!(block_on(get(counter(&log, 3).boxed().boxed())), Ok(3));
    }

    #[test]
    fn managers_are_entered_on_a_stack() {
        let log = Log::new();
        let sum: Result<u32, String> = block_on(async {
            with!(AsyncExitStack::new() as stack => {
                let one = stack.enter(counter(&log, 1).boxed()).await?;
                let two = stack.enter(owned_counter(log.clone(), 2).shielded().boxed()).await?;
                *one + *two
            })
        });
        assert_eq!(sum, Ok(3));
        assert_eq!(log.take(), ["Completed 2", "Completed 1"]);
    }

    #[test]
    fn manager_sees_how_the_block_ended() {
        let log = Log::new();
        let failed: Result<(), String> =
            block_on(async { with!(counter(&log, 1).boxed() as _number => Err("it failed".to_string())?) });
        assert_eq!(failed, Err("it failed".to_string()));
        let panics = async {
            let ended: Result<(), String> = with!(counter(&log, 2).boxed() as _number => panic!("it panicked"));
            ended
        };
        assert_eq!(panic_message(panics), "it panicked");
        drop_after(2, async { with!(with_poll(&log).boxed() as _number => pending::<()>().await) });
        assert_eq!(log.take(), ["Failed(()) 1", "Panicked 2", "Cancelled"]);

        #[async_context_manager]
        async fn with_poll(log: &Log) {
            yields(1).await;
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
        }
    }

    #[test]
    fn manager_that_is_dropped_unentered_drops_its_arguments() {
        let log = Log::new();
        #[async_context_manager]
        async fn holds(_guard: tests::OnDrop) {
            r#yield!();
        }
        drop(holds(log.on_drop("dropped")).boxed());
        assert_eq!(log.take(), ["dropped"]);
    }

    #[tokio::test(start_paused = true)]
    async fn manager_is_stopped_and_awaited() {
        let log = Log::new();
        let left = with!(move_on_after(Duration::from_millis(1)) => {
            let _left: Exit = with!(counter(&log, 1).boxed() as _number => pending::<()>().await);
        });
        assert_eq!(left, None);
        assert_eq!(log.take(), ["Cancelled 1"]);
    }

    /// What has no work to lose does not report that it was cut, also in a box.
    #[test]
    fn shielded_manager_and_group_report_no_loss_when_they_are_dropped() {
        let said = tests::alone(|| {
            let log = Log::new();
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
            runtime.block_on(async {
                let leaving = async { with!(owned_counter(log.clone(), 1).shielded().boxed() as _number => ()) };
                drop_after(2, leaving);
                let group = task_group::<String>().boxed();
                drop_after(2, async {
                    with!(group as group => {
                        group.spawn(pending::<Result<(), String>>());
                    })
                });
                rescue::drain().await;
            });
            assert_eq!(log.take(), ["Completed 1"]);
        });
        assert!(tests::told(&said).is_empty(), "{said}");
    }

    #[test]
    fn shows_its_name() {
        let log = Log::new();
        assert_eq!(format!("{:?}", counter(&log, 1).boxed()), "Manager { boxed: \"counter\", .. }");
    }
}

/// A manager of a trait that borrows from several arguments, some with a named lifetime.
trait Copies {
    #[async_context_manager]
    async fn copy<'to>(&self, from: &str, to: &'to Log) -> u32;
}

struct Copier(u32);

impl Copies for Copier {
    #[async_context_manager]
    async fn copy<'to>(&self, from: &str, to: &'to Log) -> u32 {
        to.add(from);
        r#yield!(self.0);
        to.add("copied");
    }
}

#[test]
fn manager_of_a_trait_borrows_from_several_arguments() {
    async fn twice(copies: &impl Copies, log: &Log) -> u32 {
        with!(copies.copy("a", log) as first => { with!(copies.copy("b", log) as second => { first + second }) })
    }
    let log = Log::default();
    assert_eq!(block_on(twice(&Copier(2), &log)), 4);
    assert_eq!(log.take(), ["a", "b", "copied", "copied"]);
}
