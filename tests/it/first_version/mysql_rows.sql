-- What workers of version 0.1.0 may leave: jobs that wait, are due later, are held, were held by a worker that died, have a
-- unique key, have options, were tried; and a failed one.
INSERT INTO jobs
    (id, uuid, name, payload, attempts, priority, available_at, reserved_at, ran_at, created_at, token, lease, suspect, last_error, unique_key, options)
VALUES
    (1, '019af000-0000-7000-a000-000000000001', 'Echo', '"waits"', 0, 0, UTC_TIMESTAMP(6), NULL, NULL, '2026-01-31T12:00:00.000Z', NULL, NULL, 0, NULL, NULL, NULL),
    (2, '019af000-0000-7000-a000-000000000002', 'Echo', '"later"', 0, 0, UTC_TIMESTAMP(6) + INTERVAL 3600 SECOND, NULL, NULL, '2026-01-31T12:00:00.000Z', NULL, NULL, 0, NULL, NULL, NULL),
    (3, '019af000-0000-7000-a000-000000000003', 'Echo', '"held"', 1, 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), NULL, '2026-01-31T12:00:00.000Z', 4711, UTC_TIMESTAMP(6) + INTERVAL 3600 SECOND, 0, NULL, NULL, NULL),
    (4, '019af000-0000-7000-a000-000000000004', 'Echo', '"was held"', 1, 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL -3600 SECOND, NULL, '2026-01-31T12:00:00.000Z', 4712, UTC_TIMESTAMP(6) + INTERVAL -3600 SECOND, 0, NULL, NULL, NULL),
    (5, '019af000-0000-7000-a000-000000000005', 'Echo', '"unique"', 0, 0, UTC_TIMESTAMP(6), NULL, NULL, '2026-01-31T12:00:00.000Z', NULL, NULL, 0, NULL, 'order-5', '{"unique_key":"order-5"}'),
    (6, '019af000-0000-7000-a000-000000000006', 'Echo', '"options"', 0, 9, UTC_TIMESTAMP(6), NULL, NULL, '2026-01-31T12:00:00.000Z', NULL, NULL, 0, NULL, NULL, '{"attempts":5,"priority":9}'),
    (7, '019af000-0000-7000-a000-000000000007', 'Echo', '"tried"', 1, 0, UTC_TIMESTAMP(6), NULL, UTC_TIMESTAMP(6), '2026-01-31T12:00:00.000Z', NULL, NULL, 0, 'it did not work', NULL, NULL),
    (8, '019af000-0000-7000-a000-000000000008', 'Echo', '"held, too"', 1, 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), NULL, '2026-01-31T12:00:00.000Z', 4713, UTC_TIMESTAMP(6) + INTERVAL 3600 SECOND, 0, NULL, NULL, NULL);
INSERT INTO failed_jobs (id, uuid, driver, connection, queue, name, payload, exception, attempts, failed_at, created_at, options)
VALUES (1, '019af000-0000-7000-a000-000000000009', 'database', 'server', 'default', 'Echo', '"failed"', 'why', 3,
    '2026-01-31T12:00:00.000+00:00', '2026-01-31T12:00:00.000+00:00', NULL);
