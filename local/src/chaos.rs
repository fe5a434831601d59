//! What goes wrong on purpose, driven by a seed: invocations that die at any await, messages and records that come twice,
//! batches out of order.

use std::{
    future::poll_fn,
    sync::{Mutex, PoisonError},
    task::Poll,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// A handler awaits less often than this.
const LATEST_DEATH: u32 = 60;

/// What goes wrong. Probabilities are from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Chaos {
    /// The same seed does the same, as far as scheduling allows.
    pub seed: u64,
    /// How likely an invocation dies at some await: what it has done stays done, and nobody hears of it.
    pub die: f64,
    /// How likely messages and records are delivered a second time although they were handled.
    pub repeat: f64,
    /// Whether a batch of messages is shuffled. (Records of a stream keep their order, as on AWS.)
    pub shuffle: bool,
    /// Whether failed messages become visible at once instead of after their visibility timeout.
    pub retry_at_once: bool,
}

/// Chaos as it unfolds.
#[derive(Debug, Default)]
pub struct Dice(Mutex<Option<(Chaos, StdRng)>>);

impl Dice {
    /// Starts a new run of chaos, or ends it.
    pub fn set(&self, chaos: Option<Chaos>) {
        let fresh = chaos.map(|chaos| (chaos, StdRng::seed_from_u64(chaos.seed)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// What is set; nothing goes wrong where nothing is.
    pub fn chaos(&self) -> Chaos {
        self.roll(|chaos, _| *chaos).unwrap_or_default()
    }

    /// Whether something that is this likely happens now.
    pub fn happens(&self, likely: impl FnOnce(&Chaos) -> f64) -> bool {
        self.roll(|chaos, random| random.random::<f64>() < likely(chaos)).unwrap_or(false)
    }

    /// Puts things into another order, if chaos shuffles.
    pub fn shuffle<T>(&self, things: &mut [T]) {
        self.roll(|chaos, random| {
            for index in (1..things.len()).rev().filter(|_| chaos.shuffle) {
                things.swap(index, random.random_range(0..=index));
            }
        });
    }

    /// After how many polls an invocation dies, if it does.
    pub fn death(&self) -> Option<u32> {
        self.roll(|chaos, random| (random.random::<f64>() < chaos.die).then(|| random.random_range(1..=LATEST_DEATH)))?
    }

    fn roll<T>(&self, with: impl FnOnce(&Chaos, &mut StdRng) -> T) -> Option<T> {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dice.as_mut().map(|(chaos, random)| with(chaos, random))
    }
}

/// Drops the work when it is polled once more than so often: whatever it had done by then stays done. `None` is death.
pub async fn die_after<T>(polls: u32, work: BoxFuture<'static, T>) -> Option<T> {
    let (mut left, mut work) = (polls, Some(work));
    poll_fn(move |cx| match &mut work {
        Some(running) if left > 0 => {
            left -= 1;
            running.poll_unpin(cx).map(Some)
        }
        _ => {
            work = None;
            Poll::Ready(None)
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn death_comes_at_an_await() {
        let work = |awaits: u32| {
            let awaiting = async move {
                for _ in 0..awaits {
                    tokio::task::yield_now().await;
                }
                awaits
            };
            awaiting.boxed()
        };
        assert_eq!(die_after(3, work(2)).await, Some(2));
        assert_eq!(die_after(3, work(3)).await, None);
    }

    #[test]
    fn the_same_seed_rolls_the_same() {
        let run = |seed| {
            let dice = Dice::default();
            dice.set(Some(Chaos { seed, die: 0.5, repeat: 0.5, shuffle: true, retry_at_once: true }));
            let mut order = [1, 2, 3, 4, 5, 6, 7, 8];
            dice.shuffle(&mut order);
            (order, (0..20).map(|_| dice.happens(|chaos| chaos.repeat)).collect::<Vec<_>>(), dice.death())
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let calm = Dice::default();
        assert!(!calm.happens(|chaos| chaos.repeat));
        assert_eq!(calm.death(), None);
    }
}
