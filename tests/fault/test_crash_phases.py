"""kill -9 of each service once during each phase, and a new start: the run ends with the labels and
the model of an undisturbed one. A phase is held open while the kill happens: trainer and
selector stop at the start of each job, and the LLM answers slowly enough to be seen asking."""
import unittest

from cluster import Cluster, main, slow
from topics import samples
from undisturbed import assert_same

COUNT = 100
PHASES = [("generate", 0), ("embed", 0), ("retrieve", 0), ("annotate", 0), ("train", 0), ("select", 0),
          ("retrieve", 1), ("annotate", 1), ("train", 1), ("select", 1), ("final_train", 1), ("predict", 1)]
WORKER = {"generate": "annotator-0", "annotate": "annotator-0", "retrieve": "selector", "select": "selector"}
HOLD = {"stop_at": ",".join(f"job_start:{n}" for n in range(1, 40))}


class Phases(unittest.TestCase):
    def kill_in_each_phase(self, name):
        with Cluster(latency_ms=100, task={"concurrency": 8}) as cluster:
            options = {service: HOLD if service.startswith(("selector", "trainer")) else {}
                       for service in cluster.services}
            for service, process in cluster.services.items():
                process.start(**options[service])
            cluster.run(samples(COUNT))
            for phase, round in PHASES:
                worker = cluster[WORKER.get(phase, "trainer-0")]
                cluster.wait_phase(phase, round)
                if worker.name != "annotator-0":
                    cluster.wait(worker.stopped, 10, f"{worker.name} in {phase}")
                cluster[name].restart(**options[name])
                if name == "coordinator":
                    cluster.wait_ready()
                # Each job stops once more when its new process has it.
                cluster.wait(lambda: self.goes_on(cluster, phase, round), 30, f"the end of {phase}")
            assert_same(self, cluster, COUNT)

    @staticmethod
    def goes_on(cluster, phase, round):
        """Lets jobs of the phase go on until it is over. The status may be older than a stop, so
        it is the job's own words that say which it is."""
        s = cluster.status()
        if s and (s["phase"], s["round"]) != (phase, round):
            return True
        for service in cluster.services.values():
            if service.stopped():
                job = [line for line in service.text().splitlines() if " job_start " in line][-1]
                if f"kind={phase.removeprefix('final_')} " in job:
                    service.cont()
        return False

    def test_coordinator(self):
        self.kill_in_each_phase("coordinator")

    def test_annotator(self):
        self.kill_in_each_phase("annotator-0")

    @slow
    def test_trainer(self):
        self.kill_in_each_phase("trainer-0")

    @slow
    def test_selector(self):
        self.kill_in_each_phase("selector")


if __name__ == "__main__":
    main()
