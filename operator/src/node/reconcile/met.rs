//! What stood in the way when the last plan was written, until the next one meets something else.

use super::super::observe::Watched;
use super::super::plan::owned::Obstacle;

/// The obstacles, and when they were met.
#[derive(Debug, Default)]
pub struct Met {
    obstacles: Vec<Obstacle>,
    /// Generations of the local organizations then.
    at: Vec<Option<i64>>,
}

impl Met {
    /// What stood in the way.
    pub fn obstacles(&self) -> &[Obstacle] {
        &self.obstacles
    }

    /// Takes note of what stood in the way now. Returns whether that is something else than before.
    ///
    /// The API server lists what is wrong with a map in another order each time: while the same
    /// objects are refused of the same generation, the first text stands.
    pub fn take(&mut self, obstacles: &[Obstacle], watched: &Watched) -> bool {
        let subject = |obstacle: &Obstacle| {
            let subject = obstacle.text.split(": ").next().unwrap_or_default();
            (subject.to_owned(), obstacle.is_mistake)
        };
        let subjects = |all: &[Obstacle]| all.iter().map(subject).collect::<Vec<_>>();
        let locals = watched.organizations.objects();
        let locals = locals.iter().filter(|o| o.spec.node.is_some());
        let at: Vec<_> = locals.map(|o| o.metadata.generation).collect();
        if subjects(obstacles) == subjects(&self.obstacles) && at == self.at {
            return false;
        }
        self.at = at;
        let changed = obstacles != self.obstacles;
        self.obstacles = obstacles.to_vec();
        changed
    }
}
