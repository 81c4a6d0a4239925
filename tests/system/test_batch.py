"""Rounds asked by jobs of a Batch API: the same labels for half the price, and no line paid twice
whoever dies."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

from run_case import BIN, DisturbedCase

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "service"))
from topics import samples  # noqa: E402

os.environ["FREEAL_BATCH_POLL_MS"] = "50"
PRICE = "usd_per_million: {in: 1.0, out: 2.0}"


class Batch(DisturbedCase):
    def task(self, mock, batch=True, rounds="[{shots: 0}]", **more):
        text = self.write_task(mock.url, rounds=rounds).read_text()
        extra = "".join(f", {key}: {value}" for key, value in more.items())
        text = text.replace("concurrency: 16}", f"concurrency: 16, batch_api: {str(batch).lower()}, {PRICE}{extra}}}")
        (self.path / "task.yaml").write_text(text)
        return self.path / "task.yaml"

    def report(self, out="out"):
        return json.loads((self.path / out / "report.json").read_text())

    def asked(self, mock):
        """Requests for a label, lines of jobs among them."""
        return mock.stats()["labels"]

    def audit(self, out="out"):
        result = subprocess.run([BIN / "freeal", "doctor", "--audit", "--project", self.path / out / ".freeal"],
                                capture_output=True, encoding="utf-8")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertNotIn("open batch jobs", result.stdout)

    def annotator_log(self, out="out"):
        return (self.path / out / ".freeal" / "logs" / "annotator.log").read_text()

    def test_the_labels_are_those_of_single_requests_at_half_the_price(self):
        rows = samples(150)
        mock = self.mock("--batch-ms", "100")
        source = self.write_input(rows)
        rounds = "[{shots: 6}, {relabel: 0.3, shots: 6}]"
        self.run_to_end(self.task(mock, batch=False, rounds=rounds), source, "single")
        count = self.asked(mock)
        sent = len(mock.records())
        self.run_to_end(self.task(mock, rounds=rounds), source, "out")
        self.assertEqual(self.asked(mock), 2 * count)
        self.assertEqual([r for r in mock.records()[sent:] if r["kind"] == "label"], [])
        self.assertEqual([r["label"] for r in self.labels("out")], [r["label"] for r in self.labels("single")])
        one, half = self.report("single")["usage"], self.report()["usage"]
        self.assertEqual(half["requests"], one["requests"])
        self.assertEqual(half["tokens_in"], one["tokens_in"])
        self.assertAlmostEqual(half["usd"], one["usd"] / 2, delta=one["usd"] / 100)
        self.audit()

    def test_lines_that_fail_or_expire_are_asked_again(self):
        rows = samples(120)
        script = [{"path": "/v1/batches", "expire": 0.3},
                  {"text": rows[5]["text"], "status": 500, "count": 1},
                  {"text": rows[6]["text"], "content": "no label", "count": 1}]
        mock = self.mock("--batch-ms", "20", script=script)
        self.run_to_end(self.task(mock, attempts=2), self.write_input(rows), "out")
        labels = self.labels("out")
        self.assertEqual(len(labels), len(rows))
        self.assertIsNotNone(labels[5]["llm_label"])
        self.assertIsNotNone(labels[6]["llm_label"])
        self.audit()

    def test_a_job_that_is_refused_as_a_whole_blocks_with_the_reason(self):
        rows = samples(30)
        mock = self.mock("--batch-ms", "20", script=[{"path": "/v1/batches", "status": 400, "count": 1,
                                                      "error": "token_limit_exceeded"}])
        os.environ["FREEAL_PROBE_MS"] = "300"
        self.addCleanup(os.environ.pop, "FREEAL_PROBE_MS")
        self.run_to_end(self.task(mock), self.write_input(rows), "out")
        self.assertEqual(self.asked(mock), len(rows))
        self.assertEqual(self.report()["rounds"][0]["asked"], len(rows))

    def test_no_line_is_paid_twice_when_the_annotator_is_killed(self):
        rows = samples(150)
        mock = self.mock("--batch-ms", "1500")
        task, source = self.task(mock), self.write_input(rows)
        process = self.start(task, source, "out")
        self.wait_for(lambda: self.jobs(mock), "a job")
        self.assertTrue(self.kill("freeal-annotator", self.path / "out"))
        text, _ = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 0, text)
        self.assertEqual(self.asked(mock), len(rows))
        self.assertEqual(len(self.jobs(mock)), 1)
        self.audit()

    def test_no_line_is_paid_twice_when_all_are_killed(self):
        rows = samples(150)
        mock = self.mock("--batch-ms", "1500")
        task, source = self.task(mock), self.write_input(rows)
        process = self.start(task, source, "out")
        self.wait_for(lambda: self.jobs(mock), "a job")
        for name in ("freeal-coordinator", "freeal-annotator"):
            self.assertTrue(self.kill(name, self.path / "out"))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        self.run_to_end(task, source, "out")
        self.assertEqual(self.asked(mock), len(rows))
        self.assertEqual(len(self.jobs(mock)), 1)
        self.audit()

    def test_a_job_is_found_by_its_token_when_nobody_knew_its_id(self):
        rows = samples(150)
        mock = self.mock("--batch-ms", "300")
        task, source = self.task(mock), self.write_input(rows)
        os.environ["CRASH_AT"] = "batch_made:1"
        self.addCleanup(os.environ.pop, "CRASH_AT", None)
        self.run_to_end(task, source, "out")
        self.assertEqual(self.asked(mock), len(rows))
        self.assertEqual(len(self.jobs(mock)), 1)
        self.audit()

    def jobs(self, mock):
        return mock.get("/v1/batches?limit=100")[1]["data"]


if __name__ == "__main__":
    unittest.main()
