#!/usr/bin/env python3
"""Training end to end in munet and in PyTorch, side by side: reading, augmentation, step; clips of 3 frames 256x256 of the same data.

    train_throughput.py --data SHARED/data [--rounds 3] [--seconds 20] [--threads 2] [--munet build/release/munet]
                        [--bootstrap ../shared/reference/train_bootstrap.py]

The peer is the reference's train_bootstrap.py as it stands. Each round runs munet, then the peer, each from a fresh start for so many
seconds of training; starting up counts for neither. Per run: clips per second; for munet also the share of time that the step waited
for the loader. Medians at the end. Both draw 65 % of clips from DAVIS-2016-train and 35 % from all stills, one or two objects.
"""
import argparse
import csv
import glob
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
ap = argparse.ArgumentParser()
ap.add_argument("--data", required=True)
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--seconds", type=float, default=20)
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--munet", default=os.path.join(ROOT, "build/release/munet"))
ap.add_argument("--bootstrap", default=os.path.join(ROOT, "../shared/reference/train_bootstrap.py"))
args = ap.parse_args()
TRUNK = os.path.join(os.path.dirname(args.bootstrap), "../weights/resnet18-imagenet-trunk.safetensors")


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def munet(out):
    stills = sorted(glob.glob(os.path.join(args.data, "static/*/")))
    parts = ["davis:%s,list=2016/train,share=65" % os.path.join(args.data, "davis2016")]
    parts += ["stills:%s,share=%g" % (folder.rstrip("/"), 35 / len(stills)) for folder in stills]
    run([args.munet, "train", out, "--preset", "ours", "--init", TRUNK, "--threads", str(args.threads), "--log-every", "1",
         "--save-every", "1000000", "--set", "ema=0", "--minutes", str((args.seconds + 1) / 60), *[x for part in parts for x in ("--data", part)]])
    with open(os.path.join(out, "log.csv")) as file:
        rows = list(csv.DictReader(file))
    seconds = float(rows[-1]["seconds"])
    waited = sum(float(row["waiting"]) / float(row["clips_per_second"]) for row in rows)
    return len(rows) / seconds, waited / seconds


def peer(out):
    import torch
    run([sys.executable, "-W", "ignore", args.bootstrap, out, "--minutes", str(args.seconds / 60), "--crop", "256", "--threads", str(args.threads)])
    last = torch.load(os.path.join(out, "last.pt"))
    return last["step"] / last["spent"]


ours, waiting, theirs = [], [], []
for i in range(args.rounds):
    with tempfile.TemporaryDirectory() as folder:
        rate, waited = munet(os.path.join(folder, "munet"))
        ours.append(rate)
        waiting.append(waited)
        theirs.append(peer(os.path.join(folder, "peer")))
    print(f"round {i + 1}: munet {ours[-1]:.3f} clips/s, {100 * waiting[-1]:.2f} % waiting; train_bootstrap.py {theirs[-1]:.3f} clips/s", flush=True)
a, b = statistics.median(ours), statistics.median(theirs)
print(f"median of {args.rounds} rounds, {args.threads} threads: munet {a:.3f} clips/s, {100 * statistics.median(waiting):.2f} % of the time waiting for the "
      f"loader; train_bootstrap.py {b:.3f} clips/s; {a / b:.2f} x")
