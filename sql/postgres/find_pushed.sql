-- Two looks into an index each; an OR of the two becomes a scan where bitmaps are off.
(SELECT id, true AS itself FROM jobs WHERE uuid = $1)
UNION ALL
(SELECT id, false FROM jobs WHERE unique_key = $2)
ORDER BY itself DESC
LIMIT 1;
