#!/usr/bin/env python3
"""The PyTorch reference on a folder of frames: the oracle for free-running checks of the C++ program.

    reference_video.py FRAMES FIRST_MASK WEIGHTS OUT [--truth DIR] [--reference DIR] [--memory-every 5] [--threads 1]
FRAMES: folder of JPEG or PNG files, in the order of their names; the first belongs to FIRST_MASK (palette or grey PNG of ids; values
{0,255} only: one object, written back as 255; otherwise 255 is void). Writes OUT/<frame>.png with the mask's ids and palette.
--truth: also prints J per object and writes it to OUT/j.txt: IoU (1 if both are empty), mean over the frames of DIR except the video's
first and last, as DAVIS scores. Works at the frames' own size; all objects go through the network as one batch.
"""
import argparse
import os
import sys
import time

import numpy as np
import torch
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def listed(folder):
    return sorted(f for f in os.listdir(folder) if f.lower().endswith((".jpg", ".jpeg", ".png")))


def read_ids(path):
    image = Image.open(path)
    if image.mode not in ("P", "L", "1"):        # a grey mask with alpha or as RGB: its first channel
        image = image.getchannel(0)
    ids = np.array(image.convert("L") if image.mode == "1" else image)
    if not set(np.unique(ids)) <= {0, 255}:
        ids = np.where(ids == 255, 0, ids)
    return ids.astype(np.uint8), image.getpalette() if image.mode == "P" else None


def main():
    ap = argparse.ArgumentParser()
    for name in ("frames", "first_mask", "weights", "out"):
        ap.add_argument(name)
    ap.add_argument("--truth")
    ap.add_argument("--reference", default=os.path.join(HERE, "../../../shared/reference"))
    ap.add_argument("--memory-every", type=int, default=5)
    ap.add_argument("--threads", type=int, default=1)
    args = ap.parse_args()
    sys.dont_write_bytecode = True
    sys.path.insert(0, args.reference)
    import munet_reference as R
    torch.set_num_threads(args.threads)

    names = listed(args.frames)
    first, palette = read_ids(args.first_mask)
    ids = [int(i) for i in np.unique(first) if i]
    frames = [torch.from_numpy(np.array(Image.open(os.path.join(args.frames, f)).convert("RGB"))).permute(2, 0, 1)[None].float() / 255 for f in names]
    masks = torch.from_numpy(np.stack([first == i for i in ids]))[:, None].float()
    assert frames[0].shape[-2:] == masks.shape[-2:], "mask and frames differ in size"

    start = time.time()
    probs = R.run_video(R.load_model(args.weights), frames, masks, args.memory_every)
    print(f"{len(frames)} frames, {len(ids)} objects, {time.time() - start:.1f} s")

    os.makedirs(args.out, exist_ok=True)
    number = np.array([0] + ids, np.uint8)       # channel -> the user's id
    labels = {}
    for f, p in zip(names, probs):
        stem = os.path.splitext(f)[0]
        labels[stem] = number[p.argmax(0).numpy()]
        image = Image.fromarray(labels[stem])
        if palette:
            image.putpalette(palette)
        image.save(os.path.join(args.out, stem + ".png"))

    if args.truth:
        inner = list(labels)[1:-1]
        scored = [s for s in inner if os.path.exists(os.path.join(args.truth, s + ".png"))]
        j = {i: [] for i in ids}
        for s in scored:
            truth, _ = read_ids(os.path.join(args.truth, s + ".png"))
            for i in ids:
                a, b = labels[s] == i, truth == i
                union = (a | b).sum()
                j[i].append((a & b).sum() / union if union else 1.0)
        lines = [f"{i}\t{np.mean(v):.4f}" for i, v in j.items()] + [f"mean\t{np.mean([np.mean(v) for v in j.values()]):.4f}"]
        text = f"id\tJ\t(mean over {len(scored)} frames)\n" + "\n".join(lines) + "\n"
        print(text, end="")
        with open(os.path.join(args.out, "j.txt"), "w") as f:
            f.write(text)


if __name__ == "__main__":
    main()
