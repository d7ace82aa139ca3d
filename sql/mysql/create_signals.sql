-- What workers are told. A queue that has a row is paused. The row without a queue's name gets another token
-- when the workers that run shall end, to be started again. The key is binary, as to text "a" and "a " are
-- equal.
CREATE TABLE jobs_signals (
    driver VARBINARY(255) NOT NULL,
    queue VARBINARY(255) NOT NULL,
    token BIGINT NULL,
    created_at VARCHAR(40) CHARACTER SET ascii NOT NULL DEFAULT (DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%fZ')),
    PRIMARY KEY (driver, queue)
) ENGINE = InnoDB;
