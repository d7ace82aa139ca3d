-- Two looks into an index each; an OR of the two may become a scan.
SELECT id, itself
FROM (
    SELECT id, 1 AS itself FROM jobs WHERE uuid = ?1
    UNION ALL
    SELECT id, 0 FROM jobs WHERE unique_key = ?2
)
ORDER BY itself DESC
LIMIT 1;
