#!/usr/bin/env python3
"""One training step of the same network in munet and in eager PyTorch, side by side: forward, backward and AdamW on a preloaded clip.

    train.py [--preset munet18|munet50] [--size 256x256] [--objects 1] [--frames 3] [--threads 2] [--rounds 7]
             [--munet build/release/munet] [--reference ../shared/reference]

The clip is recurrent: each frame is segmented with the memory of those before it, under the network's own masks. Rounds are
interleaved as in peers.py. PyTorch runs as it is ("torch") and with channels last ("torch_cl"), AdamW in its fused form.
"""
import copy
import json
import statistics
import subprocess
import time

import common

args = common.options(size="256x256", frames=3)

import torch  # noqa: E402  (after the threads are set)
import munet_reference as R  # noqa: E402

height, width = map(int, args.size.split("x"))
n = args.objects
frames = torch.randn(args.frames, 3, height, width)
labels = torch.zeros(args.frames, height, width, dtype=torch.long)
for t in range(args.frames):
    for k in range(n):
        left = width * k // n + 4 * t
        labels[t, height // 4:height * 3 // 4, left:left + width // (2 * n)] = k + 1
first_masks = torch.stack([(labels[0] == k + 1).float() for k in range(n)])[:, None]


def torch_step(net, x):
    """As train_bootstrap.py of the reference does it, without the data."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5, fused=True)

    def run():
        optimizer.zero_grad()
        queries = [net.encode_query(x[t:t + 1]) for t in range(len(x))]
        masks, keys, values, loss = first_masks, [], [], 0.
        for t in range(1, len(x)):
            key, value = net.memorize(x[t - 1:t], masks)
            keys.append(key[:, :, None])
            values.append(value[:, :, None])
            logits = R.soft_aggregate(net.segment(queries[t], queries[t - 1], torch.cat(keys, 2), torch.cat(values, 2)))
            loss = loss + R.munet_loss(logits, labels[t:t + 1]) / (len(x) - 1)
            masks = logits.softmax(1)[0][1:, None]
        loss.backward()
        optimizer.step()
    return run


def munet_ms():
    out = subprocess.run([args.munet, "bench", "--train", "--preset", args.preset, "--size", args.size, "--objects", str(n), "--frames", str(args.frames),
                          "--threads", str(args.threads), "--rounds", "1", "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["step_ms"]


net = R.randomise(R.MUNet(R.Config() if args.preset == "munet50" else R.munet18()))  # eval(): batch norm's statistics are frozen in training too
last = torch.channels_last
runs = {"torch": torch_step(copy.deepcopy(net), frames), "torch_cl": torch_step(copy.deepcopy(net).to(memory_format=last), frames.contiguous(memory_format=last))}
for run in runs.values():
    run()
times = {name: [] for name in ["munet", *runs]}
for _ in range(args.rounds):
    times["munet"].append(munet_ms())
    for name, run in runs.items():
        start = time.perf_counter()
        run()
        times[name].append(1e3 * (time.perf_counter() - start))

medians = {name: statistics.median(t) for name, t in times.items()}
print(f"training step, {args.preset} {args.size}, {n} objects, clip of {args.frames} frames, {args.threads} threads, median of {args.rounds} interleaved rounds")
for name, ms in medians.items():
    print(f"  {name:14s} {ms:8.1f} ms  min {min(times[name]):8.1f}  {ms / medians['munet']:5.2f} x munet")
