"""Ranks of an MPI job train as one process does: the same losses within 1e-4. Arguments: mpirun,
mpi_trace."""
import os
import subprocess
import sys

MPIRUN, TRACE = sys.argv[1:3]
STEPS = 32
TOLERANCE = 1e-4


def trace(ranks, frozen):
    command = [TRACE, str(frozen)]
    if ranks > 1:
        command = [MPIRUN, "-np", str(ranks), "--oversubscribe", "--allow-run-as-root", "--bind-to", "none"] + command
    # One machine: no ssh, no network.
    env = dict(os.environ, OMPI_MCA_btl="self,vader", OMPI_MCA_plm="isolated")
    out = subprocess.run(command, env=env, stdout=subprocess.PIPE, timeout=100, check=True, text=True).stdout
    losses = [float(line) for line in out.split()]
    assert len(losses) == STEPS, (ranks, frozen, out)
    return losses


for frozen in 0, 1, 3:
    alone = trace(1, frozen)
    assert alone[:STEPS // 2] == alone[STEPS // 2:], "the second training is the first once more"
    assert alone[0] > alone[STEPS // 2 - 1], "it learns nothing"
    for ranks in 2, 3:
        shared = trace(ranks, frozen)
        worst = max(abs(a - b) / abs(a) for a, b in zip(alone, shared))
        print(f"frozen {frozen}, ranks {ranks}: {worst:.1e}")
        assert worst <= TOLERANCE, (alone, shared)
