#!/usr/bin/env python3
"""One frame of the same network in munet and in its peers, side by side: encode the query, memorise the previous frame, segment.

    peers.py [--preset munet18|munet50] [--size 480x864] [--objects 1] [--frames 5] [--threads 2] [--rounds 7] [--table FILE]
             [--engines torch,torch_cl,torch_frozen,ort,openvino,openvino_bf16] [--munet build/release/munet] [--reference ../shared/reference]

tests/peers/run.sh sets up the environment and calls this. Every round runs each engine once, munet in a process of its own, so that a
machine that drifts hurts all alike; medians and the ratio of the best f32 peer to munet are printed. The peers get every help: eager,
channels-last and frozen PyTorch, graph optimisation of ONNX Runtime and OpenVINO, the decoder's object-independent half shared, the
cost volume as one product (that is how the reference states the network). Where the CPU has bf16 instructions, OpenVINO rounds to
bf16 unless told otherwise: "openvino" is asked for f32 like all others, "openvino_bf16" is its default, with its error.
"""
import json
import os
import statistics
import subprocess
import tempfile
import time

import common

args = common.options(size="480x864", frames=5, more=[
    ("--engines", dict(default="torch,torch_cl,torch_frozen,ort,openvino,openvino_bf16")),
    ("--table", dict(help="append a line of a Markdown table to this file"))])

import numpy as np  # noqa: E402  (after the threads are set)
import torch  # noqa: E402
import munet_reference as R  # noqa: E402

height, width = map(int, args.size.split("x"))
config = R.Config() if args.preset == "munet50" else R.munet18()
net = R.randomise(R.MUNet(config)).eval()


class Memorize(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net

    def forward(self, x, masks):
        return self.net.memorize(x, masks)


class Segment(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net

    def forward(self, r4, r3, r2, previous_r4, keys, values):
        return self.net.segment({"r4": r4, "r3": r3, "r2": r2}, {"r4": previous_r4}, keys, values)


def flat(out):
    return [out] if isinstance(out, torch.Tensor) else list(out)


stages = [net.encoder_q, Memorize().eval(), Segment().eval()]
with torch.no_grad():
    x = torch.randn(1, 3, height, width)
    r4, r3, r2 = stages[0](x)
    bank = (args.objects, args.frames, height // 16, width // 16)
    keys = torch.randn(bank[0], config.key_dim, *bank[1:])
    values = torch.randn(bank[0], config.value_dim, *bank[1:])
    inputs = [(x,), (x, torch.rand(args.objects, 1, height, width)), (r4, r3, r2, r4 + 0.1 * torch.randn_like(r4), keys, values)]
    want = [t for stage, given in zip(stages, inputs) for t in flat(stage(*given))]


def torch_engine(modules, given):
    def run():
        with torch.inference_mode():
            return [t for module, one in zip(modules, given) for t in flat(module(*one))]
    return run


def onnx_files():
    paths = []
    for i, (stage, given) in enumerate(zip(stages, inputs)):
        paths.append(os.path.join(folder.name, f"{i}.onnx"))
        torch.onnx.export(stage, given, paths[-1], opset_version=17, dynamo=False, input_names=[f"i{k}" for k in range(len(given))])
    return paths


def ort_engine():
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    sessions = [onnxruntime.InferenceSession(p, options, providers=["CPUExecutionProvider"]) for p in paths]
    feeds = [{v.name: t.numpy() for v, t in zip(s.get_inputs(), given)} for s, given in zip(sessions, inputs)]
    return lambda: [t for s, feed in zip(sessions, feeds) for t in s.run(None, feed)]


def openvino_engine(precision):
    import openvino
    keys = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY"}
    if precision:
        keys["INFERENCE_PRECISION_HINT"] = precision
    models = [openvino.Core().compile_model(p, "CPU", keys) for p in paths]
    feeds = [[t.numpy() for t in given] for given in inputs]
    return lambda: [t for m, feed in zip(models, feeds) for t in m(feed).values()]


def munet_ms():
    out = subprocess.run([args.munet, "bench", "--preset", args.preset, "--size", args.size, "--objects", str(args.objects), "--frames", str(args.frames),
                          "--threads", str(args.threads), "--rounds", "1", "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["frame_ms"]


folder = tempfile.TemporaryDirectory()
engines = args.engines.split(",")
paths = onnx_files() if {"ort", "openvino", "openvino_bf16"} & set(engines) else []
runs = {}
for name in engines:
    if name == "torch":
        runs[name] = torch_engine(stages, inputs)
    elif name == "torch_cl":
        import copy
        last = torch.channels_last
        runs[name] = torch_engine([copy.deepcopy(s).to(memory_format=last) for s in stages],
                                  [tuple(t.contiguous(memory_format=last) if t.dim() == 4 else t for t in given) for given in inputs])
    elif name == "torch_frozen":
        with torch.no_grad():
            runs[name] = torch_engine([torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(s, given, check_trace=False).eval()))
                                       for s, given in zip(stages, inputs)], inputs)
    elif name == "ort":
        runs[name] = ort_engine()
    else:
        runs[name] = openvino_engine({"openvino": "f32", "openvino_bf16": None}[name])

errors = {}
for name, run in runs.items():  # once to warm up and to see that it computes the same
    errors[name] = max(float(np.linalg.norm(np.asarray(a, dtype=np.float64) - b.double().numpy()) / b.double().norm()) for a, b in zip(run(), want))
times = {name: [] for name in ["munet", *runs]}
for _ in range(args.rounds):
    times["munet"].append(munet_ms())
    for name, run in runs.items():
        start = time.perf_counter()
        run()
        times[name].append(1e3 * (time.perf_counter() - start))

medians = {name: statistics.median(t) for name, t in times.items()}
print(f"{args.preset} {args.size}, {args.objects} objects, {args.frames} memory frames, {args.threads} threads, median of {args.rounds} interleaved rounds")
for name, ms in medians.items():
    print(f"  {name:14s} {ms:8.1f} ms  min {min(times[name]):8.1f}  {ms / medians['munet']:5.2f} x munet" +
          (f"  error against eager {errors[name]:.0e}" if name in errors else ""))
exact = {name: ms for name, ms in medians.items() if name != "munet" and errors[name] < 1e-3}
if exact:
    best = min(exact, key=exact.get)
    print(f"  munet is {exact[best] / medians['munet']:.2f} times as fast as the best f32 peer, {best}")
if args.table:
    with open(args.table, "a") as f:
        if f.tell() == 0:
            f.write("| preset, size, objects, threads | " + " | ".join(f"{name}, ms" for name in medians) + " | best f32 peer / munet |\n|---|" + "---:|" * (len(medians) + 1) + "\n")
        best = f"{exact[best] / medians['munet']:.2f}" if exact else ""
        f.write(f"| {args.preset}, {args.size}, {args.objects}, {args.threads} | " + " | ".join(f"{ms:.0f}" for ms in medians.values()) + f" | {best} |\n")
