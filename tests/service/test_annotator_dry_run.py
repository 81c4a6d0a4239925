"""The annotator's command line: dry runs and what it refuses."""

import json
import os
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.path.join(os.environ["FREEAL_BIN"], "freeal-annotator")

TASK = """\
task: films
description: Say whether the reviewer liked the film.
labels:
  - {name: negative, description: the reviewer did not like it}
  - {name: positive, examples: ["a film to fall in love with"]}
input: {text: text, id: id}
llm: {url: "http://127.0.0.1:9/v1", model: small, key_env: NO_SUCH_KEY,
      usd_per_million: {in: 1000, out: 2000}}
rounds:
  - {shots: 3}
  - {relabel: 0.5, model: large, shots: 2}
"""


def requests_of(text):
    """The JSON objects printed between other lines."""
    decoder = json.JSONDecoder()
    found = []
    at = text.find("\n{")
    while at >= 0:
        value, end = decoder.raw_decode(text, at + 1)
        found.append(value)
        at = text.find("\n{", end)
    return found


class DryRun(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.task = self.write("task.yaml", TASK)
        self.input = self.write("in.csv", 'id,text\n1,"A ""dull"" film"\n2,Lovely\n3,So so\n4,Bad\n')

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def run_program(self, *arguments):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=30,
                              check=False)

    def test_requests(self):
        run = self.run_program("--dry-run", "--task", self.task, "--input", self.input)
        self.assertEqual(run.returncode, 0, run.stderr)
        write, first, second = requests_of(run.stdout)
        self.assertTrue(write["messages"][-1]["content"].startswith(
            'Write 50 examples of the label "negative".\n'))
        self.assertEqual(first["model"], "small")
        self.assertEqual(len(first["messages"]), 1 + 2 * 3 + 1)
        self.assertEqual(first["messages"][1]["content"], "a film to fall in love with")
        self.assertEqual(first["messages"][2]["content"], "positive")
        self.assertEqual(first["messages"][-1], {"role": "user", "content": 'A "dull" film'})
        self.assertEqual(second["model"], "large")
        self.assertEqual(len(second["messages"]), 1 + 2 * 2 + 1)
        self.assertEqual(second["messages"][0], first["messages"][0])
        for request in (write, first, second):
            for message in request["messages"]:
                self.assertNotIn("\0", message["content"])
        self.assertIn("4 samples in all: 8 requests", run.stdout)
        self.assertIn("estimated as bytes / 4", run.stdout)
        self.assertIn("USD", run.stdout)

    def test_without_price_and_shots(self):
        task = self.write("zero.yaml", "labels: [{name: a}, {name: b}]\n"
                          "llm: {url: \"http://localhost/v1\", model: m}\nrounds: [{shots: 0}]\n")
        run = self.run_program("--dry-run", "--task", task, "--input", self.input)
        self.assertEqual(run.returncode, 0, run.stderr)
        (only,) = requests_of(run.stdout)
        self.assertEqual(len(only["messages"]), 2)
        self.assertIn("4 samples in all: 4 requests", run.stdout)
        # The contents' bytes / 4 and 4 a message; the samples differ from the first in size.
        read = sum(len(message["content"].encode()) / 4 + 4 for message in only["messages"])
        said = int(re.search(r"about (\d+) tokens in", run.stdout).group(1))
        self.assertLess(abs(said / 4 - read), 10)
        self.assertNotIn(" USD", run.stdout)

    def test_bad_input(self):
        bad = self.write("bad.csv", "id,text\n1,a\n2,\n")
        for task, source, words in ((self.task, bad, "bad.csv:3:"),
                                    (self.task, "/no/such.csv", "/no/such.csv"),
                                    ("/no/such.yaml", self.input, "/no/such.yaml")):
            run = self.run_program("--dry-run", "--task", task, "--input", source)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertIn(words, run.stderr)

    def test_usage(self):
        for arguments in ((), ("--dry-run",), ("--coordinator", "ipc:///x", "--concurrency", "0"),
                          ("--coordinator", "ipc:///x", "--log-level", "loud"), ("--no-such",)):
            run = self.run_program(*arguments)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertNotEqual(run.stderr, "")
        self.assertEqual(self.run_program("--version").returncode, 0)
        self.assertIn("--dry-run", self.run_program("--help").stdout)


if __name__ == "__main__":
    unittest.main()
