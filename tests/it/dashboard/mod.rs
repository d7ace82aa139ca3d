//! The dashboard: what it shows and does on each database, whom it lets in, and how it looks in a real browser.

mod acts;
mod browser;
mod client;
mod command;
mod hostile;
mod pages;
mod requests;
mod safety;
mod webdriver;

use std::net::TcpListener;

use craft_queue::dashboard::{Dashboard, Server};
use craft_queue::{Config, Jobs, Queue};

use self::client::Client;
use crate::support::{Act, Diary, Then};

/// A queue whose dashboard is served.
pub struct Served {
    pub queue: Queue,
    pub server: Server,
}

impl Served {
    pub fn on(config: Config) -> Self {
        Self::with(config, |dashboard| dashboard)
    }

    pub fn with(config: Config, change: impl FnOnce(Dashboard) -> Dashboard) -> Self {
        let queue = Queue::open(config, Jobs::new().state(Diary::default()).add::<Act>()).unwrap();
        queue.install().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = change(Dashboard::new(queue.clone())).serve(listener).unwrap();
        Self { queue, server }
    }

    pub fn client(&self) -> Client {
        Client(self.server.address())
    }

    /// Pushes these jobs and runs them until none is left; those that fail do so for good.
    pub fn run(&self, jobs: impl IntoIterator<Item = (&'static str, Then)>) {
        for (name, then) in jobs {
            self.queue.options().attempts(1).push(Act::new(name, then)).unwrap();
        }
        self.queue.worker().stop_when_empty().run().unwrap();
    }
}
