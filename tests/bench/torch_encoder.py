"""Times PyTorch (and ONNX Runtime) on the encoder's work: steps, inference, epochs.

Run with the Python of environment.python("torch"). Prints one JSON object.

    torch_encoder.py random FOLDER               writes a checkpoint of RoBERTa-base's shape
    torch_encoder.py ids MODEL TABLE OUT         writes TABLE with ids instead of texts
    torch_encoder.py step MODEL IDS              FreeAL's step, one batch after the other
    torch_encoder.py infer MODEL IDS [--onnx FILE]
    torch_encoder.py epoch MODEL TABLE [--rows N]  epochs of the paper's recipe

MODEL is a checkpoint's folder. A line of IDS: label, clean, ids and the second view's ids, both
separated by spaces; a step takes the lines as they come.
"""

import json
import pathlib
import resource
import statistics
import time

import numpy as np
import torch
import transformers

import torch_freeal

CLASSES = 2


def base_config():
    return transformers.RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1,
                                      layer_norm_eps=1e-5)


def write_random(options):
    torch.manual_seed(1)
    model = transformers.AutoModelForSequenceClassification.from_config(base_config())
    model.save_pretrained(options.model)
    return {}


def write_ids(options):
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    labels, clean, texts, seconds = torch_freeal.read_table(options.table)

    def ids(strings):
        found = tokenizer(strings, truncation=True, max_length=torch_freeal.TOKENS)["input_ids"]
        return [" ".join(map(str, row)) for row in found]
    with open(options.out, "w", encoding="ascii") as out:
        for row in zip(labels, clean, ids(texts), ids([b or a for a, b in zip(texts, seconds)])):
            out.write("{}\t{}\t{}\t{}\n".format(*row))
    return {}


def read_ids(path):
    with open(path, encoding="ascii") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    columns = [[list(map(int, row[i].split())) for row in rows] for i in (2, 3)]
    clean = np.array([int(row[1]) > 0 for row in rows])
    return torch_freeal.Data(np.array([int(row[0]) for row in rows]), *columns), clean


def time_steps(options):
    data, clean = read_ids(options.table)
    torch.manual_seed(options.seed)
    network = torch_freeal.Network(options.model, CLASSES)
    network.train()
    optimizer = torch_freeal.optimizer_new(network, 3e-5)
    generator = np.random.default_rng(options.seed)
    seconds = []
    todo = [range(at, at + options.batch) for at in range(0, len(data.labels), options.batch)]
    for rows in todo[:options.count or None]:
        start = time.perf_counter()
        with torch_freeal.autocast(options.bf16):
            loss = torch_freeal.freeal_loss(
                network, torch_freeal.pad([data.texts[i] for i in rows], options.width),
                torch_freeal.pad([data.seconds[i] for i in rows], options.width),
                torch.tensor([data.labels[i] for i in rows]), torch.tensor([bool(clean[i]) for i in rows]),
                1.0, generator)
        torch_freeal.step(network, optimizer, loss)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def onnx_export(network, path):
    ids, mask = torch_freeal.pad([[101, 2000, 102], [101, 102]])
    names = {"ids": {0: "texts", 1: "tokens"}, "mask": {0: "texts", 1: "tokens"}}
    torch.onnx.export(network, (ids, mask), path, input_names=["ids", "mask"], output_names=["logits"],
                      dynamic_axes=names, dynamo=False)


def onnx_session(network, options):
    import onnxruntime
    onnx_export(network, options.onnx)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(options.onnx, settings, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def time_inference(options):
    """Whole passes over the texts' logits. The lines' order is the batches'."""
    data, _ = read_ids(options.table)
    torch.manual_seed(options.seed)
    network = torch_freeal.Network(options.model, CLASSES).eval()
    todo = [torch_freeal.pad(data.texts[at:at + options.batch]) for at in range(0, len(data.texts), options.batch)]
    session = onnx_session(network, options) if options.onnx else None
    seconds = []
    for _ in range(options.passes + 1):
        start = time.perf_counter()
        for ids, mask in todo:
            if session:
                session.run(None, {"ids": ids.numpy(), "mask": mask.numpy()})
            else:
                with torch_freeal.autocast(options.bf16):
                    network(ids, mask)
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds[1:]), "texts": len(data.texts),
            "padding": sum(ids.numel() for ids, _ in todo) / sum(map(len, data.texts))}


def time_epochs(options):
    """Seconds of an epoch of the warm-up, and of one behind it, with its loss pass."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    data = torch_freeal.labelled(torch_freeal.read_data(options.table, tokenizer))
    if options.rows:
        rows = np.random.default_rng(0).permutation(len(data.labels))[:options.rows]
        data = torch_freeal.Data(data.labels[rows], [data.texts[i] for i in rows], [data.seconds[i] for i in rows])
    training = torch_freeal.Training("paper", options.model, data, CLASSES, options)
    result = {"rows": len(data.labels)}
    for name, epoch in (("warmup", 0), ("full", torch_freeal.WARMUP_EPOCHS)):
        training.epoch = epoch
        start = time.perf_counter()
        if name == options.only or not options.only:
            training.run_epoch()
            result[name] = time.perf_counter() - start
    return result


COMMANDS = {"random": write_random, "ids": write_ids, "step": time_steps, "infer": time_inference,
            "epoch": time_epochs}


def main():
    parser = torch_freeal.parser_new(__doc__.split("\n", 1)[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("table", nargs="?")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--count", type=int, help="batches, the first of them to warm up")
    parser.add_argument("--passes", type=int, default=2, help="that are measured, behind one to warm up")
    parser.add_argument("--onnx", metavar="FILE", help="ONNX Runtime on FILE, which is written")
    parser.add_argument("--rows", type=int, help="so many, drawn")
    parser.add_argument("--only", choices=["warmup", "full"], help="one epoch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    print(json.dumps(COMMANDS[options.command](options)))


if __name__ == "__main__":
    main()
