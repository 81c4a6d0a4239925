"""The encoder against PyTorch and ONNX Runtime: steps, epochs, the whole recipe, inference, memory.

Movie reviews (MR), with a checkpoint of RoBERTa-base's shape and random weights, and with MiniLM.
Both sides take the same batches. What the processor can't do in bfloat16 is left out.
"""

import argparse
import json
import statistics
import time

import numpy as np

import bench_mr
import encoder_sides
import figures
import harness
import peers
import torch_peer

NEEDS_DATA = True
PARTS = ["step", "infer", "epoch", "recipe"]
REFERENCE = torch_peer.HERE / "encoder_reference.json"
REFERENCE_EPOCHS = 10
WARMUP_EPOCHS = 4
FULL_WIDTH = 128


class Bench:
    """What the parts share."""

    def __init__(self, options):
        self.options = options
        self.data = harness.data_folder() / "mr"
        self.folder = harness.work_folder("encoder")
        self.bf16 = figures.cpu_kind() != "other"
        self.table = figures.Figures(
            f"encoder: {torch_peer.cpu_name()} ({figures.cpu_kind()}), {options.threads} threads; "
            f"peer: PyTorch {torch_peer.versions()['torch']}")
        self.notes = []

    def precisions(self):
        return ["fp32", "bf16"] if self.bf16 else ["fp32"]

    def ours(self, command, **given):
        return encoder_sides.ours(command, threads=self.options.threads, **given)

    def peer(self, command, *arguments):
        start = time.monotonic()
        found = torch_peer.run("torch_encoder.py", command, *arguments, "--threads", self.options.threads)
        self.say(f"peer {command} {' '.join(map(str, arguments[2:]))}: {time.monotonic() - start:.0f} s", found)
        return found

    def say(self, what, found):
        if self.options.verbose:
            print(what, json.dumps(found), flush=True)

    def add(self, name, value, peer, unit, note=""):
        self.table.add(name, value, unit, peer=peer, note=note)


def rate(found, size=32, skip=1):
    """Mean samples per second of all batches but the first, which warm up."""
    return size / statistics.mean(found["seconds"][skip:])


def part_step(bench):
    """FreeAL's steps of both shapes."""
    count = bench.options.batches + 1
    ids = encoder_sides.step_ids(bench.folder, bench.data, count)
    models = {"base": encoder_sides.base_model(), "mini": torch_peer.minilm()}
    rows = {}
    shapes = bench.options.shape or list(models)
    for shape in shapes:
        for precision in bench.precisions():
            found = bench.ours("step", model=models[shape], ids=ids, precision=precision)
            bench.say(f"ours {shape} {precision}", found)
            rows[shape, precision] = found
    for shape in shapes:
        for precision in bench.precisions():
            peer = bench.peer("step", models[shape], ids, *(["--bf16"] if precision == "bf16" else []))
            bench.add(f"step_{shape}_{precision}_vs_longest", rate(rows[shape, precision]), rate(peer), "samples/s",
                      rows[shape, precision]["engine"])
            if (shape, precision) == ("base", "fp32"):
                bench.add("rss_base_vs_torch", rows[shape, precision]["peak_bytes"] / 2**30,
                          peer["peak_bytes"] / 2**30, "GiB", "at most half")
    if "base" not in shapes:
        return
    for precision in bench.precisions():
        found = rows["base", precision]
        share = sum(found["products"][1:]) / sum(found["seconds"][1:])
        bench.add(f"gemm_share_{precision}", share, None, "share", found["engine"])
    if bench.options.skip_128:
        return
    peer = bench.peer("step", models["base"], ids, "--width", FULL_WIDTH, "--count",
                      bench.options.batches_128 + 1)
    for precision in bench.precisions():
        name = "step_base_fp32_vs_128" if precision == "fp32" else "step_base_bf16_vs_128_fp32"
        bench.add(name, rate(rows["base", precision]), rate(peer), "samples/s")


def part_infer(bench):
    """Passes over the test set. The peer's batches are of texts that have as many characters, as
    sentence-transformers makes them; with `_tokens` as many tokens, which leaves little padding."""
    model = torch_peer.minilm()
    by_characters = encoder_sides.test_ids(bench.folder, bench.data)
    orders = [("", by_characters)]
    if bench.options.tokens:
        orders.append(("_tokens", encoder_sides.by_tokens(by_characters, bench.folder / "tokens.ids")))
    for suffix, ids in orders:
        mine = {p: bench.ours("infer", model=model, ids=ids, precision=p, passes=bench.options.passes + 1)
                for p in bench.precisions()}
        peers_of = {"fp32_vs_torch": [], "fp32_vs_ort": ["--onnx", bench.folder / "model.onnx"]}
        if bench.bf16:
            peers_of["bf16_vs_torch"] = ["--bf16"]
        for name, words in peers_of.items():
            found = mine[name[:4]]
            peer = bench.peer("infer", model, ids, *words, "--passes", bench.options.passes)
            bench.add(f"infer_mini_{name}{suffix}", found["texts"] / statistics.median(found["seconds"][1:]),
                      peer["texts"] / peer["seconds"], "texts/s", f"peer's padding {peer['padding']:.2f}")


def part_epoch(bench):
    """An epoch of the paper's recipe behind its warm-up, with its loss pass."""
    rows = [row for row in encoder_sides.mr_rows(bench.data) if row[0] >= 0]
    if bench.options.rows:
        drawn = np.random.default_rng(0).permutation(len(rows))[:bench.options.rows]
        rows = [rows[i] for i in drawn]
    ids = encoder_sides.ids_of(bench.folder, "epoch", rows)
    for precision in bench.precisions():
        found = bench.ours("epoch", model=torch_peer.minilm(), ids=ids, precision=precision)
        bench.say(f"ours epoch {precision}", found)
        peer = bench.peer("epoch", torch_peer.minilm(), bench.folder / "epoch.tsv", "--sort", "--only", "full",
                          *(["--bf16"] if precision == "bf16" else []))
        # The precision that is the default here gives the figure.
        name = "epoch_mini_vs_sorted" + ("" if precision == bench.precisions()[-1] else f"_{precision}")
        bench.add(name, found["rows"] / found["seconds"][0], peer["rows"] / peer["full"], "samples/s",
                  f"{precision} on both sides")


def recipe_ours(bench, d, seed):
    """Labels to final model by the default recipe; gives seconds and test accuracy."""
    folder = bench.folder / f"recipe-{seed}"
    folder.mkdir()
    model = torch_peer.minilm()
    rows = encoder_sides.mr_rows(bench.data)
    torch_peer.write_table(folder / "train.tsv", rows)
    torch_peer.write_table(folder / "test.tsv", [(-1, False, text, "") for text in d["test_texts"]])
    start = time.monotonic()
    views = encoder_sides.views(folder, folder / "train.tsv", model, seed, bench.options.threads)
    clean = peers.mixture_clean(encoder_sides.own_losses(views, d["answers"]), d["answers"])
    torch_peer.write_table(folder / "clean.tsv", [(row[0], flag, row[2], row[3])
                                                  for row, flag in zip(rows, clean)])
    bench.ours("final", model=model, **{"in": folder / "clean.tsv"}, test=folder / "test.tsv", seed=seed,
               folder=folder / "model", out=folder / "test.f32")
    seconds = time.monotonic() - start
    predicted = encoder_sides.probabilities(folder / "test.f32", 2).argmax(axis=1)
    return seconds, float(np.mean(predicted == d["test_gold"]))


def part_recipe(bench):
    """Labels to final model: the default recipe against ten epochs of the paper's."""
    d = bench_mr.prepare(bench.folder, bench.data)
    found = [recipe_ours(bench, d, seed) for seed in range(1, bench.options.seeds + 1)]
    bench.say("recipe: seconds, accuracy", found)
    seconds = statistics.mean(row[0] for row in found)
    accuracy = statistics.mean(row[1] for row in found)
    torch_peer.write_table(bench.folder / "recipe.tsv", encoder_sides.mr_rows(bench.data))
    for precision in bench.precisions():
        words = ["--bf16"] if precision == "bf16" else []
        if bench.options.rows:
            words += ["--rows", bench.options.rows]
        peer = bench.peer("epoch", torch_peer.minilm(), bench.folder / "recipe.tsv", *words)
        scale = sum(d["answers"] >= 0) / peer["rows"]
        total = scale * (WARMUP_EPOCHS * peer["warmup"] + (REFERENCE_EPOCHS - WARMUP_EPOCHS) * peer["full"])
        name = "recipe_speedup" + ("" if precision == "fp32" else "_vs_bf16")
        bench.add(name, 3600 / seconds, 3600 / total, "runs/hour", f"peer in {precision}, padded to the longest")
    if REFERENCE.exists():
        kept = json.loads(REFERENCE.read_text())["paper"]
        bench.add("recipe_accuracy", accuracy, kept["test_accuracy"], "share", "peer: encoder_reference.json")
        bench.add("recipe_accuracy_difference", accuracy - kept["test_accuracy"], None, "share", "at least -0.005")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--part", choices=PARTS, action="append", help="one of the parts; may be repeated")
    parser.add_argument("--shape", choices=["base", "mini"], action="append", help="of part step")
    parser.add_argument("--batches", type=int, default=8, help="of a step's mean, behind one to warm up")
    parser.add_argument("--batches-128", type=int, default=8, help="the same for the peer padded to 128")
    parser.add_argument("--skip-128", action="store_true", help="without the peer that pads to 128")
    parser.add_argument("--passes", type=int, default=3, help="of inference")
    parser.add_argument("--tokens", action="store_true", help="inference also sorted by tokens")
    parser.add_argument("--rows", type=int, help="so many training rows for the peer's epochs, else all")
    parser.add_argument("--seeds", type=int, default=3, help="of the recipe")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="each measurement as it comes")
    options = parser.parse_args()
    start = time.monotonic()
    bench = Bench(options)
    for part in options.part or PARTS:
        begun = time.monotonic()
        globals()[f"part_{part}"](bench)
        bench.say(f"part {part}", round(time.monotonic() - begun))
    bench.table.finish(options.json)
    if not bench.bf16:
        print("no bfloat16 on this processor: its figures are left out")
    print(f"took {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
