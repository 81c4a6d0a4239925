"""What an LLM's server does beside labels: sentence vectors and second views of the texts."""
import json
import pathlib
import subprocess
import sys
import unittest

from run_case import BIN, Case

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "service"))
from topics import samples  # noqa: E402


class Services(Case):
    def run_with(self, mock, extra, rows=None, out="out"):
        rows = rows or samples(200)
        task = self.write_task(mock.url)
        task.write_text(task.read_text() + extra.replace("URL", mock.url))
        self.run_to_end(task, self.write_input(rows), out)
        report = json.loads((self.path / out / "report.json").read_text())
        audit = subprocess.run([BIN / "freeal", "doctor", "--audit", "--project", self.path / out / ".freeal"],
                               capture_output=True, encoding="utf-8")
        self.assertEqual(audit.returncode, 0, audit.stdout + audit.stderr)
        return self.labels(out), report

    def test_vectors_of_an_embeddings_endpoint(self):
        mock = self.mock()
        extra = "embeddings: {url: URL, model: e, batch: 32, usd_per_million: {in: 1}}\n"
        labels, report = self.run_with(mock, extra)
        self.assertGreater(report["gold"]["accuracy"], 0.85)
        stats = mock.stats()
        # Each text once: 200 in batches of a replica's block, the demonstrations, one for the size.
        self.assertLessEqual(stats["embeddings"], 200 // 32 + 1 + 3)
        self.assertEqual(report["usage"]["requests"], stats["requests"] + stats["embeddings"])
        plain, _ = self.run_with(self.mock(), "", out="plain")
        self.assertNotEqual([r["clean_probability"] for r in labels], [r["clean_probability"] for r in plain])

    def test_a_server_that_refuses_embeddings_ends_the_run_with_words(self):
        script = [{"path": "/v1/embeddings", "count": 0, "status": 404, "error": "model_not_found"}]
        mock = self.mock(script=script)
        task = self.write_task(mock.url)
        task.write_text(task.read_text() + f"embeddings: {{url: {mock.url}, model: e}}\n")
        text = self.run_to_end(task, self.write_input(samples(50)), "out", code=1)
        self.assertIn("embeddings of e at 127.0.0.1", text)
        self.assertIn("HTTP 404", text)

    def test_second_views_are_asked_for_once(self):
        mock = self.mock(script=[{"text": "POISON", "has": "max_tokens", "count": 0, "content": "\n"}])
        rows = samples(150)
        rows[3]["text"] += " POISON"
        _, report = self.run_with(mock, "augment: {language: French}\n", rows)
        asked = [r for r in mock.records() if r["kind"] == "rewriting"]
        self.assertEqual(len({r["text"] for r in asked}), 150)
        self.assertEqual(len(asked), 150)
        self.assertEqual(report["usage"]["requests"], len(mock.records()))
        self.assertIn("augment", report["phase_seconds"])
        # The same run again asks nothing.
        self.run_with(mock, "augment: {language: French}\n", rows)
        self.assertEqual(len([r for r in mock.records() if r["kind"] == "rewriting"]), 150)


if __name__ == "__main__":
    unittest.main(verbosity=2)
