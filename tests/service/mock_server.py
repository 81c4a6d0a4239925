"""freeal-mockllm as a child process, for service tests."""

import http.client
import json
import os
import pathlib
import subprocess
import tempfile
import time

BIN = pathlib.Path(os.environ["FREEAL_BIN"])


class MockServer:
    """Runs the mock with a task of two labels; `with` ends it and checks how it ended."""

    TASK = ("labels:\n  - {name: sound, keywords: [audio]}\n  - {name: games, keywords: [game]}\n"
            "llm: {url: http://127.0.0.1:1/v1, model: m}\n")

    def __init__(self, *options, script=None):
        self.folder = tempfile.TemporaryDirectory(prefix="freeal-mock-")
        self.path = pathlib.Path(self.folder.name)
        self.record_file = self.path / "record.jsonl"
        (self.path / "task.yaml").write_text(self.TASK)
        arguments = [BIN / "freeal-mockllm", "--listen", "127.0.0.1:0", "--port-file", self.path / "port",
                     "--record", self.record_file]
        if "--mode" not in options:
            arguments += ["--mode", "offline", "--task", self.path / "task.yaml"]
        if script is not None:
            (self.path / "script.json").write_text(json.dumps({"rules": script}))
            arguments += ["--script", self.path / "script.json"]
        self.process = subprocess.Popen([*arguments, *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, encoding="utf-8")
        deadline = time.monotonic() + 30
        while not (self.path / "port").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError("the mock did not start: " + self.process.communicate()[1])
            time.sleep(0.01)
        self.port = int((self.path / "port").read_text())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            _, errors = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.folder.cleanup()
        if self.process.returncode != 0 or errors:
            raise AssertionError(f"the mock ended with {self.process.returncode}: {errors}")

    def connect(self, timeout=20):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path):
        connection = self.connect()
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, json.loads(body)

    def stats(self):
        return self.get("/mock/stats")[1]

    def records(self):
        # The last line may be half written; what follows the last newline is not read.
        return [json.loads(line) for line in self.record_file.read_text().split("\n")[:-1]]

    @staticmethod
    def body(text, turns=(), model="m"):
        messages = [{"role": "system", "content": "Label it."}]
        for example, label in turns:
            messages.append({"role": "user", "content": example})
            messages.append({"role": "assistant", "content": label})
        messages.append({"role": "user", "content": text})
        return json.dumps({"model": model, "messages": messages})

    def post(self, body, connection=None, headers=None, timeout=20):
        """Status, headers and raw body of one chat request."""
        own = connection is None
        connection = connection or self.connect(timeout)
        try:
            connection.request("POST", "/v1/chat/completions", body,
                               {"Content-Type": "application/json", **(headers or {})})
            reply = connection.getresponse()
            data = reply.read()
        finally:
            if own:
                connection.close()
        return reply.status, dict(reply.getheaders()), data

    def ask(self, text, turns=(), model="m"):
        """The content of an ordinary answer."""
        status, _, data = self.post(self.body(text, turns, model))
        if status != 200:
            raise AssertionError(f"{status}: {data[:300]}")
        return json.loads(data)["choices"][0]["message"]["content"]
