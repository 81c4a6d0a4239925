"""`freeal run` with a small random checkpoint as its encoder, freeal-mockllm as the LLM: outputs, prediction,
kills, wrong folders. FREEAL_BIN is the folder of the programs."""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

from run_case import BIN, DisturbedCase

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "service"))
import checkpoint  # noqa: E402
from topics import LABELS, samples, task_text  # noqa: E402

MODEL = "tokens: 32, batch: 16, rate: 0.003, epochs: 4"


class EncoderCase(DisturbedCase):
    def setUp(self):
        super().setUp()
        self.checkpoint = checkpoint.write(self.path / "tiny")

    def write_task(self, url, model=MODEL, path=None, **more):
        model = f"{{type: encoder, path: {path or self.checkpoint}, {model}}}"
        (self.path / "task.yaml").write_text(task_text(url, model=model, **more))
        return self.path / "task.yaml"

    def predict(self, *arguments, code=0):
        result = subprocess.run([BIN / "freeal", "predict", *arguments], capture_output=True, encoding="utf-8",
                                timeout=120)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def doctor(self, *arguments, code=0):
        result = subprocess.run([BIN / "freeal", "doctor", *arguments], capture_output=True, encoding="utf-8",
                                timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr


class Whole(EncoderCase):
    def test_labels_model_and_prediction(self):
        rows = samples(200)
        mock = self.mock()
        task = self.write_task(mock.url)
        self.run_to_end(task, self.write_input(rows), "out")
        labels = self.labels("out")
        self.assertEqual([r["id"] for r in labels], [r["id"] for r in rows])
        self.assertTrue(all(r["slm_label"] in LABELS and 0 <= r["confidence"] <= 1 for r in labels))
        right = sum(a["label"] == b["label"] for a, b in zip(labels, rows)) / len(rows)
        self.assertGreater(right, 0.85)
        report = json.loads((self.path / "out" / "report.json").read_text())
        self.assertEqual(report["model"]["type"], "encoder")
        model = self.path / "out" / "model"
        names = {p.name for p in model.iterdir()}
        self.assertLessEqual({"config.json", "model.safetensors", "vocab.txt", "model.json"}, names)
        config = json.loads((model / "config.json").read_text())
        self.assertEqual(config["id2label"], {str(i): name for i, name in enumerate(LABELS)})

        new = self.write_input(samples(80, seed=9), "new.csv")
        result = self.predict(model, "--input", new, "--gold", "label")
        self.assertEqual(len(result.stdout.splitlines()), 80)
        self.assertIn("accuracy", result.stderr)
        with open(new) as lines:
            piped = subprocess.run([BIN / "freeal", "predict", model, "--input", "-", "--format", "csv"], stdin=lines,
                                   capture_output=True, encoding="utf-8", timeout=120)
        self.assertEqual([json.loads(line)["label"] for line in piped.stdout.splitlines()],
                         [json.loads(line)["label"] for line in result.stdout.splitlines()])
        self.assertIn("encoder with 3 labels", self.doctor("--model", model, "--samples", "100"))
        self.assertIn("audit ok", self.doctor("--audit", "--out", self.path / "out"))

        # The same folder without what freeal adds to it is a model, too.
        (model / "model.json").unlink()
        again = self.predict(model, "--input", new)
        self.assertEqual(again.stdout, result.stdout)

    def test_a_change_of_the_model_is_refused(self):
        mock = self.mock()
        source = self.write_input(samples(40))
        self.run_to_end(self.write_task(mock.url, "epochs: 1, views: [vectors]"), source, "out")
        text = self.run_to_end(self.write_task(mock.url, "epochs: 2, views: [vectors]"), source, "out", code=2)
        self.assertIn("task file's model differs", text)

    def test_recipe_of_the_paper(self):
        mock = self.mock()
        model = "tokens: 32, batch: 16, rate: 0.003, epochs: 6, recipe: paper"
        source = self.write_input(samples(90))
        self.run_to_end(self.write_task(mock.url, model, rounds="[{shots: 6}]"), source, "out")
        log = (self.path / "out" / ".freeal" / "logs" / "selector.log").read_text()
        self.assertIn("kind=refit", log)
        self.assertTrue((self.path / "out" / "model" / "model.safetensors").exists())

    def test_doctor_describes_a_checkpoint(self):
        text = self.doctor("--model", self.checkpoint, "--samples", "500")
        for word in ("BERT of 2 layers", "parameters", "memory to train", "an epoch of 500 takes",
                     "with 2 labels", "by default 3 epochs", "with 10 labels", "by default 20 epochs"):
            self.assertIn(word, text)


class Interrupted(EncoderCase):
    def trainer_log(self, out):
        path = self.path / out / ".freeal" / "logs" / "trainer.log"
        return path.read_text() if path.exists() else ""

    def test_a_killed_trainer_goes_on(self):
        mock = self.mock()
        task = self.write_task(mock.url, "tokens: 32, batch: 16, rate: 0.003, epochs: 30", rounds="[{shots: 6}]")
        source = self.write_input(samples(150))
        wanted = self.undisturbed(task, source)
        slot = self.path / "out" / ".freeal" / "trainer" / "0"
        process = self.start(task, source, "out")
        self.wait_for(lambda: "item=2" in self.trainer_log("out") and (slot / "training").exists(), "an epoch")
        self.assertTrue(self.kill("freeal-trainer", self.path / "out"))
        text, _ = process.communicate(timeout=150)
        self.assertEqual(process.returncode, 0, text)
        self.assertEqual((self.path / "out" / "labels.jsonl").read_bytes(), wanted)
        self.assertEqual(self.digest(self.path / "out" / "model"), self.digest(self.path / "reference" / "model"))
        self.assertFalse((slot / "training").exists())

    def test_ctrl_c_during_training_is_quick(self):
        mock = self.mock()
        task = self.write_task(mock.url, "tokens: 32, batch: 16, epochs: 1000", rounds="[{shots: 6}]")
        source = self.write_input(samples(150))
        process = self.start(task, source, "out")
        self.wait_for(lambda: "item=2" in self.trainer_log("out"), "the final training")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        self.assertEqual(process.returncode, 130)


class WrongFolder(EncoderCase):
    def refused(self, path, *words):
        source = self.write_input(samples(5))
        text = self.run_to_end(self.write_task("http://127.0.0.1:1/v1", path=path), source, "out", code=2)
        self.assertIn("task.yaml", text)
        for word in words:
            self.assertIn(word, text)
        self.assertFalse((self.path / "out").exists())

    def changed(self, **config):
        """A copy of the checkpoint with other values in its config.json."""
        shutil.rmtree(self.path / "changed", ignore_errors=True)
        shutil.copytree(self.checkpoint, self.path / "changed")
        file = self.path / "changed" / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))
        return self.path / "changed"

    def test_wrong_folders_leave_nothing_behind(self):
        self.refused(self.path / "absent", "absent")
        self.refused(self.changed(model_type="gpt2"), "gpt2", "bert, roberta")
        folder = self.changed()
        (folder / "vocab.txt").unlink()
        self.refused(folder, "tokenizer")
        folder = self.changed()
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[:len(data) // 2])
        self.refused(folder, "model.safetensors")
        (folder / "model.safetensors").unlink()
        self.refused(folder, "model.safetensors")
        self.refused(self.changed(vocab_size=10 ** 9), "vocab_size")
        self.refused(self.changed(intermediate_size=48), "intermediate")

    def test_doctor_says_so_too(self):
        self.assertIn("absent", self.doctor("--model", self.path / "absent", code=2))
        self.assertIn("gpt2", self.doctor("--model", self.changed(model_type="gpt2"), code=2))


if __name__ == "__main__":
    unittest.main()
