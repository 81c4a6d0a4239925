"""freeal ingest: what it reads, and what becomes of it when services die; with the real
coordinator but for the replies that one never gives (cli_coordinator.py)."""
import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time
import unittest

from test_cli import BIN, Case

DEADLINE_S = 60
TASK = """\
task: t
labels: [{name: bad}, {name: good}]
input: {text: text%s}
llm: {url: "http://127.0.0.1:1/v1", model: m}
"""


class Replies(Case):
    """The stand-in answers late, or does not answer what it has taken."""

    def ingest(self, words, *args, **kwargs):
        self.run_freeal()
        self.write("more.csv", "id,text\n4,d\n5,refuse me\n6,f\n")
        return self.freeal("ingest", "more.csv", *args, words=words, **kwargs)[1]

    def test_not_now(self):
        self.assertIn("2 samples added, 0 were there, 1 refused", self.ingest("late", code=2))

    def test_a_batch_whose_reply_is_lost_is_sent_again(self):
        self.assertIn("2 samples added, 0 were there, 1 refused", self.ingest("lost", code=2))
        self.assertEqual(5, len(self.sent()))

    def test_strict_is_about_what_the_coordinator_refuses_too(self):
        err = self.ingest("", "--strict", code=2)
        self.assertIn("more.csv:3: the id is known", err)
        self.assertIn("2 samples added, 0 were there, 1 refused", err)


class Gzip(Case):
    def test_run_init_and_the_dry_run_read_it(self):
        self.write("in.csv.gz", gzip.compress((self.folder / "in.csv").read_bytes()))
        self.freeal("run", "task.yaml", "--input", "in.csv.gz")
        self.assertEqual({"1", "2", "3"}, set(self.sent()))
        self.assertIn("text: text", self.freeal("init", "in.csv.gz", "--output", "-")[0])
        whole = (self.folder / "in.csv.gz").read_bytes()
        self.write("cut.csv.gz", whole[:-10])
        _, err = self.freeal("run", "task.yaml", "--input", "cut.csv.gz", "--out", "other", code=2)
        self.assertIn("the compressed data ends early; the file is not whole", err)
        self.assertFalse((self.folder / "other").exists())


@unittest.skipUnless((BIN / "freeal-coordinator").exists(), "the coordinator is not built")
class Ingest(Case):
    def setUp(self):
        super().setUp()
        (self.bin / "freeal-coordinator").unlink()
        shutil.copy(BIN / "freeal-coordinator", self.bin)
        self.make_project(", id: id")

    def make_project(self, more):
        """An empty project in out/.freeal."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        self.write("task.yaml", TASK % more)
        (self.folder / "out").mkdir()
        port = self.folder / "port"
        process = subprocess.Popen(
            [self.bin / "freeal-coordinator", "--project", self.folder / "out/.freeal", "--task",
             self.folder / "task.yaml", "--http", "127.0.0.1:0", "--port-file", port, "--token-file",
             self.folder / "token"], stderr=subprocess.DEVNULL)
        self.wait(port.exists)
        process.terminate()
        self.assertEqual(0, process.wait(DEADLINE_S))
        port.unlink(missing_ok=True)

    def wait(self, reached):
        until = time.monotonic() + DEADLINE_S
        while not reached():
            self.assertLess(time.monotonic(), until, "the deadline has passed")
            time.sleep(0.02)

    def counts(self, added, were_there, refused, err):
        self.assertIn("%d samples added, %d were there, %d refused" % (added, were_there, refused), err)

    def samples(self):
        """How many the project has, asked of whichever coordinator there is."""
        return json.loads(self.freeal("status", "--json")[0])["samples"]

    def ids(self):
        rows = [json.loads(line) for line in self.freeal("export")[0].splitlines()]
        return [row["id"] for row in rows]

    def pipe(self, *args):
        """An ingest that reads what is written to its stdin."""
        return subprocess.Popen([self.bin / "freeal", "ingest", *args], cwd=self.folder, bufsize=0,
                                env=self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def end(self, process, code):
        err = process.communicate(timeout=DEADLINE_S)[1].decode()
        self.assertEqual(code, process.returncode, err)
        self.assertNotIn("Sanitizer", err)
        return err

    def test_files_of_all_kinds(self):
        self.write("a.csv", "id,text\n1,a\n")
        self.write("b.jsonl.gz", gzip.compress(b'{"id":"2","text":"b"}\n') + gzip.compress(b'{"id":3,"text":"c"}'))
        self.write("c.tsv", "text\tid\nd\t4\n")
        self.write("d.dat", gzip.compress(b"id,text\n5,e\n"))
        _, err = self.freeal("ingest", "a.csv", "b.jsonl.gz", "c.tsv")
        self.counts(4, 0, 0, err)
        _, err = self.freeal("ingest", "--input", "d.dat", "--format", "csv")
        self.counts(1, 0, 0, err)
        self.assertEqual(["1", "2", "3", "4", "5"], self.ids())

    def test_standard_input(self):
        process = self.pipe("-", "--format", "csv")
        process.stdin.write(gzip.compress(b"id,text\n1,a\n2,b\n"))
        self.counts(2, 0, 0, self.end(process, 0))

    def test_a_gzip_that_is_cut(self):
        rows = "".join("%d,text %d\n" % (i, i * i) for i in range(50000))
        whole = gzip.compress(("id,text\n" + rows).encode())
        self.write("cut.csv.gz", whole[:len(whole) // 2])
        _, err = self.freeal("ingest", "cut.csv.gz", code=2)
        self.assertIn("the compressed data ends early", err)
        taken = self.samples()
        self.assertGreater(taken, 1000)
        self.counts(taken, 0, 0, err)
        self.write("cut.csv.gz", whole)
        _, err = self.freeal("ingest", "cut.csv.gz")
        self.counts(50000 - taken, taken, 0, err)

    def test_the_same_twice_without_ids(self):
        self.make_project("")
        self.write("x.csv", "text\na\nb\na\na\n")
        self.counts(4, 0, 0, self.freeal("ingest", "x.csv")[1])
        self.counts(0, 4, 0, self.freeal("ingest", "x.csv")[1])
        self.write("y.csv", "text\na\nb\na\na\na\n")
        self.counts(1, 4, 0, self.freeal("ingest", "y.csv")[1])
        # The other three are there; a followed file counts its rows like any other.
        process = self.start("ingest", "--follow", "x.csv")
        with open(self.folder / "x.csv", "a") as file:
            file.write("a\na\n")
        self.wait(lambda: self.samples() == 6)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
        self.counts(1, 5, 0, err)

    def test_refused_rows(self):
        self.write("a.csv", "id,text\n1,a\n2,\n")
        self.write("b.csv", "id,text\n1,other\n3,c\n")
        _, err = self.freeal("ingest", "a.csv", "b.csv", "--rejects", "bad.jsonl", code=2)
        self.counts(2, 0, 2, err)
        self.assertEqual([("a.csv", 3), ("b.csv", 2)], [(row["file"], row["line"]) for row in self.rows("bad.jsonl")])
        self.assertIn("see bad.jsonl", err)
        _, err = self.freeal("ingest", "a.csv", "--rejects", "nowhere/bad.jsonl", code=4)
        self.assertIn("nowhere/bad.jsonl", err)

    def test_follow(self):
        self.write("grow.csv", "")
        process = self.start("ingest", "--follow", "grow.csv", "--rejects", "bad.jsonl")
        file = open(self.folder / "grow.csv", "a", buffering=1)
        file.write("id,text\n1,a\n2,b\n3,half a ")
        self.wait(lambda: self.samples() == 2)
        file.write("line\n4,\n")
        self.wait(lambda: self.samples() == 3 and len(self.rows("bad.jsonl")) == 1)
        os.rename(self.folder / "grow.csv", self.folder / "grow.csv.1")
        file.write("5,late")
        file.close()
        self.write("grow.csv", "text,id\nf,6\n")
        self.wait(lambda: self.samples() == 5)
        self.write("grow.csv", "id,text\n7,")
        self.wait(lambda: self.samples() == 5)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(2, process.returncode, err)
        self.counts(5, 0, 1, err)
        self.assertEqual(["1", "2", "3", "5", "6"], self.ids())

    def test_input_that_stays_open(self):
        for args, code in ((("--follow",), 0), ((), 130)):
            self.make_project(", id: id")
            process = self.pipe("-", "--format", "jsonl", *args)
            for i in range(3):
                process.stdin.write(b'{"id":"x%d","text":""}\n{"id":"%d","text":"t"}\n{"id":"' % (i, i))
                self.wait(lambda: self.samples() == i + 1)
                process.stdin.write(b'y%d","text":""}\n' % i)
            process.send_signal(signal.SIGINT)
            process.wait(DEADLINE_S)
            # The last row may have been read, or not.
            err = self.end(process, 2 if code == 0 else code)
            self.assertRegex(err, "3 samples added, 0 were there, [56] refused")
            self.assertIn("standard input:1: empty text", err)

    def test_the_coordinator_is_killed_again_and_again(self):
        """No sample is lost, none is twice, and each is counted once."""
        count = 300000
        process = self.pipe("-", "--format", "csv")

        def feed():
            process.stdin.write(b"id,text\n")
            for begin in range(0, count, 1000):
                process.stdin.write("".join("%d,text %d\n" % (i, i * i)
                                            for i in range(begin, begin + 1000)).encode())
                if begin in pauses:
                    pauses[begin].wait(DEADLINE_S)
            process.stdin.close()

        pauses = {begin: threading.Event() for begin in (40000, 120000, 200000)}
        feeder = threading.Thread(target=feed)
        feeder.start()
        for begin, pause in pauses.items():
            self.wait(lambda: self.samples() >= begin)
            pause.set()
            # Now that more is on its way.
            children = pathlib.Path("/proc/%d/task/%d/children" % (process.pid, process.pid)).read_text().split()
            self.assertEqual(1, len(children))
            os.kill(int(children[0]), signal.SIGKILL)
        feeder.join(DEADLINE_S)
        process.stdin = None
        err = self.end(process, 0)
        self.counts(count, 0, 0, err)
        self.assertEqual([str(i) for i in range(count)], self.ids())


if __name__ == "__main__":
    unittest.main()
