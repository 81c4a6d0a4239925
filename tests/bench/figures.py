"""The figures of one benchmark: a table for people and JSON for machines."""

import argparse
import json


def cpu_kind():
    """What the processor can do in bfloat16: "amx", "avx512_bf16" or "other"."""
    flags = set()
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("flags"):
                flags.update(line.split(":", 1)[1].split())
                break
    if "amx_bf16" in flags:
        return "amx"
    return "avx512_bf16" if "avx512_bf16" in flags else "other"


class Figures:
    """Collects figures; ratio is value / peer."""

    def __init__(self, title):
        self.title = title
        self.rows = []

    def add(self, name, value, unit, peer=None, note=""):
        row = {"name": name, "value": round(float(value), 6), "unit": unit}
        row["peer"] = None if peer is None else round(float(peer), 6)
        row["ratio"] = None if not peer else round(float(value) / float(peer), 4)
        self.rows.append((row, note))

    def print_table(self):
        print(self.title)
        print(f"{'name':<22} {'ours':>10} {'peer':>10} {'ratio':>8}  unit")
        for row, note in self.rows:
            peer = "-" if row["peer"] is None else f"{row['peer']:.4f}"
            ratio = "-" if row["ratio"] is None else f"{row['ratio']:.4f}"
            print(f"{row['name']:<22} {row['value']:>10.4f} {peer:>10} {ratio:>8}  {row['unit']}"
                  + (f"  ({note})" if note else ""))

    def write_json(self, path):
        with open(path, "w") as out:
            json.dump({"cpu": cpu_kind(), "figures": [row for row, _ in self.rows]}, out, indent=1)
            out.write("\n")

    def finish(self, json_path):
        self.print_table()
        if json_path:
            self.write_json(json_path)


def arguments(description, seeds):
    """The command line that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--seeds", type=int, default=seeds, help="seeds 1 .. N")
    return parser.parse_args()
