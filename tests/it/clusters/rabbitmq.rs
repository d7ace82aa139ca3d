//! A RabbitMQ cluster of three nodes, with quorum queues.

use std::thread;
use std::time::Duration;

use super::{History, JOBS, history};
use crate::amqp::site::Site;
use crate::servers::rabbitmq_cluster::Cluster;
use crate::support::wait_until;

/// A cluster, and a place to work on it: workers and pushes ask its nodes in turn, beginning with this one.
fn site(cluster: &Cluster, first: usize) -> Site {
    let url = cluster.nodes[0].vhost();
    let (_, vhost) = url.rsplit_once('/').unwrap();
    let site = Site::at(&cluster.hosts(first), vhost, "queue_type = \"quorum\"\n");
    // A worker declares what is needed.
    let worker = site.worker(&[]);
    worker.wait_for("event=started");
    site.queue.push(site.job(JOBS)).unwrap();
    wait_until("the first job", || site.done() == 1);
    worker.signal("TERM");
    assert_eq!(worker.wait(), (Some(0), None));
    std::fs::remove_file(site.file()).unwrap();
    cluster.wait_until_whole(vhost);
    site
}

fn run(name: &str, site: &Site, disturb: impl FnOnce()) -> History {
    let workers = [(); 2].map(|()| site.worker(&["--workers", "4"]));
    let history = history(name, &site.queue, &site.file(), workers, false, disturb);
    assert_eq!((site.waiting(), site.failed().len()), (0, 0));
    history
}

/// Each of both workers may have had so many jobs in its hands when it lost its connection.
const HELD: usize = 2 * 4;

#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn the_leader_of_the_queue_is_killed() {
    let mut cluster = Cluster::start();
    let site = site(&cluster, 0);
    let leader = cluster.leader(&site.vhost, "default");
    let site = Site::at(&cluster.hosts(leader + 1), &site.vhost, "queue_type = \"quorum\"\n");
    let history = run("rabbitmq: the leader is killed", &site, || {
        cluster.nodes[leader].kill();
        let before = site.ends();
        wait_until("jobs without it", || site.ends() > before + 500);
        cluster.nodes[leader].start_again();
        cluster.wait_until_whole(&site.vhost);
    });
    assert!(history.lost == 0 && history.doubled <= HELD && history.attempt == 1, "{history:?}");
}

#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn the_node_of_the_workers_is_killed() {
    let mut cluster = Cluster::start();
    let site = site(&cluster, 0);
    let history = run("rabbitmq: the node of the workers is killed", &site, || {
        cluster.nodes[0].kill();
        let before = site.ends();
        wait_until("jobs without it", || site.ends() > before + 500);
        cluster.nodes[0].start_again();
        cluster.wait_until_whole(&site.vhost);
    });
    assert!(history.lost == 0 && history.doubled <= HELD && history.attempt == 1, "{history:?}");
}

/// The node of the workers and of the pusher is alone on its side.
#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn the_network_falls_apart() {
    let cluster = Cluster::start();
    let site = site(&cluster, 1);
    let history = run("rabbitmq: the node of the workers is parted from the others", &site, || {
        cluster.part(1);
        // It has noticed that it is alone, and pauses, or has lost its leaders.
        thread::sleep(Duration::from_secs(20));
        let before = site.ends();
        wait_until("jobs at the others", || site.ends() > before + 500);
        cluster.heal(1);
        cluster.wait_until_whole(&site.vhost);
    });
    assert!(history.lost == 0 && history.doubled <= HELD && history.attempt == 1, "{history:?}");
}

/// Silent, with open connections: its clients notice by the heartbeat.
#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn the_node_of_the_workers_falls_silent() {
    let cluster = Cluster::start();
    let site = site(&cluster, 1);
    let history = run("rabbitmq: the node of the workers falls silent", &site, || {
        cluster.nodes[1].pause();
        let before = site.ends();
        wait_until("jobs at the others", || site.ends() > before + 500);
        cluster.nodes[1].resume();
        cluster.wait_until_whole(&site.vhost);
    });
    assert!(history.lost == 0 && history.doubled <= HELD && history.attempt == 1, "{history:?}");
}

#[test]
#[ignore = "takes minutes, run by tests/clusters"]
fn each_node_is_restarted_in_turn() {
    let mut cluster = Cluster::start();
    let site = site(&cluster, 0);
    let history = run("rabbitmq: each node is restarted in turn", &site, || {
        for at in 0..3 {
            cluster.nodes[at].restart();
            cluster.wait_until_whole(&site.vhost);
        }
    });
    assert!(history.lost == 0 && history.doubled <= 3 * HELD && history.attempt == 1, "{history:?}");
}
