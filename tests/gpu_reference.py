#!/usr/bin/env python3
"""One frame and one training step of the PyTorch statement of the network on a GPU, eager and compiled.

    gpu_reference.py FOLDER [SECONDS] [--device cuda] [--size 480x864]

FOLDER has munet_reference.py. A frame: encode the query, memorise the previous frame for one object, segment with five frames in memory,
as in `munet bench`. A training step: six frames of 400x400, recurrent, bootstrapped cross entropy plus mask IoU, AdamW. Medians in ms;
each line is one result as JSON. Stops starting new ones after SECONDS.
"""
import argparse
import contextlib
import json
import statistics
import sys
import time

ap = argparse.ArgumentParser()
ap.add_argument("folder")
ap.add_argument("seconds", nargs="?", type=float, default=240)
ap.add_argument("--device", default="cuda")
ap.add_argument("--size", default="480x864")
ap.add_argument("--crop", type=int, default=400)
ap.add_argument("--rounds", type=int, default=20)
args = ap.parse_args()
sys.dont_write_bytecode = True
sys.path.insert(0, args.folder)

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import munet_reference as R  # noqa: E402

BEGAN = time.time()
DEVICE = torch.device(args.device)
CUDA = DEVICE.type == "cuda"
height, width = map(int, args.size.split("x"))


def wait():
    if CUDA:
        torch.cuda.synchronize()


def median(run, rounds, warm_up=3):
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(rounds):
        wait()
        start = time.perf_counter()
        run()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def set_precision(name):
    """Storage type of the frame; TF32 on only where asked for."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
    torch.backends.cudnn.benchmark = True
    return {"bf16": torch.bfloat16, "f16": torch.float16}.get(name, torch.float32)


def report(**fields):
    print(json.dumps(fields), flush=True)


def network(preset):
    return R.randomise(R.MUNet(R.Config() if preset == "munet50" else R.munet18())).to(DEVICE)


def frame(preset, precision, way, objects=1, memory=5):
    dtype = set_precision(precision)
    net = network(preset).eval().to(dtype)
    if dtype != torch.float32:
        net = net.to(memory_format=torch.channels_last)
    c = net.cfg
    bank = (objects, memory, height // 16, width // 16)
    with torch.no_grad():
        x = torch.randn(1, 3, height, width, device=DEVICE, dtype=dtype)
        masks = torch.rand(objects, 1, height, width, device=DEVICE, dtype=dtype)
        keys = torch.randn(bank[0], c.key_dim, *bank[1:], device=DEVICE, dtype=dtype)
        values = torch.randn(bank[0], c.value_dim, *bank[1:], device=DEVICE, dtype=dtype)
        previous = net.encode_query(x + 0.1)

        def step(x, masks, keys, values):
            query = net.encode_query(x)
            memorised = net.memorize(x, masks)
            z = net.segment(query, previous, keys, values)
            return R.soft_aggregate(z.float()).softmax(1), memorised

        run = step if way == "eager" else torch.compile(step, mode=way)
        ms = median(lambda: run(x, masks, keys, values), args.rounds)
    report(what="frame", preset=preset, precision=precision, way=way, ms=round(ms, 3))


def training(preset, precision, way, objects):
    dtype = set_precision(precision)
    net = network(preset).eval()  # statistics of the batch norms are frozen
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-5, fused=CUDA)
    frames = torch.rand(6, 1, 3, args.crop, args.crop, device=DEVICE)
    labels = torch.randint(0, objects + 1, (6, 1, args.crop, args.crop), device=DEVICE)
    half = dtype != torch.float32
    memorize, segment, encode = net.memorize, net.segment, net.encode_query
    if way != "eager":
        memorize, segment, encode = (torch.compile(f, dynamic=False) for f in (memorize, segment, encode))

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss = 0
        with torch.autocast(DEVICE.type, dtype) if half else contextlib.nullcontext():
            masks = torch.stack([(labels[0] == k + 1).float() for k in range(objects)])
            xs = [net.prepare(f)[0] for f in frames]
            before, keys, values = encode(xs[0]), [], []
            for t in range(1, 6):
                k, v = memorize(xs[t - 1], masks)
                keys.append(k[:, :, None])
                values.append(v[:, :, None])
                query = encode(xs[t])
                logits = R.soft_aggregate(segment(query, before, torch.cat(keys, 2), torch.cat(values, 2)).float())
                loss = loss + R.munet_loss(logits, labels[t]) / 5
                masks = logits.softmax(1)[0, 1:, None]
                before = query
        loss.backward()
        optimiser.step()

    if CUDA:
        torch.cuda.reset_peak_memory_stats()
    ms = median(step, 5, 2)
    peak = torch.cuda.max_memory_allocated() / 2**30 if CUDA else 0
    report(what="training step", preset=preset, precision=precision, way=way, objects=objects, ms=round(ms, 2), peak_gib=round(peak, 2))


def matrix_rates():
    """The card's own measure: copy and product rates, for the floor of ../shared/prototypes/gpu_roofline.py."""
    x = torch.empty(1 << 28, device=DEVICE)
    y = torch.empty_like(x)
    rates = {"copy_gb_s": round(2e-6 * x.numel() * 4 / median(lambda: y.copy_(x), 10))}
    for precision in ("f32", "tf32", "bf16", "f16"):
        dtype = set_precision(precision)
        a = torch.randn(8192, 8192, device=DEVICE, dtype=dtype)
        rates[precision + "_tflops"] = round(2e-9 * 8192**3 / median(lambda: a @ a, 5), 1)
    report(what="rates", **rates)


def run(what, *given):
    if time.time() - BEGAN > args.seconds:
        report(what=what.__name__, given=given, skipped="no time left")
        return
    try:
        what(*given)
    except Exception as error:  # a peer that cannot run is told, not hidden
        report(what=what.__name__, given=given, failed=f"{type(error).__name__}: {str(error)[:300]}")


report(what="versions", torch=torch.__version__, cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version() if CUDA else None,
       device=torch.cuda.get_device_name() if CUDA else "cpu")
if CUDA:
    run(matrix_rates)
for precision in ("f32", "tf32", "bf16", "f16"):
    for preset in ("munet50", "munet18"):
        run(frame, preset, precision, "eager")
for objects in (1, 2, 3):
    run(training, "munet50", "f32", "eager", objects)
run(training, "munet50", "tf32", "eager", 2)
run(training, "munet50", "bf16", "eager", 2)
for precision in ("f32", "tf32", "bf16"):
    run(frame, "munet50", precision, "reduce-overhead")
run(training, "munet50", "bf16", "default", 2)
