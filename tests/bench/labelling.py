"""The services that label, as separate processes, and how fast they do."""

import http.client
import json
import subprocess
import sys
import time

import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "fault"))
from process import Process  # noqa: E402


class System:
    """Coordinator, selector, trainer and annotators on a project in `folder`; each annotator
    may have `in_flight` requests open."""

    def __init__(self, folder, task, in_flight):
        self.folder = folder
        self.project = folder / "project"
        self.run = self.project / "run"
        self.run.mkdir(parents=True)
        harness.write_task(folder / "task.yaml", task)
        bus, selector = (f"ipc://{folder}/{name}" for name in ("bus", "selector"))
        self.annotator_argv = [harness.BIN / "freeal-annotator", "--coordinator", bus, "--concurrency", in_flight]
        self.coordinator = self._process(
            "coordinator", "--project", self.project, "--task", folder / "task.yaml", "--bind", bus, "--selector",
            selector, "--port-file", self.run / "port", "--token-file", self.run / "token")
        self.others = [
            self._process("selector", "--coordinator", bus, "--data", self.project / "selector", "--bind", selector),
            self._process("trainer", "--coordinator", bus, "--data", self.project / "trainer")]
        self.annotators = []

    def _process(self, name, *argv):
        return Process(name, [harness.BIN / f"freeal-{name}", *argv, "--parent-death"], self.folder / f"{name}.log")

    def __enter__(self):
        for process in (self.coordinator, *self.others):
            process.start()
        self.wait(lambda: self.status(), "the coordinator")
        return self

    def __exit__(self, *_):
        for process in (*self.annotators, *self.others, self.coordinator):
            process.kill()

    def annotators_set(self, count):
        while len(self.annotators) < count:
            name = f"annotator{len(self.annotators)}"
            self.annotators.append(Process(name, self.annotator_argv, self.folder / f"{name}.log").start())

    def request(self, method, path, body=None):
        port = int((self.run / "port").read_text())
        token = (self.run / "token").read_text().strip()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, body, {"Authorization": "Bearer " + token})
            reply = connection.getresponse()
            return json.loads(reply.read())
        finally:
            connection.close()

    def status(self):
        try:
            return self.request("GET", "/v1/status")
        except (OSError, ValueError, http.client.HTTPException):
            return {}

    def ingest(self, path):
        subprocess.run([harness.BIN / "freeal", "ingest", path, "--project", self.project],
                       stderr=subprocess.PIPE, check=True)

    def wait(self, condition, what, timeout=300):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline or not self.coordinator.alive():
                raise RuntimeError(f"waited for {what}, see {self.folder}")
            time.sleep(0.05)

    def labels_count(self):
        """Labels that are stored, and when the count was made: at its next change."""
        first = self.status().get("requests", 0)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            count = self.status().get("requests", 0)
            if count != first:
                return count, time.monotonic()
            time.sleep(0.002)
        raise RuntimeError(f"no labels come in, see {self.folder}")

    def rate(self, ended):
        """Labels per second until `ended()`."""
        count, start = self.labels_count()
        while not ended():
            time.sleep(0.01)
        last, end = self.labels_count()
        return (last - count) / (end - start)

    def steady_rate(self, warm_seconds, seconds):
        time.sleep(warm_seconds)
        until = time.monotonic() + seconds
        return self.rate(lambda: time.monotonic() >= until)
