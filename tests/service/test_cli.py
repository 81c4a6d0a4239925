"""The freeal command against a stand-in coordinator (cli_coordinator.py) and workers
that do nothing. FREEAL_BIN is the folder of the programs."""
import csv
import glob
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).parent
BIN = pathlib.Path(os.environ["FREEAL_BIN"])

TASK = """\
task: t
labels:
  - name: bad
  - {name: good, aliases: [fine]}
input: {text: text, id: id, gold: label}
llm: {url: "http://127.0.0.1:1/v1", model: m}
"""

WORKER = """\
#!%s
import os, signal, sys, time
if "--serve" in sys.argv:
    print("freeal-trainer: %%s holds no model" %% sys.argv[sys.argv.index("--serve") + 1], file=sys.stderr)
    sys.exit(2)
if "--version" in sys.argv:
    print(os.path.basename(sys.argv[0]), "9.9.9")
    sys.exit(0)
if os.environ.get("FAKE_WORKER") == os.path.basename(sys.argv[0]):
    sys.exit(1)
open(os.path.join(%r, os.path.basename(sys.argv[0]) + "." + str(os.getpid())), "w").close()
if os.environ.get("FAKE_WORKER") == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""


def alive(pid):
    """Whether the process runs. One that has ended stays in the table until it is reaped: what a
    killed command leaves, by the system's init, in its own time."""
    try:
        status = pathlib.Path("/proc/%d/stat" % pid).read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="freeal-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.bin = self.folder / "bin"
        self.runs = self.folder / "runs"
        self.pids = self.folder / "pids"
        for made in (self.bin, self.runs, self.pids):
            made.mkdir()
        shutil.copy(BIN / "freeal", self.bin)
        self.program("freeal-coordinator", "#!%s\nexec(open(%r).read())\n" % (
            sys.executable, str(HERE / "cli_coordinator.py")))
        for name in ("freeal-annotator", "freeal-trainer", "freeal-selector"):
            self.program(name, WORKER % (sys.executable, str(self.pids)))
        self.write("task.yaml", TASK)
        self.write("in.csv", 'id,text,label\n1,"a ""good"" film\nindeed",good\n2,b,0\n3,c,\n')

    def tearDown(self):
        self.assertEqual([], os.listdir(self.runs), "run folders are left")
        for path in self.pids.iterdir():
            self.assertFalse(alive(int(path.suffix[1:])), "%s is left" % path.name)

    def program(self, name, text):
        self.write("bin/" + name, text)
        os.chmod(self.bin / name, 0o755)

    def write(self, name, text):
        (self.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def environment(self, words="", worker=""):
        return dict(os.environ, FAKE_COORDINATOR=words, FAKE_WORKER=worker,
                    XDG_RUNTIME_DIR=str(self.runs), http_proxy="http://127.0.0.1:1")

    def start(self, *args, **env):
        return subprocess.Popen([str(self.bin / "freeal"), *map(str, args)], cwd=self.folder,
                                env=self.environment(**env), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def freeal(self, *args, code=0, **env):
        process = self.start(*args, **env)
        out, err = process.communicate(timeout=60)
        self.assertEqual(code, process.returncode, out + err)
        self.assertNotIn("Sanitizer", err)
        return out, err

    def run_freeal(self, *args, **kwargs):
        return self.freeal("run", "task.yaml", "--input", "in.csv", *args, **kwargs)

    def model(self):
        (self.folder / "model").mkdir()
        self.write("model/model.json", "{}")

    def rows(self, name):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def sent(self):
        return json.loads((self.folder / "out/.freeal/samples.json").read_text())


class Use(Case):
    def test_help_and_version_everywhere(self):
        out, _ = self.freeal("--help")
        commands = "init run up status export ingest predict doctor".split()
        for name in commands:
            self.assertIn("  %s " % name, out)
            self.assertIn("Usage: freeal " + name, self.freeal(name, "--help")[0])
            self.assertIn("freeal " + name, self.freeal(name, "--version")[0])
        self.assertRegex(self.freeal("--version")[0], r"^freeal \d+\.\d+\.\d+\n$")

    def test_wrong_use_is_told_in_one_line(self):
        self.model()
        for args, words in [
            (["stats"], "did you mean status"),
            (["dance"], "freeal --help"),
            (["run"], "TASK.yaml"),
            (["run", "task.yaml"], "--input"),
            (["run", "task.yaml", "--input", "-"], "standard input"),
            (["run", "task.yaml", "--input", "in.csv", "--rounds", "2"], "rounds"),
            (["run", "task.yaml", "--input", "in.csv", "--annotators", "0"], "annotators"),
            (["status"], "no project at out/.freeal"),
            (["status", "--project", "."], "no project at ."),
            (["export", "--format", "xml"], "jsonl or csv"),
            (["ingest", "--out", "out"], "give the samples"),
            (["ingest", "-"], "format of -"),
            (["ingest", "-", "-", "--format", "csv"], "only once"),
            (["ingest", "--follow", "in.csv", "in.csv"], "--follow takes one file"),
            (["ingest", "--input", "in.csv"], "no project"),
            (["predict"], "give the file"),
            (["predict", "nowhere", "--input", "in.csv"], "no model at nowhere"),
            (["predict", "pids", "--input", "in.csv"], "no model at pids"),
            (["predict", "in.csv"], "no model at out/model"),
            (["predict", "model", "in.csv", "--input", "in.csv"], "given twice"),
            (["predict", "model", "--input", "nothing.csv"], "cannot read nothing.csv"),
            (["predict", "model", "--input", "-", "--format", "xml"], "csv, tsv or jsonl"),
            (["init", "nothing.csv", "--output", "x"], "nothing.csv"),
            (["init"], "INPUT"),
        ]:
            with self.subTest(args):
                out, err = self.freeal(*args, code=2)
                self.assertEqual("", out)
                self.assertIn(words, err)
                self.assertEqual(1, err.count("\n"), err)
        self.assertFalse((self.folder / "out").exists())
        self.freeal(code=2)

    def test_doctor(self):
        out, _ = self.freeal("doctor", code=1)
        self.assertIn("BAD   freeal-coordinator", out)
        self.assertIn("is freeal-trainer 9.9.9", out)
        self.assertIn("ok    run folder", out)


class Init(Case):
    def test_writes_a_task_file(self):
        self.freeal("init", "in.csv", "--output", "new.yaml")
        text = (self.folder / "new.yaml").read_text()
        self.assertIn("text", text)
        _, err = self.freeal("init", "in.csv", "--output", "new.yaml", code=2)
        self.assertIn("--force", err)
        self.freeal("init", "in.csv", "--output", "new.yaml", "--force")
        self.assertEqual(text, self.freeal("init", "in.csv", "--output", "-")[0])


class BadInput(Case):
    def test_nothing_is_made(self):
        good = "id,text,label\n1,a,good\n"
        for name, task, data, words in [
            ("task missing", None, good, "task.yaml"),
            ("unknown key", TASK + "sede: 1\n", good, "task.yaml:7"),
            ("bad yaml", TASK + "a: [\n", good, "task.yaml:"),
            ("one label", TASK.replace("  - {name: good, aliases: [fine]}\n", ""), good, "task.yaml"),
            ("label twice", TASK.replace("name: good", "name: bad"), good, "task.yaml:4"),
            ("input missing", TASK, None, "in.csv"),
            ("no samples", TASK, "id,text,label\n", "in.csv"),
            ("quote", TASK, good + '2,"b,good\n', "in.csv:3"),
            ("columns", TASK, good + "2,b\n", "in.csv:3"),
            ("utf-8", TASK, good.encode() + b"2,\xff,good\n", "in.csv:3"),
            ("empty text", TASK, good + "2,,good\n", "in.csv:3"),
            ("id twice", TASK, good + "1,b,good\n", "in.csv:3"),
            ("gold", TASK, good + "2,b,better\n", "in.csv:3"),
            ("key", TASK.replace("model: m", "model: m, key_env: NO_SUCH_KEY_"), good, "NO_SUCH_KEY_"),
            ("key file", TASK.replace("model: m", "model: m, key_file: /no/such/key"), good, "/no/such/key"),
            ("a round's key", TASK + "rounds: [{}, {model: n, key_env: NO_SUCH_KEY_}]\n", good,
             "NO_SUCH_KEY_ (key_env of n at 127.0.0.1:1 in task.yaml) is not set"),
            ("embeddings' key", TASK + "embeddings: {url: http://h, model: e, key_env: NO_SUCH_KEY_}\n", good,
             "NO_SUCH_KEY_ (key_env of e at h in task.yaml) is not set"),
            ("a key in the file", TASK.replace("model: m", "model: m, key: sk-1"), good, "a key must not stand in"),
        ]:
            with self.subTest(name):
                for path, text in (("task.yaml", task), ("in.csv", data)):
                    (self.folder / path).unlink(missing_ok=True)
                    if text is not None:
                        self.write(path, text)
                out, err = self.run_freeal(code=2)
                self.assertIn(words, err)
                self.assertEqual(1, err.count("\n"), err)
                self.assertFalse((self.folder / "out").exists())

    def test_missing_program(self):
        (self.bin / "freeal-selector").unlink()
        _, err = self.run_freeal(code=1)
        self.assertIn("freeal-selector", err)
        self.assertFalse((self.folder / "out").exists())


class Run(Case):
    def test_end_to_end(self):
        out, err = self.run_freeal("--max-requests", "7", "--annotators", "2")
        self.assertIn("t: 3 samples labelled", out)
        self.assertIn("round 0 annotate", err)
        self.assertEqual(3, len((self.folder / "out/labels.jsonl").read_text().splitlines()))
        self.assertEqual("{}", (self.folder / "out/model/model.json").read_text())
        self.assertEqual("t", json.loads((self.folder / "out/report.json").read_text())["task"])
        self.assertEqual(["labels.jsonl", "model", "report.json"],
                         sorted(p.name for p in (self.folder / "out").iterdir() if p.name != ".freeal"))
        self.assertEqual({"1": {"id": "1", "text": 'a "good" film\nindeed', "gold": 1},
                          "2": {"id": "2", "text": "b", "gold": 0},
                          "3": {"id": "3", "text": "c"}}, self.sent())
        project = self.folder / "out/.freeal"
        self.assertEqual({"max_requests": 7}, json.loads((project / "starts.jsonl").read_text()))
        self.assertEqual(2, len(glob.glob(str(self.pids / "freeal-annotator.*"))))
        self.assertTrue((project / "logs/annotator-2.log").exists())
        self.assertFalse(os.path.lexists(project / "run"))
        workers = set(os.listdir(self.pids))
        shutil.rmtree(self.folder / "out/model")
        out, _ = self.run_freeal()
        self.assertIn("t: 3 samples labelled", out)
        self.assertTrue((self.folder / "out/model/model.json").exists())
        self.assertEqual(workers, set(os.listdir(self.pids)), "a finished run starts no workers")

    def test_project_elsewhere(self):
        self.run_freeal("--project", "deep/er/project", "--out", "some/where")
        self.assertTrue((self.folder / "some/where/labels.jsonl").exists())
        self.assertTrue((self.folder / "deep/er/project/samples.json").exists())

    def test_slashes_at_the_end(self):
        out, _ = self.run_freeal("--out", "some/where//")
        self.assertIn("labels: some/where/labels.jsonl,", out)

    def test_out_is_a_file(self):
        _, err = self.run_freeal("--out", "in.csv", code=2)
        self.assertIn("in.csv/.freeal", err)

    def test_dry_run_makes_nothing(self):
        out, _ = self.run_freeal("--dry-run")
        self.assertIn("samples in all: ", out)
        self.assertFalse((self.folder / "out").exists())

    def test_paused_run_goes_on(self):
        out, err = self.run_freeal("--max-requests", "2", words="paused")
        self.assertIn("limit of LLM requests", err)
        self.assertIn("goes on", err)
        self.assertEqual("", out)
        self.assertFalse((self.folder / "out/labels.jsonl").exists())
        self.run_freeal()
        self.assertTrue((self.folder / "out/labels.jsonl").exists())

    def test_blocked_run_says_so_and_waits(self):
        _, err = self.run_freeal(words="blocked")
        self.assertEqual(1, err.count("WAITING FOR YOU: the endpoint answers 401: wrong key"), err)
        self.assertIn("it goes on", err)

    def test_failed_run(self):
        _, err = self.run_freeal(words="failed", code=1)
        self.assertIn("training failed five times", err)

    def test_refused_samples(self):
        self.write("in.csv", "id,text,label\n1,a,good\n\n2,refuse me,good\n")
        _, err = self.run_freeal(code=2)
        self.assertIn("in.csv:4: the id is known with another text", err)

    def test_model_file_names_are_checked(self):
        _, err = self.run_freeal(words="bad-model", code=1)
        self.assertIn("bad name", err)
        self.assertFalse((self.folder / "out/x").exists())
        self.assertFalse((self.folder / "out/model.tmp").exists())

    def test_ctrl_c_and_the_same_command_again(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("run", "task.yaml", "--input", "in.csv", words="slow")
            self.wait_for(self.folder / "out/.freeal/starts.jsonl")
            process.send_signal(number)
            _, err = process.communicate(timeout=20)
            self.assertEqual(130, process.returncode, err)
            self.assertIn("the same command goes on from here", err)
            self.assertFalse(os.path.lexists(self.folder / "out/.freeal/run"))
            (self.folder / "out/.freeal/starts.jsonl").unlink()
        self.run_freeal()

    def wait_for(self, path):
        until = time.monotonic() + 20
        while not path.exists():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.02)

    def test_killed_command_takes_its_children_along(self):
        process = self.start("run", "task.yaml", "--input", "in.csv", words="slow")
        self.wait_for(self.folder / "out/.freeal/starts.jsonl")
        process.kill()
        process.communicate(timeout=20)
        self.run_freeal()

    def test_one_command_at_a_time(self):
        process = self.start("run", "task.yaml", "--input", "in.csv", words="slow")
        self.wait_for(self.folder / "out/.freeal/starts.jsonl")
        _, err = self.run_freeal(code=3)
        self.assertIn("freeal status", err)
        out, _ = self.freeal("status")
        self.assertIn("workers: annotator 1", out)
        out, _ = self.freeal("export")
        self.assertEqual(3, out.count("\n"))
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)

    def test_long_runtime_folder_is_not_used(self):
        long = self.folder / ("x" * 90)
        long.mkdir()
        environment = dict(self.environment(), XDG_RUNTIME_DIR=str(long))
        subprocess.run([str(self.bin / "freeal"), "run", "task.yaml", "--input", "in.csv"],
                       cwd=self.folder, env=environment, check=True, capture_output=True)


class Children(Case):
    def test_crashed_coordinator_is_restarted(self):
        _, err = self.run_freeal(words="crash-once")
        self.assertTrue((self.folder / "out/.freeal/crashed").exists())
        self.assertTrue((self.folder / "out/labels.jsonl").exists(), err)

    def test_child_that_keeps_crashing_ends_the_run(self):
        _, err = self.run_freeal(words="slow", worker="freeal-selector", code=1)
        self.assertIn("freeal-selector keeps stopping (exit code 1)", err)
        self.assertIn("logs/selector.log", err)
        _, err = self.run_freeal("--project", "other", words="crash", code=1)
        self.assertIn("freeal-coordinator keeps stopping (exit code 1: cannot go on)", err)

    def test_start_errors_are_repeated(self):
        _, err = self.run_freeal(words="busy", code=5)
        self.assertIn("freeal: the project was written by another version\n", err)
        _, err = self.run_freeal(words="changed", code=2)
        self.assertIn("freeal: the task file's seed differs from the project's\n", err)

    def test_deaf_child_is_killed(self):
        began = time.monotonic()
        self.run_freeal(worker="deaf")
        self.assertGreater(time.monotonic() - began, 10)


class Project(Case):
    def setUp(self):
        super().setUp()
        self.run_freeal()

    def test_status(self):
        out, _ = self.freeal("status")
        self.assertIn("0 of 3 samples labelled", out)
        self.assertIn("finished", out)
        self.assertEqual(3, json.loads(self.freeal("status", "--json")[0])["samples"])

    def test_export(self):
        self.freeal("export", "--output", "a.jsonl")
        self.assertEqual(["1", "2", "3"],
                         [row["id"] for row in self.rows("a.jsonl")])
        out, _ = self.freeal("export", "--format", "csv", "--project", "out/.freeal")
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        self.assertEqual({"id": "2", "label": "a,b", "confidence": "0.5", "source": "llm",
                          "round": "0", "llm_label": "", "llm_reason": "empty", "slm_label": "b",
                          "clean_probability": "0.25", "clean": "false", "demonstration": "true"},
                         rows[1])

    def test_ingest(self):
        self.write("more.csv", "id,text\n3,c\n4,d\n5,\n6,refuse me\n7,g\n")
        _, err = self.freeal("ingest", "--input", "more.csv", "--rejects", "bad.jsonl", code=2)
        self.assertIn("2 samples added, 1 were there, 2 refused", err)
        bad = self.rows("bad.jsonl")
        self.assertEqual([4, 5], sorted(row["line"] for row in bad))
        self.assertIn("7", self.sent())
        self.write("last.csv", "id,text\n8,h\n9,\n10,j\n")
        _, err = self.freeal("ingest", "--input", "last.csv", "--strict", code=2)
        self.assertIn("last.csv:3", err)
        self.assertIn("8", self.sent())
        self.assertNotIn("10", self.sent())
        self.write("good.jsonl", '{"id":"11","text":"k"}\n')
        _, err = self.freeal("ingest", "--input", "good.jsonl")
        self.assertIn("1 samples added", err)

    def test_many_samples_go_in_batches(self):
        self.write("many.jsonl", "".join(
            json.dumps({"id": "m%d" % i, "text": "w\u00f6rd " * 300}) + "\n" for i in range(6000)))
        _, err = self.freeal("ingest", "--input", "many.jsonl")
        self.assertIn("6000 samples added", err)
        self.assertEqual(6003, len(self.sent()))


class Predict(Case):
    def test_trainer_that_cannot_serve(self):
        self.model()
        out, err = self.freeal("predict", "model", "--input", "in.csv", code=2)
        self.assertEqual("freeal: model holds no model\n", err)
        self.assertEqual("", out)


PROGRAMS = ["freeal-" + name for name in "coordinator annotator trainer selector mockllm".split()]


@unittest.skipUnless(all((BIN / name).exists() for name in PROGRAMS), "services are not built")
class Services(Case):
    """The command with the real services and the mock LLM."""

    def setUp(self):
        super().setUp()
        for name in PROGRAMS:
            (self.bin / name).unlink(missing_ok=True)
            shutil.copy(BIN / name, self.bin)
        words = {"bad": ["dull", "weak", "tired"], "good": ["fine", "great", "moving"]}
        rows = ["id,text,label"]
        for i in range(200):
            name = ("bad", "good")[i * 7 % 3 % 2]
            hint = words[name][i % 3] if i % 5 else "hint" + name
            rows.append("%d,film %d of %s kind with the %s plot %d,%s" % (
                i, i, name * (i % 2), hint, i % 7, name))
        self.write("in.csv", "\n".join(rows) + "\n")
        port_file = self.folder / "port"
        self.write("task.yaml", self.task(words, 1))
        mock = subprocess.Popen([str(self.bin / "freeal-mockllm"), "--listen", "127.0.0.1:0", "--port-file",
                                 str(port_file), "--latency-ms", "100", "--task", str(self.folder / "task.yaml")],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(mock.wait)
        self.addCleanup(mock.terminate)
        until = time.monotonic() + 20
        while not port_file.exists() or not port_file.read_text().endswith("\n"):
            self.assertLess(time.monotonic(), until)
            time.sleep(0.02)
        self.write("task.yaml", self.task(words, int(port_file.read_text())))

    @staticmethod
    def task(words, port):
        labels = "".join("  - {name: %s, keywords: [%s]}\n" % (name, ", ".join(words[name])) for name in words)
        return ("task: films\nlabels:\n%sinput: {text: text, id: id, gold: label}\nrounds: 1\n"
                'llm: {url: "http://127.0.0.1:%d/v1", model: m, concurrency: 4}\n' % (labels, port))

    def test_stopped_in_every_way_and_used(self):
        _, err = self.run_freeal("--max-requests", "20")
        self.assertIn("limit of LLM requests", err)
        asked = json.loads(self.freeal("status", "--json")[0])["requests"]
        self.assertGreater(asked, 0)
        self.assertLess(asked, 60)
        for stop in (lambda p: p.send_signal(signal.SIGINT), lambda p: p.kill()):
            process = self.start("run", "task.yaml", "--input", "in.csv")
            time.sleep(1.5)
            self.assertIsNone(process.poll())
            stop(process)
            process.communicate(timeout=20)
        out, _ = self.run_freeal()
        self.assertIn("films: 200 samples labelled", out)
        labels = self.rows("out/labels.jsonl")
        self.assertEqual([str(i) for i in range(200)], [row["id"] for row in labels])
        self.assertEqual({"bad", "good"}, {row["label"] for row in labels})
        report = json.loads((self.folder / "out/report.json").read_text())
        self.assertGreater(report["gold"]["accuracy"], 0.9)
        self.assertEqual(out, self.run_freeal()[0])

        out, err = self.freeal("predict", "out/model", "--input", "in.csv", "--gold", "label", "--id", "id")
        self.assertRegex(err, r"^freeal: accuracy 9\d\.|^freeal: accuracy 100\.")
        self.assertEqual([str(i) for i in range(200)], [json.loads(line)["id"] for line in out.splitlines()])
        self.write("x.csv", "a dull film,bad\na great film,good\n")
        out, err = self.freeal("predict", "out/model", "--input", "x.csv", "--text", "0", "--gold", "1")
        self.assertEqual(["bad", "good"], [json.loads(line)["label"] for line in out.splitlines()])
        self.assertIn("on 2 gold labels", err)
        _, err = self.freeal("predict", "out/model", "--input", "in.csv", "--gold", "text", code=2)
        self.assertIn("in.csv:2", err)
        out, _ = self.freeal("doctor", "--out", "out")
        self.assertNotIn("BAD", out)


if __name__ == "__main__":
    unittest.main()
