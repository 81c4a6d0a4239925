"""The freeal command with a coordinator that runs elsewhere: --server, FREEAL_SERVER and
`freeal up`, against the stand-in of cli_coordinator.py."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from test_cli import HERE, TASK, Case

DEADLINE_S = 30


class Remote(Case):
    def setUp(self):
        super().setUp()
        self.server = None
        self.addCleanup(self.stop_server)

    def serve(self, words="", address=None):
        """Starts the coordinator on the project `there`; its HOST:PORT."""
        project = self.folder / "there"
        port = self.folder / "port"
        port.unlink(missing_ok=True)
        arguments = ["--project", str(project), "--task", str(self.folder / "task.yaml"), "--port-file", str(port),
                     "--token-file", str(self.folder / "token")]
        if address:
            arguments += ["--http", address]
        self.server = subprocess.Popen([sys.executable, str(HERE / "cli_coordinator.py"), *arguments],
                                       env=dict(os.environ, FAKE_COORDINATOR=words))
        self.wait(lambda: port.exists() and port.read_text())
        self.address = "127.0.0.1:" + port.read_text().strip()
        return self.address

    def stop_server(self):
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server = None

    def wait(self, true):
        until = time.monotonic() + DEADLINE_S
        while not true():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.02)

    def environment(self, words=""):
        return dict(super().environment(words), FREEAL_SERVER=getattr(self, "address", "127.0.0.1:1"),
                    FREEAL_TOKEN_FILE=str(self.folder / "token"))

    def sent_there(self):
        return json.loads((self.folder / "there/samples.json").read_text())


class Commands(Remote):
    def test_status_and_export(self):
        self.serve()
        out, _ = self.freeal("status")
        self.assertIn("workers: annotator 1", out)
        self.assertEqual(("", ""), self.freeal("status", "--health"))
        self.freeal("ingest", "--input", "in.csv")
        out, _ = self.freeal("export")
        self.assertEqual(3, out.count("\n"))

    def test_columns_come_from_the_server(self):
        self.serve()
        (self.folder / "task.yaml").unlink()
        _, err = self.freeal("ingest", "--input", "in.csv")
        self.assertIn("3 samples added", err)
        self.assertEqual({"id": "1", "text": 'a "good" film\nindeed', "gold": 1}, self.sent_there()["1"])

    def test_predict_fetches_the_model(self):
        """The stand-in trainer says where it was to find its model, and ends."""
        self.serve()
        _, err = self.freeal("predict", "in.csv", code=2)
        self.assertRegex(err, r"%s/freeal-\w+/model holds no model" % self.runs)
        self.assertEqual([], os.listdir(self.runs))
        (self.folder / "out").mkdir()
        shutil.copytree(self.model_there(), self.folder / "out/model")
        _, err = self.freeal("predict", "in.csv", code=2)
        self.assertIn("out/model holds no model", err)

    def model_there(self):
        self.model()
        return self.folder / "model"

    def test_a_folder_beats_the_server(self):
        self.serve()
        _, err = self.freeal("status", "--project", "nowhere", code=2)
        self.assertIn("there is no project at nowhere", err)

    def test_nobody_answers(self):
        (self.folder / "token").write_text("secret")
        for args in (("status",), ("export",), ("ingest", "--input", "in.csv"), ("status", "--health")):
            _, err = self.freeal(*args, code=1)
            self.assertIn("no coordinator answers at 127.0.0.1:1; is it up?", err)

    def test_bad_address_and_token(self):
        self.serve()
        _, err = self.freeal("status", "--server", "here", code=2)
        self.assertIn("HOST:PORT, not as here", err)
        _, err = self.freeal("status", "--token-file", "missing", code=2)
        self.assertIn("cannot read the token from missing", err)
        (self.folder / "other").write_text("another")
        _, err = self.freeal("status", "--token-file", "other", code=1)
        self.assertIn("wrong token", err)


class Up(Remote):
    def up(self, *args, code=0, **env):
        return self.freeal("up", "data", *args, code=code, **env)

    def setUp(self):
        super().setUp()
        (self.folder / "data").mkdir()
        self.write("data/task.yaml", TASK)

    def old(self, name, text):
        """A file that has been there for a while."""
        self.write("data/" + name, text)
        os.utime(self.folder / "data" / name, (1, 1))

    def test_takes_the_folder_and_fetches_the_results(self):
        self.serve()
        self.old("b.csv", "id,text\n1,a\n2,b\n")
        self.old("a.jsonl", '{"id":"3","text":"c"}\n')
        self.old("notes.txt", "no data")
        self.old(".hidden.csv", "id,text\n9,z\n")
        out, err = self.up("--once")
        self.assertEqual({"1", "2", "3"}, set(self.sent_there()))
        self.assertLess(err.index("a.jsonl: 1 samples added"), err.index("b.csv: 2 samples added"))
        self.assertIn("t: 3 samples labelled", out)
        self.assertIn("labels: data/out/labels.jsonl", out)
        self.assertEqual(["labels.jsonl", "model", "report.json"], sorted(os.listdir(self.folder / "data/out")))
        _, err = self.up("--once")
        self.assertIn("b.csv: 0 samples added, 2 were there", err)

    def test_a_file_that_was_just_written_is_waited_for(self):
        self.serve()
        self.write("data/a.csv", "id,text\n1,a\n")
        _, err = self.up("--once")
        self.assertIn("a.csv: 1 samples added", err)

    def test_bad_rows_are_told_and_do_not_stop_it(self):
        self.serve()
        self.old("a.csv", "id,text\n1,a\n2,\n3,refuse me\n")
        self.old("b.csv", "id,other\n4,d\n")
        self.old("c.csv", "id,text\n5,e\n")
        out, err = self.up("--once", code=2)
        self.assertIn("a.csv: 1 samples added, 0 were there, 2 refused; see data/out/rejects-a.csv.jsonl", err)
        self.assertIn("data/b.csv:1: ", err)
        self.assertEqual([3, 4], [json.loads(line)["line"] for line in
                                  (self.folder / "data/out/rejects-a.csv.jsonl").read_text().splitlines()])
        self.assertEqual({"1", "5"}, set(self.sent_there()))
        self.assertIn("t: 2 samples labelled", out)
        self.old("a.csv", "id,text\n1,a\n2,b\n")
        (self.folder / "data/b.csv").unlink()
        self.up("--once")
        self.assertFalse((self.folder / "data/out/rejects-a.csv.jsonl").exists())

    def test_stays_and_takes_more_until_it_is_told_to_stop(self):
        self.serve()
        self.old("a.csv", "id,text\n1,a\n")
        process = self.start("up", "data")
        labels = self.folder / "data/out/labels.jsonl"
        self.wait(lambda: labels.exists() and labels.read_text().count("\n") == 1)
        self.old("b.csv", "id,text\n2,b\n")
        self.wait(lambda: labels.read_text().count("\n") == 2)
        with open(self.folder / "data/a.csv", "a") as more:
            more.write("3,c\n")
        self.wait(lambda: labels.read_text().count("\n") == 3)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(0, process.returncode, err)
        self.assertIn("a.csv: 1 samples added, 1 were there", err)

    def test_waits_for_the_coordinator_and_survives_its_restart(self):
        self.serve()
        address = self.address
        self.stop_server()
        self.old("a.csv", "id,text\n1,a\n")
        process = self.start("up", "data")
        self.assertIn("waiting for the coordinator at " + address, process.stderr.readline())
        self.serve(words="crash-once", address=address)
        self.wait(lambda: self.server.poll() is not None)
        self.serve(address=address)
        self.wait((self.folder / "data/out/labels.jsonl").exists)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(0, process.returncode)

    def test_no_data_and_no_task(self):
        self.serve()
        _, err = self.up("--once", code=2)
        self.assertIn("there are no data files", err)
        process = self.start("up", "data")
        self.assertIn("waiting for some, or for `freeal ingest`", process.stderr.readline())
        self.wait((self.folder / "there/starts.jsonl").exists)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(0, process.returncode)
        (self.folder / "data/task.yaml").unlink()
        _, err = self.up(code=2)
        self.assertIn("data/task.yaml is missing", err)

    def test_a_coordinator_that_fails(self):
        self.serve(words="failed")
        self.old("a.csv", "id,text\n1,a\n")
        _, err = self.up("--once", code=1)
        self.assertIn("training failed five times", err)


if __name__ == "__main__":
    unittest.main()
