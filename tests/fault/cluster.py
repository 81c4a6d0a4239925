"""A whole system of separate processes, to be disturbed by tests.

    with Cluster(annotators=2) as cluster:
        cluster.run(samples(200))                     # ingest, start
        cluster.wait_phase("annotate", done=50)
        cluster["annotator-0"].restart()
        cluster.finish()                              # until all is done
        cluster.audit()                               # invariants; stops everything

Services are `coordinator`, `selector`, `trainer-N` and `annotator-N`, each a Process; the LLM is
`cluster.mock`. They talk over ipc sockets, or with tcp=True over TCP with keys. Whatever happens,
leaving the block ends all processes; a sanitizer's report or a death that the test did not
cause fails it. FREEAL_BIN is the folder of the programs; FREEAL_SEED repeats a run.
"""
import collections
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from leaks import find_leaks, secret_keys
from process import Process

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "service"))
from mock_server import MockServer  # noqa: E402
from topics import LABELS, task_text  # noqa: E402

BIN = pathlib.Path(os.environ["FREEAL_BIN"])
PHASES = ["generate", "embed", "retrieve", "annotate", "train", "select", "decide", "final_train", "predict", "done"]
REPORTS = ("Sanitizer", "runtime error:", "Assertion", "stack smashing")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def slow(test):
    """Marks a test as none for every day: see main."""
    test.slow = True
    return test


def main():
    """Runs the tests of the caller's file: without those that are slow, with FREEAL_SLOW=1
    these alone, with FREEAL_SLOW=all both. Arguments are unittest's."""
    wanted = os.environ.get("FREEAL_SLOW", "0")
    # What leaves by an exception cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    class Loader(unittest.TestLoader):
        def getTestCaseNames(self, case):
            names = super().getTestCaseNames(case)
            if wanted == "all":
                return names
            return [n for n in names if hasattr(getattr(case, n), "slow") == (wanted == "1")]

    unittest.main(testLoader=Loader(), verbosity=2)


class Cluster:
    """`script` holds rules of freeal-mockllm, `mock` more of its options; `ttr_ms` is the time of
    a lease. `task` holds more arguments of topics.task_text: rounds, concurrency."""

    def __init__(self, annotators=1, trainers=1, ttr_ms=1500, seed=None, tcp=False, script=None, mock=(),
                 latency_ms=0, task=None, coordinator_options=(), annotator_options=()):
        self.seed = int(os.environ.get("FREEAL_SEED", seed if seed is not None else random.randrange(1 << 31)))
        self.random = random.Random(self.seed)
        self.folder = tempfile.TemporaryDirectory(prefix="freeal-fault-")
        self.path = pathlib.Path(self.folder.name)
        self.project = self.path / "project"
        self.project.mkdir()
        self.ttr_ms = ttr_ms
        self.coordinator_options = list(coordinator_options)
        self.annotator_options = list(annotator_options)
        self.acknowledged = {}  # id: text of each sample that was acknowledged
        self.services = {}
        self.tcp = tcp
        self.supervised = {}  # name: what makes the options of its next start
        self.deaths = collections.Counter()
        self.mock = self._mock_start(script, ["--latency-ms", str(latency_ms), *mock])
        (self.path / "task.yaml").write_text(task_text(self.mock.url, **(task or {})))
        self._addresses_make()
        self._service("coordinator", self._coordinator_argv)
        self._service("selector", self._selector_argv)
        for _ in range(trainers):
            self.add("trainer")
        for _ in range(annotators):
            self.add("annotator")

    # -- set-up

    def _mock_start(self, script, options):
        task = self.path / "mock.yaml"
        task.write_text(task_text("http://127.0.0.1:1/v1"))
        if "--mode" not in options:
            options = ["--mode", "offline", "--task", str(task), *options]
        return MockServer(*options, script=script)

    def _addresses_make(self):
        if self.tcp:
            subprocess.run([BIN / "freeal", "keys", self.path / "keys"], check=True, capture_output=True)
            self.bus, self.selector_bus = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
        else:
            self.bus, self.selector_bus = (f"ipc://{self.path}/{name}" for name in ("bus", "sel"))

    def _key(self, role):
        return ["--key", self.path / "keys" / role / f"{role}.key"] if self.tcp else []

    def _coordinator_argv(self):
        return [BIN / "freeal-coordinator", "--project", self.project, "--task", self.path / "task.yaml",
                "--bind", self.bus, "--selector", self.selector_bus, "--ttr-ms", self.ttr_ms,
                "--port-file", self.path / "port", *self._key("coordinator"), *self.coordinator_options]

    def _selector_argv(self):
        return [BIN / "freeal-selector", "--coordinator", self.bus, "--data", self.project / "selector",
                "--bind", self.selector_bus, *self._key("selector")]

    def _trainer_argv(self):
        return [BIN / "freeal-trainer", "--coordinator", self.bus, "--data", self.project / "trainer",
                "--threads", 1, *self._key("trainer")]

    def _annotator_argv(self):
        return [BIN / "freeal-annotator", "--coordinator", self.bus, *self.annotator_options, *self._key("annotator")]

    def _service(self, name, argv):
        role = name.split("-")[0]
        self.services[name] = Process(name, argv, self.path / f"{name}.log", stop_seconds=10 if role == "trainer" else 5)
        return self.services[name]

    def add(self, role):
        """One more trainer or annotator, not started; returns its process."""
        argv = {"trainer": self._trainer_argv, "annotator": self._annotator_argv}[role]
        return self._service(f"{role}-{len(self.of(role))}", argv)

    def of(self, role):
        """The names of the services of a role."""
        return [name for name in self.services if name.split("-")[0] == role]

    def __getitem__(self, name):
        return self.services[name]

    def start(self, without=()):
        """All services but those of these names, and those that run."""
        for name, service in self.services.items():
            if name not in without and not service.alive():
                service.start()
        return self

    # -- the coordinator's HTTP interface

    def request(self, method, path, body=None, timeout=10):
        """Status and body; OSError while there is no coordinator."""
        try:
            port = int((self.path / "port").read_text())
            token = (self.project / "token").read_text().strip()
        except (FileNotFoundError, ValueError) as e:
            raise OSError("the coordinator is not up") from e
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Authorization": "Bearer " + token})
            reply = connection.getresponse()
            return reply.status, reply.read()
        except http.client.HTTPException as e:
            raise OSError(f"{method} {path}: {e!r}") from e
        finally:
            connection.close()

    def get(self, path):
        status, body = self.request("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {body[:300]}")
        return body

    def status(self):
        """The coordinator's status; {} while there is none."""
        try:
            status, body = self.request("GET", "/v1/status")
        except OSError:
            return {}
        return json.loads(body) if status == 200 else {}

    def post(self, path, body, timeout=60):
        """Again until it is answered, as a careful client would."""
        def tried():
            try:
                return self.request("POST", path, body)
            except OSError:
                return None
        status, reply = self.wait(lambda: (r := tried()) and r[0] != 503 and r, timeout, f"POST {path}")
        if status != 200:
            raise AssertionError(f"POST {path}: {status} {reply[:300]}")
        return json.loads(reply)

    def ingest(self, rows, batch=500, timeout=60):
        """Sends rows until all are acknowledged; returns the sums of what was said of them."""
        total = {"accepted": 0, "duplicates": 0, "rejected": []}
        for at in range(0, len(rows), batch):
            part = rows[at:at + batch]
            lines = [json.dumps({"id": r["id"], "text": r["text"], "gold": LABELS.index(r["label"])}) for r in part]
            reply = self.post("/v1/samples", "\n".join(lines).encode(), timeout)
            for key, value in total.items():
                total[key] = value + reply[key]
            if not reply["rejected"]:
                self.acknowledged.update((r["id"], r["text"]) for r in part)
        return total

    def run(self, rows, without=()):
        """Starts what is not running, takes the samples in and begins the rounds."""
        self.start(without)
        self.ingest(rows)
        self.post("/v1/start", b"{}")
        return self

    def labels(self):
        return [json.loads(line) for line in self.labels_text().splitlines()]

    def labels_text(self):
        """labels.jsonl, byte by byte."""
        return self.get("/v1/labels")

    def report(self):
        return json.loads(self.get("/v1/report"))

    def model(self):
        """The files of the published model: {name: content}."""
        names = json.loads(self.get("/v1/model"))["files"]
        return {name: self.get(f"/v1/model/{name}") for name in sorted(names)}

    def asked(self):
        """The requests for labels that the LLM has got so far."""
        return [r for r in self.mock.records() if r["kind"] == "label"]

    def forget_project(self):
        """Removes the stopped coordinator's data; selector and trainers keep theirs."""
        for path in self.project.iterdir():
            if path.name in ("selector", "trainer"):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.acknowledged.clear()

    # -- waiting

    def supervise(self, name, options=dict):
        """From now on every wait starts the service again when it has ended; `options()` gives
        the arguments of Process.start. Counted in `deaths`."""
        self.supervised[name] = options

    def _restart_dead(self):
        for name, options in self.supervised.items():
            if not self.services[name].alive():
                self.deaths[name] += 1
                self.services[name].start(**options())

    def wait(self, condition, timeout=60, what="a condition"):
        """Until `condition()` is true; returns its value. A service that died is not waited for."""
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            self.assert_nobody_died()
            self._restart_dead()
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout} s for {what}\n{self.describe()}")
            time.sleep(0.005)

    def wait_ready(self, timeout=30):
        return self.wait(self.status, timeout, "the coordinator's status")

    def wait_phase(self, phase, round=None, done=0, timeout=60):
        """Until that phase is going on and `done` of its works are settled. Fails at once if
        it is over, so a phase that may be short has to be held open, by a paused worker."""
        def reached():
            s = self.status()
            if s.get("failed"):
                raise AssertionError(f"the run failed: {s['failed']}")
            if s and s["phase"] == phase and round in (None, s["round"]) and s["done"] >= done:
                return s
            over = s and s["phase"] == "done" and s["finished"] and phase != "done"
            if over:
                raise AssertionError(f"it finished before phase {phase} was seen\n{self.describe()}")
            return None
        return self.wait(reached, timeout, f"phase {phase} round {round} done {done}")

    def finish(self, timeout=90):
        """Until the run is done and every acknowledged sample is in it."""
        def done():
            s = self.status()
            if s.get("failed"):
                raise AssertionError(f"the run failed: {s['failed']}\n{self.describe()}")
            return s.get("finished") and s["samples"] >= len(self.acknowledged) and s
        return self.wait(done, timeout, "the end of the run")

    # -- judging

    def assert_nobody_died(self):
        for service in self.services.values():
            if service.died():
                raise AssertionError(f"{service.name} ended with {service.process.returncode}\n{self.describe()}")

    def assert_no_reports(self):
        for service in self.services.values():
            text = service.text()
            for word in REPORTS:
                if word in text:
                    raise AssertionError(f"{service.name} wrote a report:\n{text[max(0, text.index(word) - 500):][:4000]}")

    def assert_labels(self):
        """I1, I2: each acknowledged sample is there once, and has a label."""
        rows = self.labels()
        ids = [r["id"] for r in rows]
        if len(set(ids)) != len(ids):
            raise AssertionError("an id is there twice")
        lost = set(self.acknowledged) - set(ids)
        if lost:
            raise AssertionError(f"{len(lost)} acknowledged samples are not there, such as {sorted(lost)[:3]}")
        without = [r["id"] for r in rows if r["label"] not in LABELS]
        if without:
            raise AssertionError(f"{len(without)} samples have no label, such as {without[:3]}")

    def stop(self):
        """SIGTERM for everyone: I9."""
        self.supervised.clear()
        alive = [s for s in self.services.values() if s.alive()]
        for service in alive:
            service.terminate()
        for service in alive:
            code = service.wait_stopped()
            if code != 0:
                raise AssertionError(f"{service.name} ended with {code} on SIGTERM\n{self.describe()}")

    def audit(self):
        """The invariants, by HTTP and, once everything is stopped, by `freeal doctor --audit`."""
        self.assert_nobody_died()
        self.assert_no_reports()
        if self.services["coordinator"].alive():
            self.wait_ready()
            if self.status()["finished"]:
                self.assert_labels()
        self.stop()
        acknowledged = self.path / "acknowledged.jsonl"
        acknowledged.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in self.acknowledged.items()))
        result = subprocess.run([BIN / "freeal", "doctor", "--audit", "--project", self.project, "--acknowledged",
                                 acknowledged], capture_output=True, encoding="utf-8")
        if result.returncode != 0 or "FAILED" in result.stdout:
            raise AssertionError(f"audit: {result.returncode}\n{result.stdout}{result.stderr}")
        leaks = find_leaks(self.path, self.secrets())
        if leaks:
            raise AssertionError(f"I10: a secret is in {leaks}")
        return result.stdout

    def secrets(self):
        """What must be in no store, log or message: {what: the bytes}."""
        found = {"token": (self.project / "token").read_bytes().strip()}
        for key in self.path.glob("keys/*/*.key"):
            found.update(secret_keys(key))
        return found

    def describe(self):
        """What there is to see when a test fails."""
        text = f"seed {self.seed}\nstatus {json.dumps(self.status())}\n"
        for service in self.services.values():
            state = service.state() if service.alive() else service.process and service.process.returncode
            text += f"== {service.name} ({state})\n" + "".join(service.text().splitlines(True)[-15:])
        return text

    # -- the end

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is not None:
                print(f"FREEAL_SEED={self.seed} repeats this", file=sys.stderr)
            else:
                self.assert_nobody_died()
                self.assert_no_reports()
        finally:
            self.close()

    def close(self):
        for service in self.services.values():
            if service.process is not None and service.process.poll() is None:
                service.signal(signal.SIGKILL)
                service.wait(10)
        try:
            self.mock.__exit__()
        finally:
            self.folder.cleanup()
