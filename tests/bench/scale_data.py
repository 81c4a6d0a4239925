"""A million package descriptions: what bench_scale.py labels.

The one-line descriptions of the machine's package index, with their sections as labels. Where
there are too few, a description goes on with words of another one of its section, so that the
vocabulary grows as that of new texts does.
"""

import json
import random
import re
import subprocess

SECTION_ROWS_MIN = 100  # sections with fewer descriptions are left out
WRONG_SHARE = 0.1


def descriptions():
    """(description, section) of each package, of equal descriptions one, in the index's order."""
    index = subprocess.run(["apt-cache", "dumpavail"], stdout=subprocess.PIPE, check=True).stdout.decode()
    if index.count("\nPackage: ") < 1000:
        raise RuntimeError("the package index is empty; run apt-get update")
    rows = {}
    for package in index.split("\n\n"):
        section = re.search(r"(?m)^Section: (?:.*/)?(.+)$", package)
        text = re.search(r"(?m)^Description(?:-en)?: (.+)$", package)
        if section and text:
            rows.setdefault(text[1].strip(), section[1])
    counts = {}
    for section in rows.values():
        counts[section] = counts.get(section, 0) + 1
    return [(text, section) for text, section in rows.items() if counts[section] >= SECTION_ROWS_MIN]


def samples(count, seed=1):
    """`count` distinct texts with their sections; the first ones don't depend on how many."""
    base = descriptions()
    random.Random(seed).shuffle(base)
    by_section = {}
    for text, section in base:
        by_section.setdefault(section, []).append(text.split())
    draw = random.Random(seed)
    seen = set()
    rows = []
    while len(rows) < count:
        text, section = base[len(rows) % len(base)]
        if len(rows) >= len(base):
            words = draw.choice(by_section[section])
            start = draw.randrange(len(words))
            text = " ".join([text, *words[start:start + 1 + draw.randrange(4)]])
        while text in seen:
            text += f" {draw.randrange(1000)}"
        seen.add(text)
        rows.append((text, section))
    return rows


def write(rows, input_path, recordings_path, seed=1):
    """The input as CSV with ascending ids, and the LLM's answers: sections, a tenth wrong."""
    draw = random.Random(seed)
    labels = sorted({section for _, section in rows})
    with open(input_path, "w", encoding="utf-8") as out, open(recordings_path, "w", encoding="utf-8") as recordings:
        out.write("id,text,label\n")
        for number, (text, section) in enumerate(rows):
            quoted = text.replace('"', '""')
            out.write(f'p{number:07},"{quoted}",{section}\n')
            answer = section
            if draw.random() < WRONG_SHARE:
                answer = draw.choice([label for label in labels if label != section])
            recordings.write(json.dumps({"text": text, "answers": {"recorded|*": answer}}) + "\n")
    return labels
