"""Weights files for tests: torch checkpoints as researchers and the paper's authors write them."""

from __future__ import annotations

from pathlib import Path

import torch


def save(path: Path, content: object, zipped: bool = True) -> Path:
    """Writes a torch checkpoint in the zip format or the legacy one."""
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def authors_checkpoint(path: Path, network: torch.nn.Module, zipped: bool, acc: object) -> Path:
    """Writes a checkpoint as FACTS.md 2 describes the authors' ones, with the momentum of a real optimizer."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    network.load_state_dict(before)
    assert all("momentum_buffer" in state for state in optimizer.state_dict()["state"].values())
    content = {
        "epoch": 100,
        "state_dict": torch.nn.DataParallel(network).state_dict(),
        "acc": acc,
        "best_acc": acc,
        "optimizer": optimizer.state_dict(),
    }
    assert all(key.startswith("module.") for key in content["state_dict"])
    return save(path, content, zipped)


def flip_a_bit(path: Path, at: int) -> None:
    """Changes one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def logits_of(network: torch.nn.Module, seed: int = 0) -> torch.Tensor:
    """The network's logits for a seeded input, (2, classes), after a check that they vary."""
    x = torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        logits = network(x)
    assert float(logits.std()) > 1e-3  # constant logits would always be equal
    return logits
