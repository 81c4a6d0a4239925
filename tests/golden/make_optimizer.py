#!/usr/bin/env python3
"""Writes optimizer.inc: what torch.optim.AdamW makes of test_optimizer.c's weights and gradients, and
transformers' rates.

Usage: make_optimizer.py > tests/golden/optimizer.inc   (torch 2.x, transformers 4.x or 5.x, numpy)
"""
import numpy as np
import torch
from transformers import get_linear_schedule_with_warmup

HIDDEN, INTERMEDIATE, VOCABULARY, POSITIONS, TYPES, CLASSES = 6, 8, 70, 9, 2, 3
STEPS, WARMUP, RATE = 10, 3, 1e-2
VALUES_PER_LINE = 6
# (rows, columns, decays) in the order of parameters.h, one layer.
SHAPES = [(VOCABULARY, HIDDEN, True), (POSITIONS, HIDDEN, True), (TYPES, HIDDEN, True), (1, HIDDEN, False),
          (1, HIDDEN, False),
          (3 * HIDDEN, HIDDEN, True), (1, 3 * HIDDEN, False), (HIDDEN, HIDDEN, True), (1, HIDDEN, False),
          (1, HIDDEN, False), (1, HIDDEN, False), (INTERMEDIATE, HIDDEN, True), (1, INTERMEDIATE, False),
          (HIDDEN, INTERMEDIATE, True), (1, HIDDEN, False), (1, HIDDEN, False), (1, HIDDEN, False),
          (HIDDEN, HIDDEN, True), (1, HIDDEN, False), (CLASSES, HIDDEN, True), (1, CLASSES, False)]


def touched(row, step):
    return row % 5 == step % 5 and row % 3 != 0


def weights(at):
    return (at * 37 % 101 - 50) / 64


def gradients(at, step):
    return (at * 53 + step * 29 + at * step % 7) % 113 / 512 - 56 / 512


def array(name, values):
    words = [f"{float(v):.9g}" for v in values]
    words = [w if any(c in w for c in ".en") else w + ".0" for w in words]
    print(f"static const double {name}[{len(words)}] = {{")
    for i in range(0, len(words), VALUES_PER_LINE):
        print("\t" + ", ".join(words[i:i + VALUES_PER_LINE]) + ",")
    print("};")


def main():
    parameters, offsets, size = [], [], 0
    for rows, columns, decays in SHAPES:
        at = size + np.arange(rows * columns).reshape(rows, columns)
        parameters.append(torch.nn.Parameter(torch.tensor(weights(at), dtype=torch.float32)))
        offsets.append(at)
        size += (rows * columns + 15) // 16 * 16
    groups = [{"params": [p for p, s in zip(parameters, SHAPES) if s[2] == decays],
               "weight_decay": 0.01 if decays else 0.0} for decays in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    norms, rates = [], []
    for step in range(STEPS):
        for i, (p, at) in enumerate(zip(parameters, offsets)):
            g = gradients(at, step)
            if i == 0:
                g = g * np.array([touched(row, step) for row in range(VOCABULARY)])[:, None]
            # The later steps are not clipped.
            p.grad = torch.tensor(g / (1 if step < 6 else 16), dtype=torch.float32)
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0))
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    array("optimizer_norms", norms)
    array("optimizer_rates", rates)
    array("optimizer_weights", torch.cat([p.detach().ravel() for p in parameters]))


main()
