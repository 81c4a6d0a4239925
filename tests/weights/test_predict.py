"""The model of a whole `freeal run` in Hugging Face's transformers: the labels and confidences of `freeal predict`.

Skipped (77) where torch and transformers can't be had.
"""
import json
import os
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("FREEAL_BIN", str(ROOT / "build" / "bin"))
os.environ["HF_HUB_OFFLINE"] = "1"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system"), str(ROOT / "tests" / "service")]

import environment  # noqa: E402

environment.enter("torch", ["torch", "transformers"])

import torch  # noqa: E402  the line above may have started another Python
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

import checkpoint  # noqa: E402
from run_case import BIN, Case  # noqa: E402
from topics import LABELS, samples, task_text  # noqa: E402

TOKENS = 24
TOLERANCE = 0.03  # bfloat16, where the processor has it


class Predict(Case):
    def test_transformers_says_the_same(self):
        mock = self.mock()
        folder = checkpoint.write(self.path / "tiny")
        model = f"{{type: encoder, path: {folder}, tokens: {TOKENS}, batch: 16, rate: 0.003, epochs: 6}}"
        (self.path / "task.yaml").write_text(task_text(mock.url, rounds="[{shots: 6}]", model=model))
        self.run_to_end(self.path / "task.yaml", self.write_input(samples(150)), "out")
        rows = samples(60, seed=5)
        out = self.path / "out" / "model"
        printed = subprocess.run([BIN / "freeal", "predict", out, "--input", self.write_input(rows, "new.csv")],
                                 check=True, capture_output=True, encoding="utf-8").stdout
        ours = [json.loads(line) for line in printed.splitlines()]
        tokenizer = AutoTokenizer.from_pretrained(out)
        theirs = AutoModelForSequenceClassification.from_pretrained(out).eval()
        self.assertEqual(theirs.config.id2label, dict(enumerate(LABELS)))
        batch = tokenizer([row["text"] for row in rows], padding=True, truncation=True, max_length=TOKENS,
                          return_tensors="pt")
        with torch.no_grad():
            probabilities = theirs(**batch).logits.softmax(-1)
        self.assertGreater(len({row["label"] for row in ours}), 1)
        for row, expected in zip(ours, probabilities, strict=True):
            self.assertAlmostEqual(expected[LABELS.index(row["label"])].item(), row["confidence"], delta=TOLERANCE)
            self.assertLess(expected.max().item() - row["confidence"], TOLERANCE)


if __name__ == "__main__":
    unittest.main()
