"""A language model of one or two layers in a folder that `transformers serve` can serve: with random
weights, or trained to answer prompts. Wants torch and transformers."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = ("{% for m in messages %}{{ m['role'] + ': ' + m['content'] + eos_token + '\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}")


def _tokenizer(texts):
    """Byte-level pieces, so that any text has ids, and whole words of these texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=["<s>", "</s>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = TEMPLATE
    return fast


def make(folder, examples, steps):
    """Saves a model and its tokenizer. Examples: (messages, answer); 0 steps leave it random."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    tokenizer = _tokenizer([m["content"] for messages, _ in examples for m in messages]
                           + [" " + answer for _, answer in examples])
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=2048, bos_token_id=0, eos_token_id=1, pad_token_id=1))
    if steps:
        _train(model, tokenizer, examples, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _train(model, tokenizer, examples, steps, batch=16):
    rows = []
    for messages, answer in examples:
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        said = tokenizer(" " + answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        rows.append((ids + said, [-100] * len(ids) + said))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    order = torch.randperm(len(rows) * (steps * batch // len(rows) + 1)) % len(rows)
    for step in range(steps):
        chosen = [rows[i] for i in order[step * batch:(step + 1) * batch].tolist()]
        width = max(len(ids) for ids, _ in chosen)
        ids = torch.tensor([a + [tokenizer.pad_token_id] * (width - len(a)) for a, _ in chosen])
        labels = torch.tensor([b + [-100] * (width - len(b)) for _, b in chosen])
        loss = model(input_ids=ids, attention_mask=(torch.arange(width) < torch.tensor(
            [[len(a)] for a, _ in chosen])).long(), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return loss.item()
