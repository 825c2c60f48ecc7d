"""Records training.safetensors: ten steps of the reference with PyTorch's AdamW.

    record_training.py [REFERENCE [DIR]]        folder of munet_reference.py, default ../shared/reference beside the repository; DIR to write to
Computed in f64 from the counter weights of record.py, rounded to f32 when stored.
clips U8 [3,3,48,64,3], masks U8 [3,3,48,64]: three clips of three frames with objects 1 and 2; step i sees clip i mod 3.
Per variant (recurrent, ref_only): losses [10], norms [10] (of the gradient before clipping) and
`decoder.pred.weight` after the tenth step, PyTorch's layout. Two groups: encoders at 0.3 of the learning rate 5e-6; weight decay 1e-3; clipping at 5.
"""
import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../../shared/reference")
OUT = sys.argv[2] if len(sys.argv) > 2 else HERE
sys.path[:0] = [HERE, REFERENCE]
import munet_reference as R
import record as base
base.R = R

HEIGHT, WIDTH, FRAMES, CLIPS, STEPS = 48, 64, 3, 3, 10


def clips():
    """Patterns that drift; two discs that move against each other, the second hides the first."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    frames, masks = np.zeros((CLIPS, FRAMES, HEIGHT, WIDTH, 3), np.uint8), np.zeros((CLIPS, FRAMES, HEIGHT, WIDTH), np.uint8)
    for k in range(CLIPS):
        for t in range(FRAMES):
            u, v = x - (2 + k) * t, y + 1.5 * t
            image = np.stack([0.5 + 0.25 * np.sin((0.3 + 0.1 * k) * u + 0.2 * v + c) for c in range(3)], -1)
            for i, (cx, cy, r, color) in enumerate([(20 + 3 * t, 20 + k, 11, (0.9, 0.2, 0.1 * k)), (40 - 4 * t, 28 - 2 * k, 9, (0.1, 0.3 * k, 0.8))], 1):
                inside = (x - cx) ** 2 + (y - cy) ** 2 < r * r
                image[inside] = 0.3 * image[inside] + 0.7 * np.array(color)
                masks[k, t][inside] = i
            image += 0.1 * (base.uniform(77 + 10 * k + t, image.size).reshape(image.shape) - 0.5)
            frames[k, t] = np.clip(np.rint(image * 255), 0, 255)
    return frames, masks


def roll_out(net, rgb, labels, recurrent):
    x, _ = net.prepare(rgb)
    queries = [net.encode_query(x[t:t + 1]) for t in range(len(x))]
    masks = torch.stack([(labels[0] == j).to(x.dtype) for j in (1, 2)])[:, None]
    keys, values, loss = [], [], 0
    for t in range(1, len(x)):
        if recurrent or t == 1:
            key, value = net.memorize(x[t - 1:t], masks)
            keys.append(key[:, :, None]), values.append(value[:, :, None])
        logits = R.soft_aggregate(net.segment(queries[t], queries[t - 1], torch.cat(keys, 2), torch.cat(values, 2)))
        loss = loss + R.munet_loss(logits, labels[t:t + 1]) / (len(x) - 1)
        masks = logits.softmax(1)[0, 1:, None]
    return loss


def train(frames, masks, recurrent, dtype=torch.float64):
    net = base.fill(R.MUNet(R.munet18()), gain=base.GAIN, pred_shift=base.PRED_SHIFT["resnet18"]).to(dtype)
    parts = {True: [], False: []}
    for name, p in net.named_parameters():
        parts[name.startswith("encoder_")].append(p)
    optimiser = torch.optim.AdamW([dict(params=parts[False], lr=5e-6), dict(params=parts[True], lr=1.5e-6)], weight_decay=1e-3)
    losses, norms = [], []
    for step in range(STEPS):
        rgb = torch.from_numpy(frames[step % CLIPS]).permute(0, 3, 1, 2).to(dtype) / 255
        loss = roll_out(net, rgb, torch.from_numpy(masks[step % CLIPS]).long(), recurrent)
        optimiser.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0))
        optimiser.step()
        losses.append(loss.detach())
        print(f"{'recurrent' if recurrent else 'ref_only'} step {step}: {float(losses[-1]):.6f} norm {float(norms[-1]):.3f}")
    return net, torch.stack(losses), torch.stack(norms)


torch.set_num_threads(1)
frames, masks = clips()
out = dict(clips=frames, masks=masks)
for name in ("recurrent", "ref_only"):
    net, losses, norms = train(frames, masks, name == "recurrent")
    single = train(frames, masks, name == "recurrent", torch.float32)[1].double()
    print(f"{name}: f32 against f64 {float(((single - losses) / losses).abs().max()):.1e}")   # the test's tolerance must be above
    out.update({f"{name}/losses": losses, f"{name}/norms": norms, f"{name}/decoder.pred.weight": net.decoder.pred.weight})
base.save(os.path.join(OUT, "training.safetensors"), out, {})
