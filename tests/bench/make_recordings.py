"""Turns recorded answers of a data folder into freeal-mockllm's replay format (JSONL).

Usage: make_recordings.py mr|babe FOLDER OUT.jsonl [--labels NAME,NAME]
"""

import argparse
import csv
import json
import pathlib
import re

LABELS = {"mr": ["negative", "positive"], "babe": ["not biased", "biased"]}


def mr_rows(folder, labels):
    """One answer per text whatever the number of examples; -1 is invalid."""
    with open(folder / "train_chatgpt_backtranslated.csv", encoding="utf-8", newline="") as file:
        for label, text, _ in csv.reader(file):
            number = int(label)
            yield {"text": text, "answers": {"chatgpt|*": labels[number] if number >= 0 else None}}


def babe_rows(folder, labels):
    """The columns MODEL|zero-shot, MODEL|N-shot and their chain-of-thought forms."""
    pattern = re.compile(r"^(?P<model>[^|]+)\|(?:(?P<zero>zero)|(?P<shots>\d+))-shot(?P<cot>-cot)?$", re.I)
    with open(folder / "train.jsonl", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            answers = {}
            for column, number in row["llm"].items():
                match = pattern.match(column)
                if not match:
                    continue
                model = match["model"] + ("-cot" if match["cot"] else "")
                shots = "0" if match["zero"] else match["shots"]
                answers[f"{model}|{shots}"] = None if number is None else labels[number]
            yield {"text": row["text"], "answers": answers}


def write(name, folder, out, labels=None):
    rows = {"mr": mr_rows, "babe": babe_rows}[name](pathlib.Path(folder), labels or LABELS[name])
    with open(out, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("name", choices=sorted(LABELS))
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--labels", help="label names in the order of their numbers")
    options = parser.parse_args()
    write(options.name, options.folder, options.out, options.labels and options.labels.split(","))
