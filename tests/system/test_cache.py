"""Kept replies: no question is paid for twice, whatever asks it again, and none is believed for ever."""
import json
import pathlib
import signal
import subprocess
import sys
import unittest

from run_case import BIN, DisturbedCase

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "service"))
from topics import samples  # noqa: E402

TWICE = "rounds: [{shots: 0}, {shots: 0, relabel: 1.0}]"


class Kept(DisturbedCase):
    def task(self, mock, more=TWICE):
        """The rounds ask the same: zero-shot, with the same words."""
        text = self.write_task(mock.url).read_text()
        text = "\n".join(line for line in text.splitlines() if not line.startswith("rounds:")) + "\n" + more + "\n"
        (self.path / "task.yaml").write_text(text)
        return self.path / "task.yaml"

    def report(self, out="out"):
        return json.loads((self.path / out / "report.json").read_text())

    def cache(self, *more, out="out"):
        result = subprocess.run([BIN / "freeal", "cache", "--out", self.path / out, *more],
                                capture_output=True, encoding="utf-8")
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def audit(self, out="out"):
        result = subprocess.run([BIN / "freeal", "doctor", "--audit", "--project", self.path / out / ".freeal"],
                                capture_output=True, encoding="utf-8")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def asked(self, mock):
        return [r["text"] for r in mock.records() if r["kind"] == "label"]

    def test_the_same_question_is_sent_once(self):
        rows = samples(120)
        mock = self.mock()
        self.run_to_end(self.task(mock), self.write_input(rows), "out")
        asked = self.asked(mock)
        again = [r for r in self.labels("out") if r["llm_label"] is None]
        # An unusable answer is asked for again in the second round, all others are kept.
        self.assertEqual(len(asked), len(rows) + len(again))
        self.assertEqual(len(set(asked)), len(rows))
        report = self.report()
        self.assertEqual(report["rounds"][1]["asked"], len(rows))
        self.assertEqual(report["rounds"][1]["usage"]["requests"], len(again))
        self.assertEqual(report["usage"]["recalled"], len(rows) - len(again))
        self.assertEqual(report["usage"]["requests"], len(mock.records()))
        kept = self.cache()
        self.assertEqual(len({line["key"] for line in kept}), len(rows))
        self.assertTrue(all(line["model"] and line["bytes"] and line["answer"] for line in kept))
        self.assertIn(f"{len(rows)} kept replies", self.audit())
        # The same texts under other ids, in a catch-up round: nothing is sent but for the unusable.
        before = len(mock.records())
        answered = {r["id"] for r in self.labels("out") if r["llm_label"] is not None}
        known = [dict(r, id=r["id"] + "-again") for r in rows if r["id"] in answered]
        self.run_to_end(self.task(mock), self.write_input(rows + known), "out")
        self.assertEqual(len(self.labels("out")), len(rows) + len(known))
        self.assertEqual(len(mock.records()), before)
        # Forgotten, they are asked again.
        self.cache("--clear")
        self.assertEqual(self.cache(), [])
        more = [dict(r, id=r["id"] + "-more") for r in known[:5]]
        self.run_to_end(self.task(mock), self.write_input(rows + known + more), "out")
        self.assertEqual(len(mock.records()), before + 5)
        self.audit()

    def test_without_a_cache_all_is_asked_again(self):
        rows = samples(40)
        mock = self.mock()
        self.run_to_end(self.task(mock, TWICE + "\ncache: off"), self.write_input(rows), "out")
        self.assertEqual(len(self.asked(mock)), 2 * len(rows))
        self.assertEqual(self.cache(), [])

    def test_an_unusable_answer_is_not_believed_for_ever(self):
        rows = samples(40)
        text = rows[7]["text"]
        mock = self.mock(script=[{"text": text, "content": "no label at all", "count": 1}])
        self.run_to_end(self.task(mock), self.write_input(rows), "out")
        self.assertEqual(self.asked(mock).count(text), 2)
        row = next(r for r in self.labels("out") if r["id"] == rows[7]["id"])
        self.assertIsNotNone(row["llm_label"])

    def test_kept_replies_survive_kills_of_all(self):
        rows = samples(200)
        mock = self.mock("--latency-ms", "20")
        task, source = self.task(mock), self.write_input(rows)
        process = self.start(task, source, "out")
        for name in ("freeal-annotator", "freeal-coordinator"):
            count = len(mock.records())
            self.wait_for(lambda: len(mock.records()) > count + 30, "requests")
            self.assertTrue(self.kill(name, self.path / "out"))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        self.run_to_end(task, source, "out")
        asked = self.asked(mock)
        self.assertEqual(set(asked), {r["text"] for r in rows})
        # Each kill may cost what was in flight, and no more.
        again = [r for r in self.labels("out") if r["llm_label"] is None]
        self.assertLessEqual(len(asked), len(rows) + len(again) + 3 * 64)
        self.assertIn("kept replies", self.audit())
        before = len(mock.records())
        self.run_to_end(task, source, "out")
        self.assertEqual(len(mock.records()), before)


if __name__ == "__main__":
    unittest.main()
