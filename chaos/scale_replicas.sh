#!/bin/sh
# Takes a replica away for a while, then adds one for a while; afterwards there are as many as before.
# Options of `statefall fault` may follow, for example --duration 60.
set -eu
statefall fault scale-in --duration 10 "$@"
statefall fault scale-out --duration 10 "$@"
