"""What a run that nothing disturbs gives: the measure for those that are disturbed."""
import functools

from cluster import Cluster
from topics import samples


@functools.cache
def undisturbed(count=200):
    """(labels.jsonl, the model's files, requests for labels) of that many samples."""
    with Cluster() as cluster:
        cluster.run(samples(count)).finish()
        return cluster.labels_text(), cluster.model(), len(cluster.asked())


def assert_same(test, cluster, count=200):
    """The run is done and gave what it gives undisturbed; then the audit."""
    cluster.finish()
    labels, model, _ = undisturbed(count)
    test.assertEqual(cluster.labels_text(), labels)
    test.assertEqual(cluster.model(), model)
    cluster.audit()
