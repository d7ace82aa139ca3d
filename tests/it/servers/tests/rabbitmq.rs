use super::super::rabbitmq::{Options, RabbitMq};
use super::leaves_nothing;

/// Erlang for a durable queue in the vhost `/`: the harness has no AMQP client.
const DECLARE: &str = "rabbit_amqqueue:declare(rabbit_misc:r(<<\"/\">>, queue, <<\"kept\">>), \
                       true, false, [], none, <<\"test\">>).";

#[test]
fn each_test_has_a_vhost_of_its_own() {
    let broker = RabbitMq::shared();
    let [one, other] = [broker.vhost(), broker.vhost()];
    assert_ne!(one, other);
    let (_, name) = one.rsplit_once('/').expect("an url");
    let permissions = broker.rabbitmqctl(&["list_permissions", "-p", name]);
    assert!(permissions.contains("guest\t.*\t.*\t.*"), "{permissions}");
    assert!(broker.url().ends_with("/%2f"));
    let wrong = broker.try_rabbitmqctl(&["authenticate_user", "guest", "wrong"]);
    let error = wrong.unwrap_err();
    assert!(error.contains("failed to authenticate user"), "{error}");
}

#[test]
fn what_is_durable_survives_a_kill_and_a_restart() {
    let mut broker = RabbitMq::start(Options::default().setting("consumer_timeout = 12345"));
    let setting = ["eval", "application:get_env(rabbit, consumer_timeout)."];
    assert_eq!(broker.rabbitmqctl(&setting), "{ok,12345}");
    broker.rabbitmqctl(&["eval", DECLARE]);
    broker.sync_definitions();
    let before = (broker.id(), broker.port());
    broker.kill();
    assert_eq!(broker.id(), None);
    assert!(broker.try_rabbitmqctl(&["status"]).is_err());
    broker.start_again();
    assert_ne!(broker.id(), before.0);
    assert_eq!(broker.port(), before.1);
    broker.restart();
    let queues = broker.rabbitmqctl(&["list_queues", "--no-table-headers", "name", "durable"]);
    assert_eq!(queues, "kept\ttrue");
    assert_eq!(broker.rabbitmqctl(&["list_users", "--no-table-headers"]), "guest\t[administrator]");
    let (pid, folder) = (broker.id(), broker.folder().to_path_buf());
    leaves_nothing(broker, pid, &folder);
}
