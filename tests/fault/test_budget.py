"""A2, A3 with a budget: by the LLM server's own count it is never exceeded, whoever dies and when."""
import json
import unittest

from cluster import Cluster, main, slow
from topics import samples, task_text
from undisturbed import assert_same

COUNT = 500
TOKENS = 30000  # a run takes more
# What a question may cost at most is reserved: no more than so much.
RESERVATION_MAX = 8000
LLM = "usd_per_million: {in: 1, out: 2}"


class BudgetCluster(Cluster):
    def __init__(self, tokens=TOKENS, **options):
        super().__init__(latency_ms=5, **options)
        self.budget(tokens)

    def budget(self, tokens):
        text = task_text(self.mock.url, llm=LLM) + f"budget: {{tokens: {tokens}}}\n"
        (self.path / "task.yaml").write_text(text)

    def billed(self):
        stats = self.mock.stats()
        return stats["prompt_tokens"] + stats["completion_tokens"]

    def wait_reserved(self):
        """While works wait for their turn."""
        return self.wait(lambda: (r := self.status().get("spend", {}).get("reserved")) and r["requests"] > 1
                         and len(self.asked()) > 0 and r, what="reservations")

    def wait_paused(self, timeout=60):
        def paused():
            s = self.status()
            if s.get("failed"):
                raise AssertionError(f"the run failed: {s['failed']}\n{self.describe()}")
            if s.get("finished"):
                raise AssertionError(f"it finished\n{self.describe()}")
            return s.get("paused") == "budget" and s
        return self.wait(paused, timeout, "the end of the budget")


class Budget(unittest.TestCase):
    def assert_within(self, cluster, status, lost):
        """Nothing is in hand any more, and all that was billed is accounted for."""
        spend = status["spend"]
        self.assertEqual(spend["limit"], {"usd": None, "tokens": TOKENS, "requests": None})
        self.assertEqual(spend["reserved"]["tokens"], 0)
        self.assertLessEqual(spend["tokens"] + spend["lost"]["tokens"], TOKENS)
        self.assertGreater(spend["tokens"] + spend["lost"]["tokens"], TOKENS - RESERVATION_MAX)
        self.assertLessEqual(cluster.billed(), TOKENS, json.dumps(spend))
        if not lost:
            self.assertEqual(spend["lost"]["tokens"], 0)
            self.assertEqual(spend["tokens"], cluster.billed())
            self.assertGreater(spend["usd"], 0)

    def test_it_ends_the_run_and_a_higher_one_continues_it(self):
        with BudgetCluster() as cluster:
            status = cluster.run(samples(COUNT)).wait_paused()
            self.assert_within(cluster, status, lost=False)
            self.assertEqual(cluster.report()["spend"]["tokens"], status["spend"]["tokens"])
            asked = len(cluster.asked())
            # Again with the same limit: nothing is asked.
            cluster["coordinator"].stop()
            cluster["coordinator"].start()
            self.assert_within(cluster, cluster.wait_paused(), lost=False)
            self.assertEqual(len(cluster.asked()), asked)
            cluster["coordinator"].stop()
            cluster.budget(100 * TOKENS)
            cluster["coordinator"].start()
            assert_same(self, cluster, COUNT)

    def test_a3_annotators_are_killed(self):
        with BudgetCluster(annotators=2, ttr_ms=750) as cluster:
            cluster.run(samples(COUNT))
            for _ in range(4):
                asked = len(cluster.mock.records())
                status = cluster.wait(lambda: (s := cluster.status()) and (
                    s["paused"] or len(cluster.mock.records()) > asked) and s, what="a request")
                if status["paused"]:
                    break
                cluster[f"annotator-{cluster.random.randrange(2)}"].restart()
            status = cluster.wait_paused()
            self.assert_within(cluster, status, lost=True)
            self.assertGreater(status["spend"]["lost"]["tokens"], 0)

    def test_a10_a_stopped_annotator_gives_back_what_was_not_asked(self):
        """The LLM doesn't answer: one request is in flight, the others wait."""
        with BudgetCluster(tokens=100 * TOKENS, script=[{"from": 4, "count": 0, "hang": True}]) as cluster:
            task = (cluster.path / "task.yaml").read_text().replace("concurrency: 16", "concurrency: 1")
            (cluster.path / "task.yaml").write_text(task)
            cluster.run(samples(20))
            reserved = cluster.wait_reserved()
            cluster["annotator-0"].stop()
            lost = cluster.wait(lambda: (s := cluster.status()) and not s["workers"]["annotator"] and s["spend"]["lost"])
            self.assertEqual(lost["requests"], 1)
            self.assertGreater(reserved["requests"], 1)

    def die_at(self, point, n_max):
        """Each life of the coordinator ends there, at another passage."""
        with BudgetCluster(annotators=2, ttr_ms=750) as cluster:
            left = iter(range(6))

            def options():
                if next(left, None) is None:
                    return {}
                return {"crash": f"{point}:{cluster.random.randrange(1, n_max)}"}
            cluster["coordinator"].start(**options())
            cluster.supervise("coordinator", options)
            status = cluster.run(samples(COUNT)).wait_paused()
            self.assertGreater(cluster.deaths["coordinator"], 0)
            self.assert_within(cluster, status, lost=True)

    def test_a2_the_coordinator_dies_around_a_reservation(self):
        for point in ("reserve_before", "reserve_after", "lease_before", "lease_after"):
            with self.subTest(point):
                self.die_at(point, 4)

    @slow
    def test_a2_the_coordinator_dies_at_any_point(self):
        for point in ("reserve_before", "reserve_after", "lease_before", "lease_after", "commit_before",
                      "commit_after", "ack_after"):
            for n_max in (2, 4, 10, 20):
                with self.subTest(point, n_max=n_max):
                    self.die_at(point, n_max)


if __name__ == "__main__":
    main()
