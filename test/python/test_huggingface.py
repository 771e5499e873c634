"""Hugging Face models, in their own calling convention: keyword arguments in, ModelOutput out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithCrossAttentions

import regimen
from twins import REFERENCE, check_close, check_gradients, check_same

transformers.logging.set_verbosity_error()


def gpt2() -> nn.Module:
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=64, n_positions=32, n_embd=32, n_layer=2, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        bos_token_id=0, eos_token_id=0, use_cache=False))  # fmt: skip


def llama() -> nn.Module:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=32, use_cache=False))  # fmt: skip


def tokens(k: int, rows: int = 2, length: int = 16) -> dict[str, Tensor]:
    ids = torch.randint(0, 64, (rows, length), generator=torch.Generator().manual_seed(k))
    labels = ids.clone()
    labels[:, :4] = -100
    return {"input_ids": ids, "labels": labels}


@pytest.mark.parametrize("build", [gpt2, llama])
def test_training(build: Any) -> None:
    plain = build().train()
    model = regimen.compile(copy.deepcopy(plain), (), tokens(0), config=REFERENCE, verbose=False)
    ours = regimen.optim.AdamW(model.parameters(), lr=1e-2)
    theirs = torch.optim.AdamW(plain.parameters(), lr=1e-2, foreach=False)
    for step in range(3):
        outputs = []
        for module, optimizer in ((model, ours), (plain, theirs)):
            optimizer.zero_grad()
            out = module(**tokens(step))
            out.loss.backward()
            outputs.append(out)
        assert type(outputs[0]) is type(outputs[1])
        assert list(outputs[0]) == list(outputs[1])
        check_close(outputs[0].loss, outputs[1].loss, "loss")
        check_gradients([model], [plain], check_close)
        ours.step()
        theirs.step()
    assert model.config is not plain.config and model.config.vocab_size == 64
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in plain.named_parameters()]


def test_tuples_and_generation() -> None:
    module = gpt2().train()
    twin = copy.deepcopy(module)
    model = regimen.compile(module, (), tokens(0), config=REFERENCE, verbose=False)
    have, want = model(**tokens(1), return_dict=False), twin(**tokens(1), return_dict=False)
    assert type(have) is tuple and len(have) == len(want) == 2
    check_same(have[1], want[1], "logits")
    model.eval()
    twin.eval()
    prompt = tokens(2)["input_ids"][:, :5]
    settings = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, "use_cache": True}
    assert torch.equal(model.generate(prompt, **settings), twin.generate(prompt, **settings))  # the original's, same weights


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> BaseModelOutput:
        y = self.line(x)
        return BaseModelOutput(last_hidden_state=y, hidden_states=(x, y))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(8, 4)

    def forward(self, encoded: BaseModelOutput) -> CausalLMOutputWithCrossAttentions:
        logits = self.line(encoded.last_hidden_state + encoded["hidden_states"][1])
        return CausalLMOutputWithCrossAttentions(loss=logits.pow(2).mean(), logits=logits)


def test_outputs_are_inputs_of_the_next_model() -> None:
    torch.manual_seed(0)
    plain = [Tower(), Decoder()]
    x = torch.randn(3, 8)
    compiled = [
        regimen.compile(copy.deepcopy(plain[0]), (x,), config=REFERENCE, verbose=False),
        regimen.compile(copy.deepcopy(plain[1]), (plain[0](x),), config=REFERENCE, verbose=False),
    ]
    results = []
    for models in (compiled, plain):
        encoded = models[0](x)
        assert type(encoded) is BaseModelOutput and encoded.attentions is None
        out = models[1](encoded)
        out.loss.backward()
        results.append(out)
    check_same(results[0].loss, results[1].loss, "loss")
    check_gradients(compiled, plain)
