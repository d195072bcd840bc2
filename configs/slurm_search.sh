#!/bin/bash
# A search by many workers under SLURM:  sbatch configs/slurm_search.sh configs/digits_mlp_taylor.yaml
#
# Every task is a worker with one GPU; tasks meet in the study, so jobs may come, go and be requeued at any time, and
# several jobs may work on one search. Submit it again to continue.
#SBATCH --job-name=loss-search
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@60
#SBATCH --requeue
#SBATCH --output=%x-%j.log

# A file serves a few workers, on a disk that all nodes see; for many, name a database:
#   STORAGE=postgresql://USER@HOST/DATABASE sbatch configs/slurm_search.sh ...
STORAGE=${STORAGE:-$PWD/study.log}

# The name keeps Lightning from taking the tasks for ranks of one training. To train every candidate on several GPUs
# instead, leave it out, take one task per GPU, and add
#   --trainer.devices=4 --trainer.num_nodes=2 --trainer.strategy=ddp
srun --job-name=interactive python -m glo_lightning.search --config "$1" --search.storage="$STORAGE"
