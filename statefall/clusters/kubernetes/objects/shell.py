"""What is run in a container by its own shell."""

from __future__ import annotations

from typing import Final

_STOP: Final = """
kill -STOP -1
tries=0
while :; do
  states=
  for process in /proc/[1-9]*; do
    number=${process#/proc/}
    if [ "$number" != 1 ] && [ "$number" != $$ ]; then
      while read -r key value rest; do
        [ "$key" = State: ] && states="$states $value"
      done < "$process/status"
    fi
  done 2> /dev/null
  tries=$((tries + 1))
  case "$states" in *[!T\\ ]*) [ $tries -lt 30 ] || break ;; *) break ;; esac
  sleep 0.1
done
echo $states
true
"""
PAUSE: Final = ("sh", "-c", _STOP)
"""Stops all processes but the init and this shell itself, and prints the state of each once all stand still,
or after 3 s: a process that waits for its turn is stopped when it gets it."""
GO_ON: Final = ("sh", "-c", "kill -CONT -1")
