"""ChatGPT's recorded labels of movie reviews with an encoder: cleaning, filling, test accuracy.

MiniLM in all three views, through the services. The peer is PyTorch's plain cross-entropy on the
same labels, kept by encoder-reference. `plain_accuracy` is freeal's own plain cross-entropy with
the same epochs and rate. Gold is for the report alone.
"""

import argparse
import json
import statistics

import numpy as np

import bench_mr
import encoder_sides
import figures
import harness
import torch_peer

NEEDS_DATA = True
REFERENCE = torch_peer.HERE / "encoder_reference.json"
PLAIN = {"epochs": 3, "rate": 5e-5, "rate_warmup": 0.1}
NOTES = {"clean_correct": "at least 0.989", "fill_correct": "at least 0.61", "wrong_found": "at least 0.45",
         "flip_net": "at least 0", "test_accuracy": "at least the peer's - 0.003"}


def peer_accuracies():
    """PyTorch's test accuracies with plain cross-entropy, one a seed."""
    kept = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    return [run["test_accuracy"] for run in kept["plain"]["runs"]] if "plain" in kept else []


def plain(folder, data, d, seeds, threads, count):
    """freeal's plain cross-entropy on the valid labels; test accuracies."""
    rows = [row for row in bench_mr.spread_rows(encoder_sides.mr_rows(data), count)
            if row[0] >= 0]
    torch_peer.write_table(folder / "plain.tsv", rows)
    torch_peer.write_table(folder / "test.tsv", [(-1, False, text, "") for text in d["test_texts"]])
    accuracies = []
    for seed in seeds:
        encoder_sides.ours("final", model=torch_peer.minilm(), **{"in": folder / "plain.tsv"}, test=folder / "test.tsv",
                           out=folder / "plain.f32", folder=folder / f"plain-{seed}", seed=seed, threads=threads,
                           mixup=0, consistency=0, views="none", **PLAIN)
        predicted = encoder_sides.probabilities(folder / "plain.f32", 2).argmax(axis=1)
        accuracies.append(float(np.mean(predicted == d["test_gold"])))
    return accuracies


def spread(values):
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values) if len(values) > 1 else 0:.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1 .. N")
    parser.add_argument("--rows", type=int, help="about so many training rows, for a short look")
    parser.add_argument("--no-plain", action="store_true", help="without freeal's plain cross-entropy")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    folder = harness.work_folder("mr-encoder")
    data = harness.data_folder() / "mr"
    d = bench_mr.prepare(folder, data, options.rows)
    seeds = range(1, options.seeds + 1)
    model = {"type": "encoder", "path": str(torch_peer.minilm())}
    with harness.mock(folder, "--mode", "replay", "--recordings", folder / "recordings.jsonl") as url:
        # One round: a second would ask for the same recorded answers.
        mine = [bench_mr.ours(folder, url, seed, d, model, [{"shots": 0}]) for seed in seeds]
    theirs = peer_accuracies()
    table = figures.Figures(f"mr-encoder: MiniLM, means over {options.seeds} seeds; peer: PyTorch, plain "
                            "cross-entropy")
    peer = statistics.mean(theirs) if theirs else None
    for name in mine[0]:
        table.add(name, harness.mean(row[name] for row in mine), bench_mr.UNITS.get(name, "share"),
                  peer=peer if name == "test_accuracy" else None, note=NOTES.get(name, ""))
    own = [] if options.no_plain else plain(folder, data, d, seeds, options.threads, options.rows)
    if own:
        table.add("plain_accuracy", statistics.mean(own), "share", peer=peer,
                  note=f"{spread(own)}; peer {spread(theirs) if theirs else '-'}")
    with open(folder / "seeds.json", "w") as out:
        json.dump({"ours": mine, "plain": own, "peer": theirs}, out, default=float, indent=1)
    table.finish(options.json)


if __name__ == "__main__":
    main()
