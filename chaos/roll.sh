#!/bin/sh
# A rolling update: every replica is replaced, one more at a time and none missing.
set -eu
statefall fault roll "$@"
