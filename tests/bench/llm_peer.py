"""What a user would label with instead: their Pythons, and one run of them."""

import json
import os
import subprocess
import sys

import harness

HERE = harness.ROOT / "tests" / "bench"


def python(peer):
    return harness.environment.python("autolabel" if peer == "autolabel" else "openai")


def run(peer, url, prompts, in_flight, seconds, log):
    """Labels per second and CPU seconds per label over `seconds`, after a second to warm up.
    `prompts` is a file of {"system", "demonstrations": [[text, label], ...], "labels", "texts"}."""
    variables = {**os.environ, "OPENAI_API_KEY": "none", "OPENAI_API_BASE": url}
    with open(log, "a", encoding="utf-8") as errors:
        found = subprocess.run(
            [python(peer), "-W", "ignore", HERE / "llm_peer_client.py", peer, url, prompts, str(in_flight),
             str(seconds)], check=False, encoding="utf-8", stdout=subprocess.PIPE, stderr=errors, env=variables)
    if found.returncode:
        raise RuntimeError(f"{peer} ended with {found.returncode}, see {log}")
    result = json.loads(found.stdout.splitlines()[-1])
    return result["labels"] / result["seconds"], result["cpu_seconds"] / result["labels"]
