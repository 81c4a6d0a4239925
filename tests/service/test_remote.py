"""The freeal command with a coordinator that runs elsewhere: --server, FREEAL_SERVER and
`freeal up`, against the stand-in of cli_coordinator.py."""
import json
import os
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
        self.assertIn("cannot read the server's token from missing", err)
        (self.folder / "other").write_text("another")
        _, err = self.freeal("status", "--token-file", "other", code=1)
        self.assertIn("wrong token", err)


if __name__ == "__main__":
    unittest.main()
