#!/bin/sh
# Deletes a replica gracefully: it is fenced, gets SIGTERM and time to finish, and a successor comes.
# Options of `statefall fault` may follow, for example --count 2 or --grace 3.
set -eu
statefall fault delete --count 1 "$@"
