"""`freeal run` as a user runs it, with freeal-mockllm as the LLM: outputs, resumption,
kills at any moment, budgets, wrong input. FREEAL_BIN is the folder of the programs."""
import json
import pathlib
import signal
import subprocess
import sys
import unittest

from run_case import BIN, Case, DisturbedCase

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "service"))
from topics import LABELS, samples, task_text  # noqa: E402


class Whole(Case):
    def test_labels_model_report_and_prediction(self):
        rows = samples(300)
        mock = self.mock()
        text = self.run_to_end(self.write_task(mock.url), self.write_input(rows), "out")
        labels = self.labels("out")
        self.assertEqual([r["id"] for r in labels], [r["id"] for r in rows])
        for row in labels:
            self.assertIn(row["label"], LABELS)
            self.assertIn(row["source"], ("llm", "slm"))
            self.assertTrue(0 <= row["confidence"] <= 1)
            self.assertTrue(0 <= row["clean_probability"] <= 1)
            self.assertIn(row["slm_label"], LABELS)
            if row["llm_label"] is None:
                self.assertTrue(row["llm_reason"])
                self.assertEqual(row["source"], "slm")
        self.assertTrue(any(r["llm_label"] is None for r in labels))
        self.assertTrue(any(r["demonstration"] for r in labels))
        report = json.loads((self.path / "out" / "report.json").read_text())
        right = sum(a["label"] == b["label"] for a, b in zip(labels, rows)) / len(rows)
        self.assertAlmostEqual(report["gold"]["accuracy"], right)
        self.assertGreater(right, 0.85)
        self.assertEqual(len(report["rounds"]), 2)
        self.assertEqual(report["rounds"][0]["asked"], 300)
        self.assertEqual(report["rounds"][1]["asked"], 90)
        self.assertEqual(report["usage"]["requests"], len(mock.records()))
        for number, rung in enumerate(report["rounds"]):
            self.assertEqual(sum(rung["reasons"].values()), rung["unusable"])
            self.assertEqual([e["answers"] for e in rung["endpoints"]], [rung["asked"]])
            self.assertEqual(rung["gold"]["samples"], rung["answered"])
            self.assertEqual(rung["gold"]["changed"], rung["changed"])
            self.assertLessEqual(rung["gold"]["mended"] + rung["gold"]["broken"], rung["changed"])
            self.assertEqual(number, rung["round"])
        self.assertIn("final labels right", text)
        shots = [r["shots"] for r in mock.records() if r["kind"] == "label"]
        self.assertEqual(set(shots), {6})
        predicted = subprocess.run([BIN / "freeal", "predict", self.path / "out" / "model", "--input",
                                    self.write_input(samples(50, seed=9), "new.csv"), "--gold", "label"],
                                   capture_output=True, encoding="utf-8")
        self.assertEqual(predicted.returncode, 0, predicted.stderr)
        self.assertEqual(len(predicted.stdout.splitlines()), 50)

    def test_gold_changes_nothing_but_the_report(self):
        rows = samples(200)
        mock = self.mock()
        task = self.write_task(mock.url)
        self.run_to_end(task, self.write_input(rows), "first")
        permuted = [dict(r, label=LABELS[(LABELS.index(r["label"]) + 1) % 3]) for r in rows]
        self.run_to_end(task, self.write_input(permuted, "permuted.csv"), "second")
        self.assertEqual((self.path / "first" / "labels.jsonl").read_bytes(),
                         (self.path / "second" / "labels.jsonl").read_bytes())
        self.assertEqual(self.digest(self.path / "first" / "model"), self.digest(self.path / "second" / "model"))

    def test_a_finished_run_is_finished(self):
        mock = self.mock()
        task, source = self.write_task(mock.url), self.write_input(samples(60))
        self.run_to_end(task, source, "out")
        before, asked = (self.path / "out" / "labels.jsonl").read_bytes(), len(mock.records())
        self.assertIn("finished already", self.run_to_end(task, source, "out"))
        self.assertEqual((self.path / "out" / "labels.jsonl").read_bytes(), before)
        self.assertEqual(len(mock.records()), asked)

    def test_samples_that_come_later_are_labelled_too(self):
        rows = samples(200)
        mock = self.mock()
        task = self.write_task(mock.url)
        self.run_to_end(task, self.write_input(rows[:150]), "out")
        before = {r["id"]: r["llm_label"] for r in self.labels("out")}
        asked = len(mock.records())
        self.run_to_end(task, self.write_input(rows), "out")
        labels = self.labels("out")
        self.assertEqual([r["id"] for r in labels], [r["id"] for r in rows])
        self.assertTrue(all(r["label"] in LABELS for r in labels))
        self.assertEqual({r["id"]: r["llm_label"] for r in labels[:150]}, before)
        self.assertEqual(len(mock.records()) - asked, 50)

    def test_samples_that_come_after_an_early_end(self):
        rows = samples(90)
        mock = self.mock()
        source = self.write_input(rows[:60])
        self.run_to_end(self.write_task(mock.url, rounds="[{shots: 6}]"), source, "out")
        asked = len(mock.records())
        # Rounds 1 and 2 were never run when the later samples get their own.
        task = self.write_task(mock.url, rounds="[{shots: 6}, {relabel: 0.3}, {relabel: 0.3}]")
        text = self.run_to_end(task, self.write_input(rows[60:], "later.csv"), "out")
        self.assertIn("60 more samples than", text)
        report = json.loads((self.path / "out" / "report.json").read_text())
        self.assertEqual([(r["round"], r["asked"]) for r in report["rounds"]], [(0, 60), (3, 30)])
        self.assertEqual(len(self.labels("out")), 90)
        self.assertEqual(len(mock.records()) - asked, 30)


class Interrupted(DisturbedCase):
    def test_ctrl_c_and_on(self):
        mock = self.mock("--latency-ms", "50")
        task, source = self.write_task(mock.url), self.write_input(samples(200))
        wanted = self.undisturbed(task, source)
        before = len(mock.records())
        process = self.start(task, source, "out")
        self.wait_for(lambda: len(mock.records()) > before + 60, "requests")
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, text)
        self.run_to_end(task, source, "out")
        self.assertEqual((self.path / "out" / "labels.jsonl").read_bytes(), wanted)
        # What was in flight is asked again, and no more.
        self.assertLessEqual(len(mock.records()) - before, before + 2 * 16)

    def test_requests_end_at_their_maximum(self):
        mock = self.mock()
        task, source = self.write_task(mock.url), self.write_input(samples(120))
        wanted = self.undisturbed(task, source)
        before = len(mock.records())
        self.run_to_end(task, source, "out", "--max-requests", "50")
        self.assertLessEqual(len(mock.records()) - before, 50)
        self.assertFalse((self.path / "out" / "labels.jsonl").exists())
        self.run_to_end(task, source, "out")
        self.assertEqual((self.path / "out" / "labels.jsonl").read_bytes(), wanted)

    def test_each_service_killed_once(self):
        mock = self.mock("--latency-ms", "20")
        task, source = self.write_task(mock.url), self.write_input(samples(200))
        wanted = self.undisturbed(task, source)
        for name in ("freeal-coordinator", "freeal-annotator", "freeal-trainer", "freeal-selector"):
            with self.subTest(name):
                before, out = len(mock.records()), "out-" + name
                process = self.start(task, source, out)
                self.wait_for(lambda: len(mock.records()) > before + 60, "requests")
                self.assertTrue(self.kill(name, self.path / out), name)
                text, _ = process.communicate(timeout=150)
                self.assertEqual(process.returncode, 0, text)
                self.assertEqual((self.path / out / "labels.jsonl").read_bytes(), wanted)

    def test_a_wrong_key_pauses_until_it_is_right(self):
        script = [{"count": 3, "status": 401, "error": "invalid_api_key"}]
        mock = self.mock(script=script)
        task, source = self.write_task(mock.url), self.write_input(samples(40))
        process = self.start(task, source, "out")
        try:
            text = ""
            for line in process.stdout:
                text += line
                if "401" in line:
                    break
            self.assertIn("401", text)
            self.assertIsNone(process.poll())
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


class WrongInput(Case):
    CASES = [
        ("id,text,label\n", "no samples"),
        ("id,text,label\n1,\"abc,sound\n", "2"),
        ("id,text,label\n1,abc\n", "2"),
        ("id,text,label\n1,abc,sound\n2,,games\n", "3"),
        ("id,text,label\n1,abc,sound\n1,other,games\n", "3"),
        ("id,text,label\n1,abc,nonsense\n", "nonsense"),
        (b"id,text,label\n1,\xff\xfe,sound\n", "2"),
        ("id,body,label\n1,abc,sound\n", "text"),
    ]

    def test_bad_inputs_leave_nothing_behind(self):
        task = self.write_task("http://127.0.0.1:1/v1")
        for i, (content, word) in enumerate(self.CASES):
            with self.subTest(content=content):
                source = self.path / f"bad{i}.csv"
                source.write_bytes(content if isinstance(content, bytes) else content.encode())
                text = self.run_to_end(task, source, "out", code=2)
                self.assertIn(word, text)
                self.assertIn(source.name, text)
                self.assertFalse((self.path / "out").exists())

    def test_bad_tasks_leave_nothing_behind(self):
        source = self.write_input(samples(5))
        good = task_text("http://127.0.0.1:1/v1")
        for change, word in (
            (("seed: 3", "sead: 3"), "sead"),
            (("name: games", "name: Sound"), "ound"),
            (("pool: 30", "pool: [1"), ""),
            (("pool: 30", "pool: many"), "pool"),
        ):
            with self.subTest(change=change):
                (self.path / "bad.yaml").write_text(good.replace(*change))
                text = self.run_to_end(self.path / "bad.yaml", source, "out", code=2)
                self.assertIn("bad.yaml:", text)
                self.assertIn(word, text)
                self.assertFalse((self.path / "out").exists())
        self.run_to_end(self.path / "absent.yaml", source, "out", code=2)
        self.run_to_end(self.write_task("http://127.0.0.1:1/v1"), self.path / "absent.csv", "out", code=2)
        self.assertFalse((self.path / "out").exists())

    def test_another_seed_is_another_project(self):
        mock = self.mock()
        source = self.write_input(samples(40))
        self.run_to_end(self.write_task(mock.url), source, "out")
        task = self.write_task(mock.url)
        task.write_text(task.read_text().replace("seed: 3", "seed: 4"))
        text = self.run_to_end(task, source, "out", code=2)
        self.assertIn("seed", text)


if __name__ == "__main__":
    unittest.main()
