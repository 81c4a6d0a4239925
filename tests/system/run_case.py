"""What the tests of `freeal run` share: its inputs, a mock of the LLM, its outputs, and kills."""
import csv
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "service"))
from mock_server import MockServer  # noqa: E402
from topics import task_text  # noqa: E402

BIN = pathlib.Path(os.environ["FREEAL_BIN"])


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="freeal-system-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        (self.path / "mock.yaml").write_text(task_text("http://127.0.0.1:1/v1"))

    def mock(self, *options, script=None):
        server = MockServer("--mode", "offline", "--task", str(self.path / "mock.yaml"), *options, script=script)
        self.addCleanup(server.__exit__)
        return server

    def write_task(self, url, **more):
        (self.path / "task.yaml").write_text(task_text(url, **more))
        return self.path / "task.yaml"

    def write_input(self, rows, name="input.csv"):
        with open(self.path / name, "w", newline="") as out:
            writer = csv.DictWriter(out, ["id", "text", "label"])
            writer.writeheader()
            writer.writerows(rows)
        return self.path / name

    def start(self, task, source, out, *more):
        return subprocess.Popen([BIN / "freeal", "run", task, "--input", source, "--out", self.path / out, *more],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")

    def run_to_end(self, task, source, out, *more, code=0):
        process = self.start(task, source, out, *more)
        text, _ = process.communicate(timeout=200)
        if process.returncode != code:
            logs = self.path / out / ".freeal" / "logs"
            for log in sorted(logs.glob("*")) if logs.exists() else []:
                text += f"\n== {log.name}\n" + log.read_text()[-2000:]
        self.assertEqual(process.returncode, code, text)
        self.assert_clean_logs(out)
        return text

    def assert_clean_logs(self, out):
        """No service wrote a sanitizer's report or a fatal error."""
        for log in (self.path / out / ".freeal" / "logs").glob("*"):
            for word in ("Sanitizer", "runtime error:", " fatal ", "Assertion"):
                self.assertNotIn(word, log.read_text(), log.name)

    def labels(self, out):
        return [json.loads(line) for line in (self.path / out / "labels.jsonl").read_text().splitlines()]

    def status(self, out):
        """The running coordinator's status, or None."""
        result = subprocess.run([BIN / "freeal", "status", "--out", self.path / out, "--json"],
                                capture_output=True, encoding="utf-8")
        try:
            return json.loads(result.stdout)
        except ValueError:
            return None

    def digest(self, folder):
        """Hash of every file of a folder, names included."""
        h = hashlib.sha256()
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file():
                h.update(path.name.encode() + path.read_bytes())
        return h.hexdigest()


class DisturbedCase(Case):
    def undisturbed(self, task, source):
        self.run_to_end(task, source, "reference")
        return (self.path / "reference" / "labels.jsonl").read_bytes()

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.02)
        self.fail("waited for " + what)

    def kill(self, name, folder):
        """kill -9 of a child of our run: known by the project's path in its command line."""
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0].endswith(name.encode()) and self.is_ours(entry, folder):
                    os.kill(int(entry.name), signal.SIGKILL)
                    return True
            except (OSError, IndexError):
                continue
        return False

    @staticmethod
    def is_ours(entry, folder):
        """The child's parent is a `freeal run` with our output folder."""
        parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
        return os.fsencode(folder) in pathlib.Path(f"/proc/{parent}/cmdline").read_bytes()
