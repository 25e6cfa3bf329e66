#!/bin/sh
# Takes the session store away and brings it back with what it held.
# Options of `statefall fault` may follow, for example --duration 30.
set -eu
statefall fault store-outage --duration 10 "$@"
