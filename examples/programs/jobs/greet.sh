#!/bin/sh
# {"name": "Ada"}
set -eu

name=$(sed -n 's/.*"name": *"\([^"]*\)".*/\1/p')
if [ -z "$name" ]; then
	echo "whom should I greet? The payload has no name" >&2
	exit 65 # no further attempt would find one
fi
echo "Hello, $name! This is attempt $CRAFT_ATTEMPT of $CRAFT_JOB_NAME #$CRAFT_JOB_ID, from queue $CRAFT_QUEUE."
