//! A private RabbitMQ cluster: three nodes that know each other.

use std::sync::Arc;
use std::time::Duration;

use super::rabbitmq::{Epmd, Options, RabbitMq};
use super::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(120);

/// Killed and removed when it is dropped.
pub struct Cluster {
    pub nodes: [RabbitMq; 3],
}

impl Cluster {
    /// Three nodes, of which the smaller part pauses where a network falls apart, as it should be set up.
    pub fn start() -> Cluster {
        let epmd = Arc::new(Epmd::start());
        let nodes = [(); 3].map(|()| {
            let options = Options::default()
                .setting("cluster_partition_handling = pause_minority")
                // Else a node that is silent is away for its peers after a minute.
                .setting("net_ticktime = 8");
            RabbitMq::start_at(options, epmd.clone())
        });
        for node in &nodes[1..] {
            node.rabbitmqctl(&["stop_app"]);
            node.rabbitmqctl(&["join_cluster", &nodes[0].node()]);
            node.rabbitmqctl(&["start_app"]);
            node.rabbitmqctl(&["await_startup"]);
        }
        Cluster { nodes }
    }

    /// `host:port` of each node, with commas between, beginning with this one.
    pub fn hosts(&self, first: usize) -> String {
        let each = (0..3).map(|at| format!("127.0.0.1:{}", self.nodes[(first + at) % 3].port()));
        each.collect::<Vec<_>>().join(",")
    }

    /// Which node leads a quorum queue.
    pub fn leader(&self, vhost: &str, queue: &str) -> usize {
        let list = self.nodes[0].rabbitmqctl(&["list_queues", "-p", vhost, "name", "leader"]);
        let led_by = |node: &RabbitMq| list.lines().any(|line| line == format!("{queue}\t{}", node.node()));
        self.nodes.iter().position(led_by).unwrap_or_else(|| panic!("nobody leads {queue}: {list}"))
    }

    /// Waits until every quorum queue of a vhost has all its members.
    pub fn wait_until_whole(&self, vhost: &str) {
        wait_until("all members are there", LIMIT, || {
            let all = ["list_queues", "-p", vhost, "--no-table-headers", "type", "online"];
            let list = self.nodes[0].try_rabbitmqctl(&all).unwrap_or_default();
            let mut quorum = list.lines().filter(|line| line.contains("quorum")).peekable();
            quorum.peek().is_some() && quorum.all(|line| line.matches("craft-").count() == 3)
        });
    }

    /// Cuts a node off from the other two, which its clients do not notice.
    pub fn part(&self, one: usize) {
        self.set_cookie(one, "PARTED");
    }

    /// The end of that.
    pub fn heal(&self, one: usize) {
        self.set_cookie(one, "CRAFTQUEUE");
    }

    /// A node that shows another cookie than a peer expects is not let in, by neither side. From both at once: Erlang
    /// takes further connections down where only a part of them is lost.
    fn set_cookie(&self, one: usize, cookie: &str) {
        let others = self.nodes.iter().enumerate().filter(|(at, _)| *at != one);
        let peers: Vec<_> = others.map(|(_, other)| format!("'{}'", other.node())).collect();
        let set = format!(
            "P = [{}], [erlang:set_cookie(N, '{cookie}') || N <- P], [erlang:disconnect_node(N) || N <- P].",
            peers.join(",")
        );
        self.nodes[one].rabbitmqctl(&["eval", &set]);
    }
}
