#!/usr/bin/env bash
# A Slurm of one node on the loopback device, for tests: everything lies in the folder DIR, nothing is written elsewhere.
# Usage: start.sh DIR; then put DIR/bin first in PATH. End it with stop.sh DIR.
set -euo pipefail
DIR=$(realpath -m "${1:?usage: start.sh DIR}")
HOST=$(hostname -s)
PORT=${SLURM_TEST_PORT:-26817}
mkdir -p "$DIR"/{bin,state,spool,log,run}
chmod 755 "$DIR" "$DIR"/*

cat > "$DIR/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$DIR/run/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/slurmd.pid
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.log
JobCompType=jobcomp/filetxt
JobCompLoc=$DIR/log/jobs.txt
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MinJobAge=600
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo) State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

# Whoever drops SLURM_CONF from the environment still finds this Slurm: the commands in DIR/bin set it again.
for command in sbatch squeue scancel sinfo srun scontrol sacct sacctmgr; do
  [ -x "/usr/bin/$command" ] || continue
  printf '#!/bin/sh\nSLURM_CONF=%s exec /usr/bin/%s "$@"\n' "$DIR/slurm.conf" "$command" > "$DIR/bin/$command"
  chmod +x "$DIR/bin/$command"
done

if [ ! -s "$DIR/munge.key" ]; then
  head -c 128 /dev/urandom > "$DIR/munge.key"
  chmod 600 "$DIR/munge.key"
fi
export SLURM_CONF="$DIR/slurm.conf"
munged --force --key-file="$DIR/munge.key" --socket="$DIR/run/munge.socket" --pid-file="$DIR/run/munged.pid" \
  --log-file="$DIR/log/munged.log" --seed-file="$DIR/munge.seed"
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF" -N "$HOST"
for _ in $(seq 100); do
  if [ "$(timeout 5 sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then exit 0; fi
  sleep 0.2
done
echo "the node did not become idle" >&2
tail "$DIR"/log/*.log >&2
exit 1
