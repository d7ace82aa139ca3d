"""{"text": "to be or not to be", "least": 2}: the words that come at least so often."""

import json
import sys
from collections import Counter

DONE, FAIL_NOW = 0, 65


def main() -> int:
    job = json.load(sys.stdin)
    if not isinstance(job.get("text"), str):
        print("the payload has no text", file=sys.stderr)
        return FAIL_NOW
    for word, count in Counter(job["text"].lower().split()).most_common():
        if count >= job.get("least", 1):
            print(f"{count} {word}")
    return DONE


# An exception that is not caught makes Python exit with 1: a failed attempt, and its traceback the reason.
sys.exit(main())
