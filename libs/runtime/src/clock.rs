//! The clock that handlers read. Tests and the local cloud can set it forward; nothing else can.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

/// The system's time plus an offset that is zero outside of tests.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    stopped_at: Option<Timestamp>,
    offset_millis: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that moves only when it is set forward, so that a run can be repeated to the millisecond.
    pub fn stopped_at(at: Timestamp) -> Self {
        Clock { stopped_at: Some(at), ..Clock::default() }
    }

    /// Now, in whole milliseconds as the database keeps them.
    #[expect(clippy::disallowed_methods, reason = "here is where everybody else takes it from")]
    pub fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_millis(self.offset_millis.load(Ordering::Relaxed));
        domain::time::to_millis(self.stopped_at.unwrap_or_else(Timestamp::now) + offset)
    }

    /// Sets the clock forward for everybody who shares it.
    pub fn advance(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset_millis.fetch_add(millis, Ordering::Relaxed);
    }
}
