"""Writes tiny checkpoints with the safetensors library: three families, types and sets of names.

python3 -m venv /tmp/golden && /tmp/golden/bin/pip install torch safetensors
/tmp/golden/bin/python make_weights.py      (writes weights/ beside it)

Element i of a tensor is ((i * 7 + s) % 61 - 30) / 16 for the sum s of its name's bytes, without
prefix and with LayerNorm's names as of now: that is exact in every type.
"""
import json
import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent / "weights"
HIDDEN, INTERMEDIATE, VOCABULARY, POSITIONS, LAYERS = 4, 6, 7, 8, 2


def linear(name, rows, columns):
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def norm(name):
    return {f"{name}.weight": (HIDDEN,), f"{name}.bias": (HIDDEN,)}


def bert(types):
    shapes = {"embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
              "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
              "embeddings.token_type_embeddings.weight": (types, HIDDEN)}
    shapes |= norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= linear(f"{at}attention.{name}", HIDDEN, HIDDEN)
        shapes |= norm(at + "attention.output.LayerNorm") | norm(at + "output.LayerNorm")
        shapes |= linear(at + "intermediate.dense", INTERMEDIATE, HIDDEN)
        shapes |= linear(at + "output.dense", HIDDEN, INTERMEDIATE)
    return shapes | linear("pooler.dense", HIDDEN, HIDDEN)


def distilbert():
    shapes = {"embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
              "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN)}
    shapes |= norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"transformer.layer.{layer}."
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            shapes |= linear(f"{at}attention.{name}", HIDDEN, HIDDEN)
        shapes |= norm(at + "sa_layer_norm") | norm(at + "output_layer_norm")
        shapes |= linear(at + "ffn.lin1", INTERMEDIATE, HIDDEN)
        shapes |= linear(at + "ffn.lin2", HIDDEN, INTERMEDIATE)
    return shapes


def tensors(shapes, dtype):
    made = {}
    for name, shape in shapes.items():
        i = torch.arange(torch.Size(shape).numel())
        made[name] = (((i * 7 + sum(name.encode())) % 61 - 30) / 16).reshape(shape).to(dtype)
    return made


def old(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


def save(family, config, made):
    folder = HERE / family
    folder.mkdir(parents=True, exist_ok=True)
    save_file(made, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": family, **config}, indent=1) + "\n")


def main():
    config = {"vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS}
    large = {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
             "intermediate_size": INTERMEDIATE, **config}
    # As pretrained long ago: prefix, old names, heads of pretraining, no classifier.
    made = {"bert." + old(name): t for name, t in tensors(bert(2), torch.float32).items()}
    made["cls.predictions.bias"] = torch.zeros(VOCABULARY)
    made["bert.embeddings.position_ids"] = torch.arange(POSITIONS).reshape(1, -1)
    save("bert", large, made)
    # A base model: no prefix; its pooler is not the classifier's.
    save("roberta", {"type_vocab_size": 1, "pad_token_id": 1, **large},
         tensors(bert(1), torch.float16))
    # A classifier of three classes.
    made = {"distilbert." + name: t for name, t in tensors(distilbert(), torch.bfloat16).items()}
    heads = linear("pre_classifier", HIDDEN, HIDDEN) | linear("classifier", 3, HIDDEN)
    made |= tensors(heads, torch.bfloat16)
    save("distilbert", {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": INTERMEDIATE,
                        "id2label": {"0": "good", "1": "bad", "2": "gr\u00fcn"}, **config}, made)


if __name__ == "__main__":
    main()
