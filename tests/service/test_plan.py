"""`freeal plan` and `freeal run --dry-run`: what would be asked, before anything is."""

import json
import os
import re
import subprocess
import tempfile
import unittest

BIN = os.environ["FREEAL_BIN"]
PROGRAM = os.path.join(BIN, "freeal")

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


class Case(unittest.TestCase):
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

    def dry_run(self, task, source):
        return self.run_program("run", task, "--input", source, "--dry-run",
                                "--out", os.path.join(self.folder.name, "out"))


class DryRun(Case):
    def test_requests(self):
        run = self.dry_run(self.task, self.input)
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
        run = self.dry_run(task, self.input)
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
            run = self.dry_run(task, source)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertIn(words, run.stderr)


LADDER = """\
labels: [{name: a}, {name: b}]
endpoints:
  - {name: cheap, url: "http://127.0.0.1:9/v1", model: small, requests_per_minute: 2,
     usd_per_million: {in: 1, out: 2}}
  - {name: strong, url: "http://127.0.0.1:9/v1", model: large, usd_per_million: {in: 10, out: 20}}
llm: {endpoints: [cheap]}
rounds:
  - {shots: 0, batch: 2}
  - {shots: 0, relabel: 0.5, endpoints: [strong], reasoning: true, reasoning_tokens: 400}
budget: {%s}
"""


class Plan(Case):
    def plan(self, budget):
        run = self.run_program("plan", self.write("ladder.yaml", LADDER % budget), "--input", self.input)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_a_ladder(self):
        text = self.plan("usd: 1, tokens: 100000, requests: 3")
        rows = {line.split("  ")[0]: line.split() for line in text.splitlines()}
        self.assertEqual(rows["round 0"][2:5], ["100%", "0", "2"])
        self.assertEqual(rows["round 0"][-6:], ["1.0", "min", "cheap", "(small),", "batch", "2"])
        self.assertEqual(rows["round 1"][2:5], ["50%", "0", "2"])
        self.assertEqual(rows["round 1"][-3:], ["strong", "(large),", "reasoning"])
        self.assertEqual(int(rows["round 1"][7]), 2 * (100 + 1))
        self.assertEqual(rows["in all"][2], "4")
        self.assertIn("Budget of 1 USD: will do.", text)
        self.assertIn("Budget of 100000 tokens: will do.", text)
        self.assertIn("Budget of 3 requests: WON'T DO", text)
        self.assertFalse(os.path.exists(os.path.join(self.folder.name, "out")))

    def test_a_budget_that_may_not_do(self):
        self.assertIn("Budget of 0.01 USD: will do as expected; at the worst", self.plan("usd: 0.01"))
        self.assertIn("Budget of 0.0001 USD: WON'T DO", self.plan("usd: 0.0001"))

    def test_usage(self):
        for arguments in (("plan",), ("plan", self.task), ("plan", self.task, "--input", "/no/such.csv"),
                          ("plan", "/no/such.yaml", "--input", self.input)):
            run = self.run_program(*arguments)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertNotEqual(run.stderr, "")


class Prompt(Case):
    def prompt(self, llm, *arguments):
        task = self.write("prompt.yaml", "labels: [{name: a, examples: [one]}, {name: b}]\n"
                          "llm: {%s}\nrounds: [{shots: 2}]\n" % llm)
        run = subprocess.run([PROGRAM, "prompt", task, "--input", self.input, *arguments], capture_output=True,
                             text=True, timeout=30, check=False, env={"SECRET_": "sk-hidden"})
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertNotIn("sk-hidden", run.stdout + run.stderr)
        return run.stdout

    def test_the_head_names_the_key_and_does_not_show_it(self):
        url = 'url: "http://127.0.0.1:9/v1", model: m'
        self.assertIn("\nAuthorization: Bearer $SECRET_\n", self.prompt(url + ", key_env: SECRET_"))
        self.assertIn("\nAuthorization: Bearer (the first line of /no/such)\n", self.prompt(url + ", key_file: /no/such"))
        azure = self.prompt(url + ", key_env: SECRET_, api_version: 2024-10-21")
        self.assertIn("?api-version=2024-10-21\n", azure)
        self.assertIn("\napi-key: $SECRET_\n", azure)
        self.assertNotIn("$", self.prompt(url))

    def test_the_body(self):
        url = 'url: "http://127.0.0.1:9/v1", model: m'
        (pretty,) = requests_of(self.prompt(url, "--sample", "2"))
        self.assertEqual([m["content"] for m in pretty["messages"][1:]],
                         ["one", "a", "<demonstration 2: written by the LLM>", "a", "Lovely"])
        self.assertEqual(json.loads(self.prompt(url, "--sample", "2", "--raw")), pretty)


if __name__ == "__main__":
    unittest.main()
