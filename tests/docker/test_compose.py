"""docker compose for real: the image, its hardening, and a run that is disturbed in every way
that a user's machine may think of. Needs a container engine; builds the image once."""
import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "service"))
from compose import IMAGE, Compose, image_build  # noqa: E402
from topics import samples, task_text  # noqa: E402

OWNER = (12345, 23456)
NO_CAPABILITY = "0" * 16
# A sample that the LLM does not answer before it is let go, so that ANNOTATE stays open.
GATE = {"id": "gate", "text": "the gatekeeper plays audio", "label": "sound"}
HOLD = {"rules": [{"text": "gatekeeper", "count": 0, "hang": True}]}
LET_GO = {"rules": []}


def setUpModule():
    image_build()


def as_csv(rows):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "body", "label"])
    writer.writerows([r["id"], r["text"], r["label"]] for r in rows)
    return out.getvalue()


class Deployed(unittest.TestCase):
    def compose(self, *files, **options):
        project = Compose(*files, **options)
        self.addCleanup(project.__exit__)
        return project

    def mocked(self, script=LET_GO, **options):
        """A project whose LLM is the mock."""
        c = self.compose(HERE / "mock.yaml", owner=OWNER, **options)
        task = task_text("http://mockllm:8900/v1", concurrency=4)
        for old, new in (("concurrency: 4", "concurrency: 4, timeout_s: 600"), ("{text: text,", "{text: body,")):
            self.assertIn(old, task)
            task = task.replace(old, new)
        c.write("task.yaml", task)
        (c.mock / "task.yaml").write_text(task)
        self.script(c, script)
        return c

    @staticmethod
    def script(c, script):
        (c.mock / "script.json").write_text(json.dumps(script))

    def assert_owned(self, c, *names):
        for name in names:
            info = (c.folder / name).stat()
            self.assertEqual(c.owner, (info.st_uid, info.st_gid), name)


class Start(Deployed):
    def test_without_a_task_file(self):
        """The coordinator says what to create, exits 2, and is not started again."""
        c = self.compose(owner=OWNER)
        c.call("up", "-d")
        coordinator = c.container("coordinator")
        c.wait(lambda: not coordinator.running() and not c.container("up").running(), 60, "the end of the coordinator")
        self.assertEqual(2, coordinator.state()["ExitCode"])
        self.assertEqual(0, coordinator.inspect()["RestartCount"])
        self.assertIn("Put task.yaml and your data", coordinator.logs())
        self.assertEqual(1, coordinator.logs().count("there is no task file"))
        self.assertEqual(2, c.container("up").state()["ExitCode"])
        self.assertEqual(0, c.container("setup").state()["ExitCode"])
        for service in ("selector", "trainer", "annotator"):
            self.assertTrue(c.container(service).running(), service)
        c.environment["FREEAL_RESTART"] = "unless-stopped"
        c.call("up", "-d", "coordinator")
        coordinator = c.container("coordinator")
        c.wait(lambda: "mend it and start it again" in coordinator.logs(), 60, "a word about the restart")
        self.assertEqual(0, coordinator.inspect()["RestartCount"])
        self.assertEqual(1, coordinator.logs().count("there is no task file"))
        del c.environment["FREEAL_RESTART"]
        # What it says works.
        c.write("data.csv", as_csv(samples(20)))
        c.cli("init", "data.csv", "--output", "task.yaml")
        self.assert_owned(c, "task.yaml")
        # The owner may be said instead of found out.
        c.environment["FREEAL_UID"] = str(c.owner[0])
        _, err = c.cli("status", code=2)
        self.assertIn("set FREEAL_GID, too", err)
        c.environment["FREEAL_GID"] = str(c.owner[1])
        c.cli("init", "data.csv", "--output", "another.yaml")
        self.assert_owned(c, "another.yaml")
        del c.environment["FREEAL_UID"], c.environment["FREEAL_GID"]
        # A task file that is wrong is told, too.
        c.write("task.yaml", "labels: [a, b]\nllm: {url: http://x/v1, model: m}\nsede: 1\n")
        c.call("up", "-d")
        coordinator = c.container("coordinator")
        c.wait(lambda: not coordinator.running(), 60, "the end of the coordinator")
        self.assertEqual(2, coordinator.state()["ExitCode"])
        self.assertIn("task.yaml:3", coordinator.logs())

    def test_a_service_that_cannot_start_is_given_up_and_named(self):
        """A9: a trainer without a usable volume; the others go on and say who is missing."""
        c = self.mocked()
        override = c.path / "broken.yaml"
        override.write_text("services:\n  trainer:\n    environment: {FREEAL_TRAINER_DATA: /proc/nowhere}\n")
        c.add_file(override)
        c.write("data.csv", as_csv(samples(40)))
        c.call("up", "-d")
        trainer = c.container("trainer")
        c.wait(lambda: not trainer.running(), 90, "the end of the trainer")
        self.assertIn(trainer.state()["ExitCode"], (1, 2, 4))
        self.assertIn("/proc/nowhere", trainer.logs())
        self.assertLessEqual(trainer.logs().count("freeal-trainer: "), 5)
        c.wait(lambda: "no trainer is connected" in c.container("up").logs(), 60, "a word about the trainer")
        for service in ("coordinator", "selector", "annotator", "up"):
            self.assertTrue(c.container(service).running(), service)
        self.assertEqual(0, c.status()["workers"]["trainer"])


class Run(Deployed):
    BASE, MORE = samples(900), samples(1200)[900:]

    def start(self, c, trainers=1):
        """Up with four annotators, until ANNOTATE of round 0 is well on its way."""
        c.write("data.csv", as_csv([GATE] + self.BASE))
        c.call("up", "-d", "--scale", "annotator=4", "--scale", f"trainer={trainers}")
        c.wait(lambda: c.status().get("phase") == "annotate" and c.status()["done"] > 100, 120, "ANNOTATE")
        return c

    def stream(self, c, part):
        """A third of what comes later."""
        name = f"more{part}.csv"
        (c.folder / "in").mkdir(exist_ok=True)
        c.write("in/" + name, as_csv(self.MORE[part * 100:part * 100 + 100]))
        os.chown(c.folder / "in", *c.owner)
        _, err = c.cli("ingest", "in/" + name)
        self.assertIn("100 samples added, 0 were there", err)

    def finish(self, c):
        """Lets the gate go; the lines of the results."""
        total = 1 + len(self.BASE) + len(self.MORE)
        status = c.status()
        self.assertEqual(("annotate", 0, total), (status["phase"], status["round"], status["samples"]))
        self.script(c, LET_GO)
        c.container("mockllm").docker("restart", "-t", "5", c.container("mockllm").number)
        labels = c.folder / "out/labels.jsonl"
        c.wait(lambda: labels.exists() and len(labels.read_text().splitlines()) == total, 180, "the results")
        c.wait(lambda: (c.folder / "out/report.json").exists(), 30, "the report")
        return labels.read_text().splitlines()

    def disturb_first(self, c):
        """One annotator is gone for good, the program of another is killed: its supervisor
        starts it again."""
        first, second = c.containers("annotator")[:2]
        first.docker("kill", first.number)
        second.kill_program("freeal-annotator")
        c.wait(lambda: "starts again in 1 s" in second.logs(), 30, "the supervisor")

    def disturb_second(self, c):
        """The coordinator is restarted, then killed; the selector is made anew on its volume."""
        coordinator = c.container("coordinator")
        coordinator.docker("restart", "-t", "10", coordinator.number)
        c.wait(c.status, 60, "the coordinator")
        coordinator.kill_program("freeal-coordinator")
        c.wait(lambda: "ended by signal 9" in coordinator.logs(), 30, "the supervisor")
        c.wait(c.status, 60, "the coordinator")
        old = c.container("selector")
        old.docker("rm", "-f", old.number)
        c.call("up", "-d", "--no-deps", "selector")
        c.wait(lambda: c.status().get("workers", {}).get("selector") == 1, 60, "the new selector")

    def disturb_third(self, c):
        """The network of one annotator is cut until the coordinator has given it up."""
        third = c.containers("annotator")[2]
        network = next(iter(third.inspect()["NetworkSettings"]["Networks"]))
        before = c.wait(lambda: c.status().get("workers", {}).get("annotator") == 3 and 3, 60, "three annotators")
        third.docker("network", "disconnect", network, third.number)
        c.wait(lambda: c.status()["workers"]["annotator"] == before - 1, 60, "the end of its silence")
        third.docker("network", "connect", network, third.number)
        c.wait(lambda: c.status()["workers"]["annotator"] == before, 60, "its return")

    def audit(self, c):
        said = c.call("run", "--rm", "-T", "audit")
        self.assertIn("I1 ok", said)
        self.assertNotIn("FAILED", said)

    def check_hardening(self, c):
        for service in ("coordinator", "selector", "trainer", "annotator", "mockllm", "up"):
            with self.subTest(service):
                container = c.containers(service)[-1]
                host = container.inspect()["HostConfig"]
                self.assertEqual(["ALL"], host["CapDrop"])
                self.assertEqual(service == "up", bool(host["CapAdd"]))
                self.assertTrue(host["ReadonlyRootfs"])
                self.assertIn("no-new-privileges:true", host["SecurityOpt"])
                self.assertGreater(host["Memory"], 0)
                processes = container.processes()
                self.assertGreaterEqual(len(processes), 3, processes.keys())
                uid, gid = OWNER if service == "up" else (10001, 10001)
                for name, status in processes.items():
                    self.assertEqual([str(uid)] * 4, status["Uid"].split(), name)
                    self.assertEqual([str(gid)] * 4, status["Gid"].split(), name)
                    for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
                        self.assertEqual(NO_CAPABILITY, status[kind], name + " " + kind)
                    self.assertEqual("1", status["NoNewPrivs"], name)
                self.assertIn("Read-only", subprocess.run(["docker", "exec", container.number, "touch", "/x"],
                                                          capture_output=True, text=True).stderr)

    def check_commands(self, c):
        out, _ = c.cli("status")
        self.assertIn("finished", out)
        out, _ = c.cli("export", "--format", "csv")
        self.assertEqual(2 + len(self.BASE) + len(self.MORE), len(out.splitlines()))
        c.write("new.jsonl", '{"body": "play a song and listen to music"}\n')
        out, _ = c.cli("predict", "new.jsonl")
        self.assertEqual("sound", json.loads(out)["label"])
        (c.folder / "new.jsonl").unlink()
        self.assert_owned(c, "out", "out/labels.jsonl", "out/report.json", "out/model", "out/model/model.json")
        for service in ("coordinator", "selector", "trainer"):
            c.wait(lambda: c.containers(service)[-1].state()["Health"]["Status"] == "healthy", 60, service + "'s health")

    def check_another_host(self, c):
        """An annotator that knows one address and has one key file."""
        key = c.path / "annotator.key"
        key.write_text(c.containers("annotator")[-1].execute("cat", "/keys/annotator/annotator.key"))
        key.chmod(0o600)
        os.chown(key, *OWNER)
        before = c.status()["workers"]["annotator"]
        name = c.name + "-elsewhere"
        self.addCleanup(lambda: subprocess.run(["docker", "rm", "-f", name], capture_output=True))
        subprocess.run(["docker", "run", "-d", "--name", name, "--network", "host", "--user", "%d:%d" % OWNER,
                        "-v", f"{key}:/annotator.key:ro", "-e", "FREEAL_KEY=/annotator.key", "-e",
                        "FREEAL_COORDINATOR=tcp://127.0.0.1:" + c.environment["FREEAL_BUS_PORT"], IMAGE, "annotator"],
                       check=True, capture_output=True)
        c.wait(lambda: c.status()["workers"]["annotator"] == before + 1, 60, "the annotator of another host")
        subprocess.run(["docker", "stop", name], check=True, capture_output=True)
        c.wait(lambda: c.status()["workers"]["annotator"] == before, 60, "its leave")

    def check_stop(self, c):
        """TERM ends everything within its grace, and with 0."""
        killed = {x.number for x in c.containers("annotator") if not x.running()}
        c.call("stop")
        for service in ("coordinator", "selector", "trainer", "annotator", "up"):
            for container in c.containers(service):
                if container.number not in killed:
                    self.assertEqual(0, container.state()["ExitCode"], service + container.logs()[-2000:])

    def check_new_containers(self, c):
        """Nothing but the volumes is kept."""
        before = (c.folder / "out/labels.jsonl").read_bytes()
        c.call("down")
        (c.folder / "out/labels.jsonl").unlink()
        c.call("up", "-d")
        c.wait((c.folder / "out/labels.jsonl").exists, 60, "the results")
        self.assertEqual(before, (c.folder / "out/labels.jsonl").read_bytes())
        self.assertEqual(self.requests, c.status()["requests"], "nothing is asked again")

    def undisturbed(self):
        with self.mocked(HOLD) as c:
            self.start(c)
            for part in range(3):
                self.stream(c, part)
            return self.finish(c)

    def test_a_disturbed_run_ends_as_an_undisturbed_one(self):
        with self.mocked(HOLD) as c:
            self.start(c, trainers=2)
            for part, disturb in enumerate((self.disturb_first, self.disturb_second, self.disturb_third)):
                self.stream(c, part)
                disturb(c)
            disturbed = self.finish(c)
            self.check_hardening(c)
            self.check_commands(c)
            self.check_another_host(c)
            # Later samples have a catch-up round, and the results are written again.
            c.write("late.csv", as_csv(samples(1210)[1200:]))
            labels = c.folder / "out/labels.jsonl"
            c.wait(lambda: len(labels.read_text().splitlines()) == len(disturbed) + 10, 120, "the catch-up")
            self.requests = c.status()["requests"]
            self.check_stop(c)
            self.audit(c)
            self.check_new_containers(c)
        self.assertEqual(self.undisturbed(), disturbed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
