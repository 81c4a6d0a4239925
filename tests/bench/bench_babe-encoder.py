"""Recorded answers on media bias with an encoder's frozen vectors as second view.

As `babe` does with n-grams alone: means over the seeds, against random draws of the same size.
"""

import bench_babe
import figures
import harness
import torch_peer

NEEDS_DATA = True


def main():
    options = figures.arguments(__doc__.split("\n", 1)[0], seeds=3)
    # The final model has no part in these figures: one epoch.
    model = {"type": "encoder", "path": str(torch_peer.minilm()), "views": ["ngram", "vectors"], "epochs": 1}
    bench_babe.measure(harness.work_folder("babe-encoder"), "babe, n-grams and MiniLM's vectors", options, model)


if __name__ == "__main__":
    main()
