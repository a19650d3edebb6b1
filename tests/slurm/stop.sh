#!/usr/bin/env bash
# End what start.sh DIR started.
DIR=$(realpath "${1:?usage: stop.sh DIR}")
for daemon in slurmd slurmctld munged; do
  if [ -s "$DIR/run/$daemon.pid" ]; then kill "$(cat "$DIR/run/$daemon.pid")"; fi
done
exit 0
