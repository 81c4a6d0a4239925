"""The README's task files are ones: `freeal plan` reads them."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = os.path.join(os.environ["FREEAL_BIN"], "freeal")
LABELS = "labels: [negative, positive]\n"


class Readme(unittest.TestCase):
    def plan(self, text):
        with tempfile.TemporaryDirectory() as folder:
            task, source = pathlib.Path(folder) / "task.yaml", pathlib.Path(folder) / "in.csv"
            task.write_text(text, encoding="utf-8")
            source.write_text("id,text,label,back_translation\n1,good,positive,fine\n", encoding="utf-8")
            run = subprocess.run([PROGRAM, "plan", task, "--input", source], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, f"{text}\n{run.stderr}")

    def test_blocks(self):
        blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        self.assertGreaterEqual(len(blocks), 4)
        for block in blocks:
            llms = re.findall(r"^llm: .*", block, re.MULTILINE)
            if len(llms) > 1:
                for llm in llms:
                    self.plan(LABELS + llm + "\n")
                continue
            text = block if "labels:" in block else LABELS + block
            self.plan(text if llms else text + "llm: {url: http://localhost, model: m}\n")


if __name__ == "__main__":
    unittest.main()
