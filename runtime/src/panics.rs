//! Panics: they are caught with `std`, and propagate without it.

use core::mem::needs_drop;

#[cfg(feature = "std")]
mod imp {
    use std::any::Any;
    use std::boxed::Box;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// The payload of a panic.
    pub(crate) type Payload = Box<dyn Any + Send>;

    /// A boxed `Payload`: one word instead of two, for places that are almost always empty.
    pub(crate) struct Parcel(Box<Payload>);

    impl Parcel {
        pub(crate) fn new(payload: Payload) -> Self {
            Self(Box::new(payload))
        }

        pub(crate) fn open(self) -> Payload {
            *self.0
        }

        pub(crate) fn resume(self) -> ! {
            resume(self.open())
        }
    }

    /// Runs `f` and catches its panic.
    ///
    /// `AssertUnwindSafe` is correct here: the callers drop whatever a panic left half changed, or resume the panic.
    #[inline]
    pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
        catch_unwind(AssertUnwindSafe(f))
    }

    /// A placeholder for the payload of a panic that another part of the code holds and resumes.
    pub(crate) struct PayloadElsewhere;

    /// Resumes a caught panic, without a second message of the panic hook.
    pub(crate) fn resume(payload: Payload) -> ! {
        std::panic::resume_unwind(payload)
    }

    /// Runs `f` where a panic must not propagate. The panic hook has already reported the panic.
    #[inline]
    pub(crate) fn contain(f: impl FnOnce()) {
        let Err(payload) = catch(f) else { return };
        if let Err(payload) = catch(move || drop(payload)) {
            // The new payload may panic when it is dropped, too, and so on.
            core::mem::forget(payload);
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    /// The payload of a panic: uninhabited, because no panic is caught.
    pub(crate) type Payload = core::convert::Infallible;

    pub(crate) struct Parcel(Payload);

    impl Parcel {
        pub(crate) fn new(payload: Payload) -> Self {
            match payload {}
        }

        pub(crate) fn resume(self) -> ! {
            resume(self.0)
        }
    }

    pub(crate) fn resume(payload: Payload) -> ! {
        match payload {}
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same signature as with `std`")]
    #[inline]
    pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
        Ok(f())
    }

    #[inline]
    pub(crate) fn contain(f: impl FnOnce()) {
        f();
    }
}

/// Drops `value` and contains the panic of its destructor.
pub(crate) fn discard<T>(value: T) {
    if needs_drop::<T>() {
        let mut value = Some(value);
        contain_any(&mut || drop(value.take()));
    }
}

/// Same as `contain`, compiled only once.
#[inline(never)]
fn contain_any(f: &mut dyn FnMut()) {
    contain(f);
}

#[cfg(feature = "std")]
pub(crate) use imp::PayloadElsewhere;
pub(crate) use imp::{Parcel, Payload, catch, contain, resume};

/// Aborts the process, also without `std`, by a panic while another one unwinds, which Rust never lets propagate.
pub(crate) fn abort(message: core::fmt::Arguments<'_>) -> ! {
    struct AbortOnDrop;

    impl Drop for AbortOnDrop {
        fn drop(&mut self) {
            panic!("aborting");
        }
    }

    let _abort = AbortOnDrop;
    panic!("{message}");
}
