#!/bin/sh
# Has a replica stand still (SIGSTOP) and go on again: it is slow, not dead, and forgets nothing.
# Options of `statefall fault` may follow, for example --duration 30.
set -eu
statefall fault pause --duration 10 "$@"
