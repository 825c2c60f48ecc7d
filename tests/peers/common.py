"""What the comparisons with PyTorch share: their options, the reference's network, how many threads."""
import argparse
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def options(size, frames, more=()):
    """The command line; torch and munet_reference can be imported afterwards, not before: the threads are set here."""
    ap = argparse.ArgumentParser()
    ap.add_argument("--preset", default="munet18")
    ap.add_argument("--size", default=size)
    ap.add_argument("--objects", type=int, default=1)
    ap.add_argument("--frames", type=int, default=frames)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--munet", default=os.path.join(ROOT, "build/release/munet"))
    ap.add_argument("--reference", default=os.path.join(ROOT, "../shared/reference"))
    for name, keys in more:
        ap.add_argument(name, **keys)
    args = ap.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    sys.dont_write_bytecode = True
    sys.path.insert(0, args.reference)
    import torch
    torch.set_num_threads(args.threads)
    return args
