# slow: makes a Python environment with PyTorch
"""`freeal run` against a server that is not ours: `transformers serve` of Hugging Face with a tiny
model that this test makes. With random weights nothing can be used and the run says why; trained on
another draw of the topics it labels, and the run is what it is with a provider."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import environment  # noqa: E402

environment.enter("torch", ["torch", "transformers", "accelerate", "fastapi", "uvicorn", "openai"])

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # its matrices are too small to share

import tiny_llm  # noqa: E402  the lines above may have started another Python
import topics  # noqa: E402

BIN = pathlib.Path(os.environ["FREEAL_BIN"])


@contextlib.contextmanager
def served(model, log):
    """The base URL of a server with this model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen([sys.executable, "-m", "transformers.cli.transformers", "serve", str(model),
                                    "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
                                   stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 300
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("no server: " + log.read_text()[-2000:]) from None
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class RealServer(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="freeal-real-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def task(self, url, rounds, llm="max_tokens: 6"):
        text = topics.task_text(url, rounds=rounds, concurrency=4, llm=llm)
        (self.path / "task.yaml").write_text(text.replace("freeal-mockllm-offline", str(self.path / "model")))

    def samples(self, rows):
        (self.path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def freeal(self, *arguments):
        return subprocess.run([BIN / "freeal", *arguments], cwd=self.path, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", timeout=500, check=False)

    def make_model(self, steps):
        """A model that knows this task's prompt, and with steps its labels as well."""
        self.task("http://127.0.0.1:1/v1", "1")
        self.samples(topics.samples(2))
        printed = self.freeal("prompt", "--raw", "task.yaml", "--input", "in.jsonl")
        self.assertEqual(printed.returncode, 0, printed.stdout)
        *before, user = json.loads(printed.stdout)["messages"]
        tiny_llm.make(self.path / "model",
                      [(before + [{**user, "content": row["text"]}], row["label"])
                       for row in topics.samples(400, seed=9)], steps)

    def run_all(self, url, count, rounds, **more):
        self.task(url, rounds, **more)
        self.samples(topics.samples(count))
        shutil.rmtree(self.path / "out", ignore_errors=True)
        done = self.freeal("run", "task.yaml", "--input", "in.jsonl", "--out", "out")
        self.assertEqual(done.returncode, 0, done.stdout)
        labels = [json.loads(line) for line in (self.path / "out" / "labels.jsonl").read_text().splitlines()]
        self.assertEqual([row["id"] for row in labels], [f"s{i}" for i in range(count)])
        return labels, json.loads((self.path / "out" / "report.json").read_text())

    def test_nonsense(self):
        self.make_model(steps=0)
        with served(self.path / "model", self.path / "log") as url:
            labels, report = self.run_all(url, 30, "[{shots: 0}]")
        self.assertEqual({row["llm_label"] for row in labels}, {None})
        self.assertEqual({row["source"] for row in labels}, {"slm"})
        self.assertTrue(all(row["llm_reason"] for row in labels))
        # One request a sample: nonsense is no fault of the server's, so none is sent twice.
        usage = report["usage"]
        self.assertEqual(usage["requests"], 30)
        self.assertEqual(sum(report["rounds"][0]["reasons"].values()), 30)
        self.assertLessEqual(usage["tokens_out"], 6 * 30)
        self.assertGreater(usage["tokens_in"], 30 * 20)

    def test_labels(self):
        self.make_model(steps=150)
        with served(self.path / "model", self.path / "log") as url:
            labels, report = self.run_all(url, 90, "[{shots: 0}]")
            # This server says nothing of a response_format and ignores it.
            self.run_all(url, 12, "[{shots: 0}]", llm="max_tokens: 6, answers: json")
        gold = {row["id"]: row["label"] for row in topics.samples(90)}
        answered = [row for row in labels if row["llm_label"]]
        right = sum(row["llm_label"] == gold[row["id"]] for row in answered)
        self.assertGreaterEqual(len(answered), 85)
        self.assertGreaterEqual(right, 75)
        self.assertGreaterEqual(sum(row["label"] == gold[row["id"]] for row in labels), 75)
        self.assertEqual(report["usage"]["requests"], 90)
        self.assertGreaterEqual(report["usage"]["tokens_out"], 90)


if __name__ == "__main__":
    unittest.main()
