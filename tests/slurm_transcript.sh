#!/usr/bin/env bash
# Two runs that get a minute at a time and need more: `python -m tests.slurm_node bash tests/slurm_transcript.sh`, 3 min.
# Slurm looks at its clock every 30 s and may signal up to 60 s early, hence @1; a run of hours wants minutes, @300.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { # a command as one would type it, then what it prints
    echo "\$ ${1//$python/python}"
    eval "$1" 2>&1 | sed -e "s|$work|/work|g" -e "s|$python|python|g" -e "s|$root/||g"
    echo
}

cat > "$work/job.sh" <<EOF
#!/bin/sh
#SBATCH --array=0-1 --ntasks=1 --time=1 --signal=B:USR1@1
#SBATCH --requeue --open-mode=append --output=%A_%a.log --chdir=$work
exec $python $root/train.py seed=\$SLURM_ARRAY_TASK_ID epochs=${EPOCHS:-60} trainer=cpu threads=1 logger=csv
EOF
cd "$work"
say 'cat job.sh'
say 'sbatch job.sh'
before=
while now=$(squeue --noheader --array --format='%i %T %r' --sort=i) && [ "$now" ]; do
    if [ "$now" != "$before" ] && [[ $now != *COMPLETING* ]]; then
        echo "$(date +%T)  ${now//$'\n'/, }"
        before=$now
    fi
    sleep 0.5
done
echo
say "grep -v '^epoch .*[1-9]/' 1_0.log"
say "$python -m litmus.cli runs list"
