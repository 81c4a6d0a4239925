"""`freeal plan` against what a run really asks: the mock of the LLM counts the tokens."""
import json
import re
import subprocess
import unittest

from run_case import BIN, Case

from topics import samples

TOLERANCE = 0.15


class Plan(Case):
    def planned(self, task, source):
        """Requests, and tokens in, that the plan expects of a run."""
        out = subprocess.run([BIN / "freeal", "plan", task, "--input", source], capture_output=True,
                             encoding="utf-8", check=True).stdout
        (row,) = re.findall(r"^in all +([\d,]+) +([\d,]+) ", out, re.MULTILINE)
        return [int(cell.replace(",", "")) for cell in row]

    def test_the_mock_counts_as_many_tokens(self):
        rows = [dict(row, text=" ".join([row["text"]] * 12)) for row in samples(120)]
        mock = self.mock()
        # What the mock writes as demonstrations is shorter than the samples: the second round has its
        # demonstrations from them.
        task = self.write_task(mock.url, rounds="[{shots: 0}, {relabel: 0.5, shots: 6}]")
        source = self.write_input(rows)
        requests, tokens = self.planned(task, source)
        self.run_to_end(task, source, "out")
        counted = json.loads((self.path / "out" / "report.json").read_text())["usage"]
        self.assertEqual(counted["requests"], len(mock.records()))
        self.assertLess(abs(requests - counted["requests"]), TOLERANCE * counted["requests"])
        self.assertLess(abs(tokens - counted["tokens_in"]), TOLERANCE * counted["tokens_in"],
                        (tokens, counted))


if __name__ == "__main__":
    unittest.main()
