#!/usr/bin/env python3
"""How munet's time per frame grows with objects, memory frames, frame size and threads: `munet bench` over a grid.

    sweep.py [--preset munet18] [--rounds 5] [--munet build/release/munet] [--out tests/results/sweep-munet18]

Writes OUT.md (a summary with each slope beside the one that the work predicts, then tables) and OUT.svg (plot). Needs Python only.
Base point: one object, five memory frames, 480x864, all threads. Each round goes through the whole grid, so that a machine
that drifts hurts all points alike, and takes the median of three frames, or one frame where it takes more than a second.
Three rounds of munet18 take about 4 minutes on two cores, of munet50 10.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
ap = argparse.ArgumentParser()
ap.add_argument("--preset", default="munet18")
ap.add_argument("--rounds", type=int, default=3)
ap.add_argument("--quick", action="store_true", help="the ends of each line only: a trial of the script")
ap.add_argument("--munet", default=os.path.join(ROOT, "build/release/munet"))
ap.add_argument("--out")
args = ap.parse_args()
out = args.out or os.path.join(ROOT, "tests/results/sweep-" + args.preset)
os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)

threads = len(os.sched_getaffinity(0))
BASE = {"objects": 1, "frames": 5, "size": "480x864", "threads": threads}
LINES = {
    "objects": [1, 2, 3, 4, 6, 8, 10],
    "frames": [1, 5, 10, 20, 35, 50],
    "size": ["240x432", "352x624", "480x864", "720x1280", "1088x1920"],
    "threads": sorted({1, 2, 4, 8, threads} & set(range(1, threads + 1))),
}
if args.quick:
    LINES = {"objects": [1, 2], "frames": [1, 5], "size": ["240x432", "480x864"], "threads": sorted({1, threads})}
TITLES = {"objects": "objects", "frames": "memory frames", "size": "megapixels", "threads": "threads"}


def x_of(name, value):
    return eval(value.replace("x", "*")) / 1e6 if name == "size" else value


def bench(point, frames):
    options = [part for key, value in point.items() for part in ("--" + key, str(value))]
    run = subprocess.run([args.munet, "bench", "--preset", args.preset, "--rounds", str(frames), "--json", *options], check=True, capture_output=True, text=True)
    result = json.loads(run.stdout)
    result["gmac"] = sum(stage["gmac"] for stage in result["stages"] if stage["name"] != "frame")
    return result


def slope(xs, ys):
    """Least squares."""
    mx, my = statistics.mean(xs), statistics.mean(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)


points = {json.dumps({**BASE, name: value}) for name, values in LINES.items() for value in values}
runs = {point: [] for point in sorted(points)}
for _ in range(args.rounds):
    for point in runs:
        slow = runs[point] and runs[point][-1]["frame_ms"] > 1000
        runs[point].append(bench(json.loads(point), 1 if slow else 3))


def measured(name, value):
    """ms, GMAC, the stages' ms: medians over the rounds."""
    of = runs[json.dumps({**BASE, name: value})]
    stages = {s["name"]: statistics.median(r["stages"][i]["ms"] for r in of) for i, s in enumerate(of[0]["stages"])}
    return statistics.median(r["frame_ms"] for r in of), of[0]["gmac"], stages


cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
text = [f"# {args.preset}: time per frame as work grows", "",
        f"`tests/peers/sweep.py --preset {args.preset} --rounds {args.rounds}`, {time.strftime('%Y-%m-%d', time.gmtime())}, {cpu}, {threads} threads. "
        f"One frame: encode, memorise the one before, segment; medians. Unless varied: one object, five memory frames, 480x864, {threads} threads.",
        "", f"![plot]({os.path.basename(out)}.svg)", ""]
base_ms, base_work, _ = measured("objects", 1)
intro = len(text)  # where the summary goes
summary = [f"The base point: {base_ms:.0f} ms for {base_work:.1f} GMAC, {2 * base_work / base_ms * 1e3:.0f} GFLOP/s of direct convolution "
           "(Winograd's needs a quarter to a fifth of the multiplications, the memory read all of them: that is why rates differ).", "",
           "| | ms | GMAC | ms at the base point's rate | GFLOP/s | where the ms go |", "|---|---:|---:|---:|---:|---|"]
series = {}
for name, values in LINES.items():
    rows = [measured(name, value) for value in values]
    xs, ms, work = [x_of(name, v) for v in values], [r[0] for r in rows], [r[1] for r in rows]
    series[name] = (xs, ms, work)
    text += [f"| {name} | ms | GMAC | GFLOP/s (direct convolution) |", "|---|---:|---:|---:|"]
    text += [f"| {value} | {t:.0f} | {g:.1f} | {2 * g / t * 1e3:.0f} |" for value, t, g in zip(values, ms, work)]
    if name == "threads":
        text += ["", f"{max(values)} threads are {ms[0] / ms[-1]:.2f} times as fast as one.", ""]
        continue
    b, g = slope(xs, ms), slope(xs, work)
    growing = sorted(rows[-1][2], key=lambda s: rows[0][2][s] - rows[-1][2][s])
    shares = [f"{s} {(rows[-1][2][s] - rows[0][2][s]) / (xs[-1] - xs[0]):.1f}" for s in growing if s != "frame"][:4]
    unit = {"objects": "object", "frames": "memory frame", "size": "megapixel"}[name]
    summary.append(f"| a further {unit} | {b:.1f} | {g:.2f} | {g * base_ms / base_work:.1f} | {2 * g / b * 1e3:.0f} | {', '.join(shares)} |")
    text += ["", f"The line meets 0 at {ms[0] - b * xs[0]:.0f} ms.", ""]
summary += ["", """An object costs its memory encoder, its memory read and its decoder. A memory frame costs only
products of all positions with all (positions^2 x (64 + 256) multiply-adds for keys and values), which no
transform makes fewer, so its rate is that of a matrix product. With the size, convolutions grow in
proportion, and these products with its square: the line bends up."""]
text[intro:intro] = summary + [""]
with open(out + ".md", "w") as f:
    f.write("\n".join(text))

# The plot: one panel per line, measured (dots) and what the work predicts at the base point's rate (dashes).
WIDTH, HEIGHT, PAD = 260, 200, 46
svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(series)} {HEIGHT}" font-family="sans-serif" font-size="10">',
       f'<rect width="{WIDTH * len(series)}" height="{HEIGHT}" fill="white"/>']
for i, (name, (xs, ms, work)) in enumerate(series.items()):
    predicted = [ms[0] / x for x in xs] if name == "threads" else [g * base_ms / base_work for g in work]
    top, right = 1.1 * max(ms + predicted), 1.05 * max(xs)
    px = lambda x: WIDTH * i + PAD + x / right * (WIDTH - PAD - 10)
    py = lambda y: HEIGHT - 34 - y / top * (HEIGHT - 54)
    line = lambda ys: " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in zip(xs, ys))
    svg.append(f'<path d="M{px(0):.1f},{py(top):.1f}V{py(0):.1f}H{px(right):.1f}" fill="none" stroke="#444"/>')
    svg.append(f'<polyline points="{line(predicted)}" fill="none" stroke="#999" stroke-dasharray="4 3"/>')
    svg.append(f'<polyline points="{line(ms)}" fill="none" stroke="#1565c0" stroke-width="1.5"/>')
    told = -WIDTH  # where the last number stands: none over another
    for x, y in zip(xs, ms):
        svg.append(f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="2.5" fill="#1565c0"/>')
        if px(x) - told < 24:
            continue
        told = px(x)
        svg.append(f'<text x="{px(x):.1f}" y="{py(0) + 11:.1f}" text-anchor="middle">{x:.3g}</text>')
    for k in range(1, 5):
        svg.append(f'<text x="{px(0) - 3:.1f}" y="{py(top * k / 4.4) + 3:.1f}" text-anchor="end">{top * k / 4.4:.0f}</text>')
    svg.append(f'<text x="{px(right / 2):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{TITLES[name]}</text>')
    svg.append(f'<text x="{px(0):.1f}" y="13">ms per frame (dashes: {"1 / threads" if name == "threads" else "in proportion to the work"})</text>')
svg.append("</svg>")
with open(out + ".svg", "w") as f:
    f.write("\n".join(svg))
print("\n".join(text))
