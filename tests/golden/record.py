#!/usr/bin/env python3
"""Record the golden values of the C++ tests from the PyTorch reference (PyTorch >= 1.13, NumPy).

    record.py [--reference DIR] [--out DIR]     DIR of munet_reference.py, default ../shared/reference beside the repository;
                                                DIR to write to, default: this file's
Writes layers.safetensors and networks.safetensors. A second run gives the same bytes, another PyTorch the same to the last bit or two.

Everything is computed in f64 from inputs that were first rounded to f32, and rounded to f32 when stored: a golden value is then
right to the last bit, whichever PyTorch wrote it, and a test's tolerance is for the tested code alone.
All tensors are F32 (labels, frames, ids: U8), row-major, PyTorch's layout: activations [n,c,h,w], conv weights [o,c,kh,kw].
No two sizes of a case are equal where the operation allows it, and no free size is 1: a swapped axis cannot pass.

LAYERS: tensors are `<case>/<tensor>`. gy is the gradient that arrives at y; g<t> is the gradient of sum(gy*y) with respect to t.
A scalar has shape [1], and the gradient that arrives at a scalar loss is 1.

case                         tensors
conv7x7_s2_p3                x [2,3,13,18]  w [5,3,7,7]   b [5]  y [2,5,7,9]   gy gx gw gb      stride 2, padding 3
conv7x7_s1_p3                x [2,3,9,11]   w [4,3,7,7]   b [4]  y [2,4,9,11]  gy gx gw gb
conv3x3_s1_p1                x [2,4,7,9]    w [5,4,3,3]   b [5]  y [2,5,7,9]   gy gx gw gb
conv3x3_s1_p1_wide           x [2,17,5,6]   w [19,17,3,3] b [19] y [2,19,5,6]  gy gx gw gb      channels past 16
conv3x3_s2_p1                x [2,4,9,12]   w [7,4,3,3]   b [7]  y [2,7,5,6]   gy gx gw gb      odd and even input size
conv1x1_s1                   x [2,5,7,9]    w [4,5,1,1]   b [4]  y [2,4,7,9]   gy gx gw gb
conv1x1_s2                   x [2,6,7,10]   w [3,6,1,1]   b [3]  y [2,3,4,5]   gy gx gw gb
batch_norm_eval              x [2,3,5,4] gamma beta mean var [3] y gy gx ggamma gbeta           running statistics, eps 1e-5
batch_norm_train             the same, plus new_mean new_var [3]: the running statistics after the step (momentum 0.1, unbiased
                             variance); mean and var are those before it; y from the batch's own (biased) statistics
max_pool                     x [2,3,9,14] y [2,3,5,7] gy gx                                     3x3, stride 2, padding 1
max_pool_ties                the same on x = relu(x): among equals the first in row-major order gets the gradient
bilinear_{half,corners}_{x2,x4,odd}   x [2,3,4,5] y gy gx     half: align_corners=false; sizes 8x10, 16x20, 7x13
nearest_up, nearest_down     x [2,3,4,5] y [2,3,7,13]; x [2,3,9,14] y [2,3,5,6]                 source = floor(i*in/out)
antialias_down               x [2,3,13,18] y [2,3,5,7]       triangle filter widened by the scale (§1, frames), align_corners=false
softmax, log_softmax         x [2,5,3,4] y gy gx                                                over channels
normalize                    x [2,5,3,4] y gy gx             x / max(||x||, 1e-6) over channels
normalize_tiny               the same with every norm below 1e-6, pixel (0,0) exactly 0: y = x*1e6, gx = gy*1e6
bootstrap_ce_40, _100        logits [1,4,6,7] label [1,6,7] U8; loss [1] glogits                keep .4 (16 of 42 pixels), 1
mask_iou                     prob [1,4,6,7] label [1,6,7] U8; loss [1] gprob                    object 3 is absent from the label
mask_iou_none                the same with an empty label: loss 0, gradient 0
munet_loss                   logits [1,4,6,7] label U8; loss [1] glogits                        bootstrap .4 + mask-IoU of softmax(logits)
soft_aggregate               z [3,1,5,7] logits [1,4,5,7] prob [1,4,5,7] glogits_in gz          glogits_in arrives at logits; row 0 of
                             z holds +-8, +-20, +-40, +-100 alone and together: clamps and log-odds must hold
match_zero_m1_t1_w25, match_zero_p1_t.05_w5, match_exclude_p1_t.05_w25, match_exclude_p1_t.05_w5, match_exclude_m1_t1_w5
                             name: border, mu_sign, mu_tau, window. f_t f_prev [2,6,5,7] unit-norm over channels (what follows reduce
                             and normalise); displacement [2,2,5,7] (x, y; in cells, not divided by mu_scale) peak [2,1,5,7];
                             gdisplacement_in gpeak_in arrive there; gf_t gf_prev with respect to the normalised maps
cost_volume_w5               f_t f_prev [2,6,5,7] y [2,25,5,7] 0 outside the frame; hypothesis (v, u) row-major; gy gf_t gf_prev
memory_read_all              mem_key [2,4,11] mem_value [2,5,11] query_key [1,4,6,7] y [2,5,6,7]; gy gmem_key gmem_value gquery_key
memory_read_top3             the same with top_k 3
memory_read_top3_ties        top_k 3; keys and query are small integers (exact in f32) and memory positions repeat: ties are kept
basic_block, bottleneck      the parameters under the reference's names (conv1.weight, bn1.running_var, downsample.0.weight ...);
                             x [2,4,9,12] y [2,6,5,6]; x [2,5,7,10] y [2,12,4,5]; stride 2, BN evaluated with running statistics;
                             gy gx and g.<parameter> for each (not the running statistics)
res_block                    ResBlock(4 -> 6): parameters, x [2,4,5,7] y [2,6,5,7] gy gx g.<parameter>
refine                       Refine(5, 4): parameters, skip [1,5,6,10] prev [2,4,3,5] y [2,4,6,10] gy gskip gprev g.<parameter>
adamw                        param [3,5] (before) grads [10,3,5] params [10,3,5] (after each step); lr 2e-2, weight decay .5,
                             betas .9 .999, eps 1e-8
clip_grad_norm, _below       g0 [3,5] g1 [4,2] max_norm [1] norm [1] (before) c0 c1 (after); _below: nothing to clip

NETWORKS: run_video over 5 frames, 2 objects, memory_every = 2 (with fewer frames, or 5, every schedule would read alike).
frames U8 [5,37,53,3] (input = u8/255), first_ids U8 [37,53] (ids 0, 1, 2). Per variant `<variant>/P<t>`: P [3,37,53] of frame t,
channel = background, object 1, object 2. `munet18` has P3 and P4, the others P4 (the last). The variant's keys are in the
file's metadata under its name, as a checkpoint has them. A variant is `munet18` and what its name says; at this size the 1/16 map is
3x4, where window 7 and `exclude` reach as far as 25 and where mu_tau .05 hides the border, hence the joint variants.
Weights come from a counter, not from a file. In unsigned 64-bit arithmetic, doubles where not integer:
    z = seed + (i+1)*0x9E3779B97F4A7C15; z = (z^(z>>30))*0xBF58476D1CE4E5B9; z = (z^(z>>27))*0x94D049BB133111EB; bits = z^(z>>31)
    u(seed, i) = (bits >> 11) * 2^-53;  s = 2u - 1;  seed = fnv1a64(tensor's name in the state dict);  i = flat index, PyTorch's layout
    conv weight  s*sqrt(3)*sqrt(1.6/fan_in), fan_in = c*kh*kw        conv bias                 s*sqrt(3)*0.05
    BN weight    0.6 + 0.5*u                                         BN bias and running_mean  s*sqrt(3)*0.1
    running_var  0.7 + 0.6*u
A 1-d tensor belongs to a BN if its name with the last part replaced by `running_mean` exists. Then, still in f64, times GAIN for each key
that occurs in the name, plus PRED_SHIFT[backbone] on decoder.pred.bias[0]; then rounded to f32. Gains and shift are there so that P is neither
saturated nor constant, and so that masks, motion and attention are seen in P (measured: swapping the displacement's axes moves P by more than
1e-2 relative; f32 instead of f64 by about 1e-6).
"""
import argparse
import json
import os
import struct
import sys
from dataclasses import asdict

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
GAIN = {"conv1_m": 5.0, "conv1_o": 5.0, "mu_layer.motion": 1.4, "msam": 3.0, ".key.": 0.6, "decoder.pred.weight": 0.3}
PRED_SHIFT = {"resnet18": 4.5, "resnet50": 1.2}
EVERY, FRAMES, HEIGHT, WIDTH = 2, 5, 37, 53


# ---------------------------------------------------------------- numbers and files
def fnv1a64(text):
    h = 0xCBF29CE484222325
    for b in text.encode():
        h = (h ^ b) * 0x100000001B3 % 2 ** 64
    return h


def uniform(seed, count):
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0 ** -53


def to_f32(x):
    """f64 tensor whose values f32 holds exactly: what is stored is what is computed with."""
    return x.detach().to(torch.float32).to(torch.float64)


def noise(name, *shape):
    """Unit variance, from the counter: the same on every PyTorch."""
    return to_f32(torch.from_numpy(3 ** 0.5 * (2 * uniform(fnv1a64(name), int(np.prod(shape))) - 1)).reshape(shape))


def save(path, tensors, metadata):
    """safetensors. F32 first, so that the U8 tensors leave it aligned."""
    arrays = {k: (v if isinstance(v, np.ndarray) else v.detach().to(torch.float32).numpy()) for k, v in tensors.items()}
    head, blobs, off = {"__metadata__": metadata}, [], 0
    for name, v in sorted(arrays.items(), key=lambda kv: kv[1].dtype != np.float32):
        raw = np.ascontiguousarray(v).tobytes()
        head[name] = {"dtype": {"float32": "F32", "uint8": "U8"}[str(v.dtype)], "shape": list(v.shape), "data_offsets": [off, off + len(raw)]}
        off += len(raw)
        blobs.append(raw)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    print(f"{os.path.basename(path)}: {len(arrays)} tensors, {os.path.getsize(path)} bytes")


# ---------------------------------------------------------------- layers
class Layers:
    def __init__(self):
        self.out = {}

    def put(self, case, **tensors):
        for k, v in tensors.items():
            v = v.reshape(1) if v.ndim == 0 else v
            assert isinstance(v, np.ndarray) or bool(torch.isfinite(v).all()), (case, k)
            self.out[f"{case}/{k}"] = v

    def case(self, name, f, inputs, y="y", frozen=()):
        """Runs f(**inputs), sends gy (1 if f is a scalar) back, stores inputs, result and gradients (except of `frozen` inputs)."""
        leaf = {k: to_f32(v).requires_grad_(k not in frozen) for k, v in inputs.items()}
        out = f(**leaf)
        gy = torch.ones_like(out) if out.ndim == 0 else noise(name + "/gy", *out.shape)
        out.backward(gy)
        self.put(name, **leaf, **{y: out}, **({} if out.ndim == 0 else {"gy": gy}), **{"g" + k: v.grad for k, v in leaf.items() if k not in frozen})

    def module(self, name, module, **inputs):
        """A module of the reference with counter weights (BN evaluated with running statistics)."""
        module = fill(module, name + "/").double()
        leaf = {k: v.requires_grad_() for k, v in inputs.items()}
        y = module(*leaf.values())
        gy = noise(name + "/gy", *y.shape)
        y.backward(gy)
        self.put(name, **leaf, y=y, gy=gy, **{"g" + k: v.grad for k, v in leaf.items()}, **R.state(module),
                 **{"g." + k: p.grad for k, p in module.named_parameters()})


def layers():
    L = Layers()
    for name, xs, ws, stride in [("conv7x7_s2_p3", (2, 3, 13, 18), (5, 3, 7, 7), 2), ("conv7x7_s1_p3", (2, 3, 9, 11), (4, 3, 7, 7), 1),
                                 ("conv3x3_s1_p1", (2, 4, 7, 9), (5, 4, 3, 3), 1), ("conv3x3_s1_p1_wide", (2, 17, 5, 6), (19, 17, 3, 3), 1),
                                 ("conv3x3_s2_p1", (2, 4, 9, 12), (7, 4, 3, 3), 2), ("conv1x1_s1", (2, 5, 7, 9), (4, 5, 1, 1), 1),
                                 ("conv1x1_s2", (2, 6, 7, 10), (3, 6, 1, 1), 2)]:
        L.case(name, lambda x, w, b: F.conv2d(x, w, b, stride, ws[2] // 2),
               dict(x=noise(name + "/x", *xs), w=noise(name + "/w", *ws) * 0.2, b=noise(name + "/b", ws[0])))

    for name, training in [("batch_norm_eval", False), ("batch_norm_train", True)]:
        new = {}

        def batch_norm(x, gamma, beta, mean, var):
            new.update(new_mean=mean.clone(), new_var=var.clone())        # updated in place when training
            return F.batch_norm(x, new["new_mean"], new["new_var"], gamma, beta, training, 0.1, 1e-5)
        stats = {k: noise(name + "/" + k, 3) for k in ("gamma", "beta", "mean", "var")}
        stats["var"], stats["gamma"] = 1 + 0.3 * stats["var"], 1 + 0.3 * stats["gamma"]
        L.case(name, batch_norm, dict(x=noise(name + "/x", 2, 3, 5, 4) * 2 + 0.5, **stats), frozen=("mean", "var"))
        if training:
            L.put(name, **new)

    pool = lambda x: F.max_pool2d(x, 3, 2, 1)
    L.case("max_pool", pool, dict(x=noise("max_pool/x", 2, 3, 9, 14)))
    L.case("max_pool_ties", pool, dict(x=F.relu(noise("max_pool_ties/x", 2, 3, 9, 14) - 1)))     # 4 of 5 are 0: windows full of ties

    for mode, corners in [("half", False), ("corners", True)]:
        for to, how in [("x2", dict(scale_factor=2)), ("x4", dict(scale_factor=4)), ("odd", dict(size=(7, 13)))]:
            name = f"bilinear_{mode}_{to}"
            L.case(name, lambda x: F.interpolate(x, mode="bilinear", align_corners=corners, **how), dict(x=noise(name + "/x", 2, 3, 4, 5)))
    for name, shape, size, how in [("nearest_up", (4, 5), (7, 13), dict(mode="nearest")), ("nearest_down", (9, 14), (5, 6), dict(mode="nearest")),
                                   ("antialias_down", (13, 18), (5, 7), dict(mode="bilinear", antialias=True, align_corners=False))]:
        x = noise(name + "/x", 2, 3, *shape)
        L.put(name, x=x, y=F.interpolate(x, size=size, **how))

    for name, f in [("softmax", lambda x: x.softmax(1)), ("log_softmax", lambda x: x.log_softmax(1)), ("normalize", lambda x: F.normalize(x, dim=1, eps=1e-6))]:
        L.case(name, f, dict(x=noise(name + "/x", 2, 5, 3, 4) * 2))
    tiny = noise("normalize_tiny/x", 2, 5, 3, 4) * 1e-8
    tiny[0, :, 0, 0] = 0
    L.case("normalize_tiny", lambda x: F.normalize(x, dim=1, eps=1e-6), dict(x=tiny))

    def label(name, classes):
        return torch.from_numpy((uniform(fnv1a64(name), 42) * classes).astype(np.int64)).reshape(1, 6, 7)

    for name, key, f, classes in [("bootstrap_ce_40", "logits", lambda v, t: R.bootstrap_ce(v, t, 0.4), 4), ("bootstrap_ce_100", "logits", lambda v, t: R.bootstrap_ce(v, t, 1.0), 4),
                                  ("mask_iou", "prob", R.mask_iou_loss, 3), ("mask_iou_none", "prob", R.mask_iou_loss, 1), ("munet_loss", "logits", R.munet_loss, 4)]:
        t = label(name + "/label", classes)
        v = noise(f"{name}/{key}", 1, 4, 6, 7) * 2
        L.case(name, lambda **k: f(k[key], t), {key: v.softmax(1) if key == "prob" else v}, y="loss")
        L.put(name, label=t.to(torch.uint8).numpy())

    z = noise("soft_aggregate/z", 3, 1, 5, 7) * 4
    for i, v in enumerate([8, -8, 20, -20, 40, -40, -100]):
        z[0, 0, 0, i] = v
        if i % 2:
            z[1:, 0, 0, i] = v              # all objects far below 0: the background is certain
    z[1, 0, 0, 0] = z[2, 0, 0, 6] = 100     # two certain objects; one certain, one impossible
    z = z.requires_grad_()
    logits = R.soft_aggregate(z)
    g = noise("soft_aggregate/glogits_in", *logits.shape)
    logits.backward(g)
    L.put("soft_aggregate", z=z, logits=logits, prob=logits.softmax(1), glogits_in=g, gz=z.grad)

    match(L)

    bank = dict(mem_key=(2, 4, 11), mem_value=(2, 5, 11), query_key=(1, 4, 6, 7))
    for name, top_k in [("memory_read_all", 0), ("memory_read_top3", 3), ("memory_read_top3_ties", 3)]:
        inputs = {k: noise(f"{name}/{k}", *s) for k, s in bank.items()}
        if name.endswith("ties"):
            for k in ("mem_key", "query_key"):
                inputs[k] = inputs[k].round()
            inputs["mem_key"][:, :, 7:] = inputs["mem_key"][:, :, :4]
        L.case(name, lambda **k: R.memory_read(k["mem_key"], k["mem_value"], k["query_key"], top_k), inputs)

    L.module("basic_block", R.BasicBlock(4, 6, 2), x=noise("basic_block/x", 2, 4, 9, 12))
    L.module("bottleneck", R.Bottleneck(5, 3, 2), x=noise("bottleneck/x", 2, 5, 7, 10))
    L.module("res_block", R.ResBlock(4, 6), x=noise("res_block/x", 2, 4, 5, 7))
    L.module("refine", R.Refine(5, 4), skip=noise("refine/skip", 1, 5, 6, 10), prev=noise("refine/prev", 2, 4, 3, 5))

    start, grads = noise("adamw/param", 3, 5), noise("adamw/grads", 10, 3, 5)
    grads[:, 0, 0] = 0                      # decay alone must still move a parameter without gradient
    p = start.clone().requires_grad_()
    opt, after = torch.optim.AdamW([p], lr=2e-2, weight_decay=0.5), []
    for g in grads:
        p.grad = g.clone()
        opt.step()
        after.append(p.detach().clone())
    L.put("adamw", param=start, grads=grads, params=torch.stack(after))

    for name, limit in [("clip_grad_norm", 2.5), ("clip_grad_norm_below", 100.0)]:
        g0, g1 = noise(name + "/g0", 3, 5), noise(name + "/g1", 4, 2)
        ps = [torch.zeros_like(g).requires_grad_() for g in (g0, g1)]
        for q, g in zip(ps, (g0, g1)):
            q.grad = g.clone()
        norm = torch.nn.utils.clip_grad_norm_(ps, limit)
        L.put(name, g0=g0, g1=g1, max_norm=torch.tensor(limit), norm=norm, c0=ps[0].grad, c1=ps[1].grad)
    return L.out


def match(L):
    """MULayer.match without its 1x1 reduction. It normalises its (already unit-norm) inputs once more, so the gradient is read where
    the normalised maps enter cost_volume: a spy there keeps it."""
    maps = {k: to_f32(F.normalize(noise("match/" + k, 2, 6, 5, 7), dim=1)) for k in ("f_t", "f_prev")}
    L.case("cost_volume_w5", lambda f_t, f_prev: R.cost_volume(f_t, f_prev, 5)[0], maps)
    original = R.cost_volume
    for border, sign, tau, window in [("zero", -1, 1, 25), ("zero", 1, 0.05, 5), ("exclude", 1, 0.05, 25), ("exclude", 1, 0.05, 5), ("exclude", -1, 1, 5)]:
        name = f"match_{border}_{'m1' if sign < 0 else 'p1'}_t{str(tau).lstrip('0')}_w{window}"
        layer = R.MULayer(R.Config(border=border, mu_sign=sign, mu_tau=tau, window=window), 8)
        layer.reduce = torch.nn.Identity()
        seen = []

        def spy(a, p, w):
            for v in (a, p):
                v.retain_grad()
            seen.extend((a, p))
            return original(a, p, w)
        R.cost_volume = spy
        try:
            disp, peak = layer.match(*(v.clone().requires_grad_() for v in maps.values()))
        finally:
            R.cost_volume = original
        gd, gp = noise(name + "/gd", *disp.shape), noise(name + "/gp", *peak.shape)
        torch.autograd.backward([disp, peak], [gd, gp])
        L.put(name, **maps, displacement=disp, peak=peak, gdisplacement_in=gd, gpeak_in=gp, gf_t=seen[0].grad, gf_prev=seen[1].grad)


# ---------------------------------------------------------------- whole networks
def fill(net, prefix="", gain=None, pred_shift=0.0):
    state = R.state(net)
    for name, t in state.items():
        v = uniform(fnv1a64(prefix + name), t.numel())
        s = (2 * v - 1) * 3 ** 0.5
        is_bn = name.rsplit(".", 1)[0] + ".running_mean" in state
        if name.endswith("running_var"):
            v = 0.7 + 0.6 * v
        elif is_bn:
            v = 0.6 + 0.5 * v if name.endswith("weight") else s * 0.1
        else:
            v = s * (1.6 / t[0].numel()) ** 0.5 if t.ndim == 4 else s * 0.05
        for key, g in (gain or {}).items():
            v = v * g if key in name else v
        if name == "decoder.pred.bias":
            v[0] += pred_shift
        t.copy_(torch.from_numpy(v.astype(np.float32)).reshape(t.shape))
    return net.eval()


def video():
    """A pattern that drifts by (2.3, 1.1) pixels a frame under fixed noise; two objects that touch, one of them in two pieces."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    frames = []
    for t in range(FRAMES):
        u, v = x - 2.3 * t, y - 1.1 * t
        image = np.stack([0.5 + 0.25 * np.sin(0.31 * u + 0.17 * v + c) + 0.2 * np.sin(-0.12 * u + 0.43 * v + 2 * c) * np.cos(0.05 * c * u) for c in range(3)], -1)
        image += 0.08 * (uniform(1000 + t, image.size).reshape(image.shape) - 0.5)
        frames.append(np.clip(np.rint(image * 255), 0, 255).astype(np.uint8))
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[5:19, 6:27] = 1
    ids[16:33, 30:47] = 2
    ids[(y - 22) ** 2 + (x - 30) ** 2 < 40] = 1
    return np.stack(frames), ids


def run(cfg, frames, ids, dtype):
    net = fill(R.MUNet(cfg), gain=GAIN, pred_shift=PRED_SHIFT[cfg.backbone]).to(dtype)
    rgb = [torch.from_numpy(f).permute(2, 0, 1)[None].to(dtype) / 255 for f in frames]
    masks = torch.from_numpy(np.stack([ids == 1, ids == 2]))[:, None].to(dtype)
    return R.run_video(net, rgb, masks, EVERY)


def networks():
    frames, ids = video()
    out, keys, last = {}, {"memory_every": str(EVERY)}, {}
    small = [{}, dict(ref_extra="others"), dict(ref_extra="inverse"), dict(share_kv=True), dict(motion="displacement"), dict(motion="none"), dict(fusion="add"),
             dict(window=3), dict(mu_sign=-1.0), dict(mu_tau=1.0), dict(mu_scale=1.0), dict(border="zero", mu_tau=1.0),
             dict(window=7, border="zero", mu_tau=1.0), dict(top_k=5), dict(pad_order="normalise_then_pad")]
    variants = [("munet50", R.Config())] + [("munet18" + ("/" if kw else "") + ",".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}".lower() for k, v in kw.items()), R.munet18(**kw)) for kw in small]
    for name, cfg in variants:
        P = run(cfg, frames, ids, torch.float64)
        single = run(cfg, frames, ids, torch.float32)[-1].double()
        labels = torch.bincount(P[-1].argmax(0).flatten(), minlength=3)
        spread = P[-1].flatten(1).std(1)
        print(f"{name:42s} P {float(P[-1].min()):.4f}..{float(P[-1].max()):.4f} spread {[round(float(s), 3) for s in spread]} labels {labels.tolist()} "
              f"f32 against f64 {float((single - P[-1]).norm() / P[-1].norm()):.0e}")
        assert labels.min() > 20 and spread.min() > 0.1, name
        assert ((P[-1] > 0.05) & (P[-1] < 0.95)).double().mean() > 0.2, name          # not saturated
        for other, q in last.items():                                                  # each key's value must be seen in P
            assert float((q - P[-1]).norm() / P[-1].norm()) > 1e-3, (name, other)
        last[name] = P[-1]
        keys[name] = json.dumps({"format": 1, **asdict(cfg)})
        for t in (FRAMES - 2, FRAMES - 1) if name == "munet18" else (FRAMES - 1,):
            out[f"{name}/P{t}"] = P[t]
    out.update(frames=frames, first_ids=ids)
    return out, keys


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--reference", default=os.path.join(HERE, "../../../shared/reference"))
    ap.add_argument("--out", default=HERE)
    args = ap.parse_args()
    sys.dont_write_bytecode = True          # the reference's folder may be read-only, and is not ours to write to
    sys.path.insert(0, args.reference)
    import munet_reference as R
    torch.set_num_threads(1)
    save(os.path.join(args.out, "layers.safetensors"), layers(), {"source": "munet_reference.py"})
    save(os.path.join(args.out, "networks.safetensors"), *networks())
