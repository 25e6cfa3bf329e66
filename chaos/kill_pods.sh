#!/bin/sh
# Kills a replica of what `statefall up` holds (SIGKILL). It starts again in place, with an empty memory.
# Options of `statefall fault` may follow, for example --count 2 or --pod NAME.
set -eu
statefall fault kill --count 1 "$@"
