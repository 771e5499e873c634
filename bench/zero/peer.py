"""One rank of a peer: GPT-2-mini under DDP, FSDP2 or DeepSpeed ZeRO, with torch's fused AdamW. bench/zero/compare.py starts it.

    peer.py IMPLEMENTATION DATA WARM_UP STEPS BATCH

Prints one JSON object: wall and CPU seconds of the steps, bytes of memory, the last step's loss. Memory is the process's
peak, and that less what it had before the model was made.
"""

import json
import os
import pathlib
import resource
import statistics
import sys
import time

os.environ.setdefault("DS_ACCELERATOR", "cpu")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import common  # noqa: E402

#: Elements of a bucket: 25 MiB of fp32, as DDP's and Regimen's.
BUCKET = (25 << 20) // 4


def resident() -> int:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def trainer(name: str, model: common.Loss, batch: int):
    """A function that trains on one batch and returns the loss."""
    adamw = lambda: torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)  # noqa: E731
    if name.startswith("ds"):
        import deepspeed

        zero = {"stage": int(name[2]), "reduce_bucket_size": BUCKET, "allgather_bucket_size": BUCKET}
        config = {
            "train_micro_batch_size_per_gpu": batch, "zero_allow_untested_optimizer": True, "zero_optimization": zero,
            "steps_per_print": 10**9, "gradient_clipping": 0.0,
        }  # fmt: skip
        engine, *_ = deepspeed.initialize(model=model, optimizer=adamw(), config=config)

        def step(rows: torch.Tensor) -> torch.Tensor:
            loss = engine(rows, rows)
            engine.backward(loss)
            engine.step()
            return loss.detach()

        return step
    net: torch.nn.Module = model
    if name == "ddp":
        net = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    else:
        from torch.distributed.fsdp import fully_shard

        mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (dist.get_world_size(),))
        for block in model.model.transformer.h:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
    optimizer = adamw()

    def step(rows: torch.Tensor) -> torch.Tensor:
        loss = net(rows, rows)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def main() -> None:
    name, data = sys.argv[1:3]
    warm_up, steps, batch = map(int, sys.argv[3:])
    torch.set_num_threads(1)
    if name.startswith("ds"):
        import deepspeed

        deepspeed.init_distributed(dist_backend="gloo", verbose=False)
    else:
        dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    blocks = load_file(data)["input_ids"].split(batch)
    before = resident()
    step = trainer(name, common.gpt2_mini().train(), batch)
    wall, cpu, loss = [], [], 0.0
    for i in range(warm_up + steps):
        start, used = time.perf_counter(), time.process_time()
        loss = step(blocks[(i * ranks + rank) % len(blocks)]).item()
        if i >= warm_up:
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    total = torch.tensor(loss, dtype=torch.float64)
    dist.all_reduce(total)
    result = {"wall": statistics.median(wall), "cpu": statistics.mean(cpu), "peak": peak, "training": peak - before}
    print(json.dumps({**result, "loss": total.item() / ranks}), flush=True)
    dist.barrier()
    # FSDP2's threads do not always outlive the interpreter's end in order ("terminate called without an active exception").
    os._exit(0)


if __name__ == "__main__":
    main()
