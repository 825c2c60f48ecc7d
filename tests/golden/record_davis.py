"""Records what DAVIS's official evaluation says of made-up masks: of single frames, of series of
values, and of a whole tree, whose CSV files its own program writes.

Run from this folder with the path of a checkout of davisvideochallenge/davis2017-evaluation (BSD
3-clause; recorded with ac7c43f, NumPy 2.4, OpenCV 5.0, scikit-image 0.26, pandas 3.1). The masks are
made of the shapes that the files name; tests/made_up_masks.h makes the same.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

official = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(official))
from davis2017.metrics import db_eval_boundary, db_eval_iou
from davis2017.utils import color_map, db_statistics

# Drawn one after the other: e(llipse) cx cy rx ry and r(ectangle) left top right bottom set pixels,
# h(ole) cx cy rx ry clears an ellipse, n(oise) seed density toggles density of 256 pixels.
CASES = [
    ("perfect", 97, 61, "e 40 30 20 11", "e 40 30 20 11"),
    ("both_empty", 97, 61, "", ""),
    ("result_empty", 97, 61, "e 40 30 20 11", ""),
    ("truth_empty", 97, 61, "", "e 40 30 20 11"),
    ("dilated", 97, 61, "e 40 30 20 11", "e 40 30 23 14"),
    ("shifted", 97, 61, "e 40 30 20 11", "e 43 31 20 11"),
    ("far", 97, 61, "e 20 30 9 11", "e 70 30 9 11"),
    ("one_pixel", 97, 61, "r 63 30 63 30", "r 64 30 64 30"),
    ("one_pixel_missed", 97, 61, "r 63 30 63 30", "r 67 30 67 30"),
    ("at_the_border", 97, 61, "e 0 60 30 22 e 96 0 25 30", "e 2 58 30 22 e 96 0 26 29"),
    ("last_row", 97, 61, "r 0 60 96 60", "r 0 59 96 59"),
    ("last_column", 97, 61, "r 96 0 96 60", "r 95 3 96 57"),
    ("last_pixel", 97, 61, "r 96 60 96 60", "r 95 59 96 60"),
    ("all_and_all", 97, 61, "r 0 0 96 60", "r 0 0 96 60"),
    ("all_and_nothing", 97, 61, "r 0 0 96 60", ""),
    ("hole", 97, 61, "e 48 30 30 25 h 48 30 9 7", "e 48 30 30 25 h 50 33 3 12"),
    ("noise", 97, 61, "n 1 100", "n 1 90 n 77 30"),
    ("boundary_noise", 97, 61, "e 48 30 30 25", "e 48 30 30 25 n 3 6"),
    ("one_word", 64, 50, "e 31 25 33 20", "e 30 24 35 20"),
    ("two_words", 65, 63, "e 62 25 9 20", "e 64 24 12 20 n 4 2"),
    ("narrow", 1, 37, "r 0 5 0 20", "r 0 7 0 24"),
    ("flat", 130, 1, "r 50 0 90 0", "r 52 0 93 0"),
    ("single", 1, 1, "r 0 0 0 0", ""),
    ("diagonal_125", 100, 75, "e 48 30 30 25", "e 49 32 30 25"),  # 0.008 * 125 is 1 and not 2
    ("480p", 854, 480, "e 400 200 130 170 n 5 1", "e 407 195 136 160 h 300 210 30 20"),
    ("480p_upright", 480, 854, "e 130 400 100 270 r 200 40 470 49", "e 127 410 102 250"),
    ("1080p", 1920, 1080, "e 1500 900 410 200", "e 1512 890 430 213 n 6 1"),
    ("wide", 8200, 40, "r 4000 11 4600 30", "r 4062 8 4700 24"),  # a tolerance of more than a word
]


def draw(width, height, shapes):
    y, x = np.mgrid[:height, :width].astype(np.int64)
    mask = np.zeros((height, width), bool)
    words = shapes.split()
    while words:
        kind, n = words[0], 2 if words[0] == "n" else 4
        a, words = [int(word) for word in words[1 : n + 1]], words[n + 1 :]
        if kind in "eh":
            inside = (x - a[0]) ** 2 * a[3] ** 2 + (y - a[1]) ** 2 * a[2] ** 2 <= a[2] ** 2 * a[3] ** 2
            mask[inside] = kind == "e"
        elif kind == "r":
            mask[a[1] : a[3] + 1, a[0] : a[2] + 1] = True
        else:
            mask ^= (((x * 7919 + y * 104729 + a[0] * 31) * 2654435761) % 2**32 >> 24) < a[1]
    return mask


# NAME FRAMES WIDTH HEIGHT, then the shape of each id in the truth and in the results, which move
# one pixel right per frame and one down every second; id 255 is void, "" is no such object.
TREE = [
    ("alpha", 9, 61, 47, {1: ("e 20 20 11 9", "e 21 20 12 9"), 2: ("e 40 18 9 12", "e 37 22 9 9")}),
    ("beta", 6, 130, 33, {1: ("e 20 9 11 9", "e 20 9 11 9"), 2: ("e 60 12 21 8", "e 61 13 21 8"),
                          3: ("e 100 12 8 8", ""), 255: ("h 0 0 1 1 e 60 4 21 3", "")}),
    ("gamma", 14, 40, 50, {1: ("e 9 20 6 9", "e 13 22 6 9"), 3: ("e 24 18 6 12", "e 22 22 7 9")}),
]


def ids(sequence, t, which):
    _, _, width, height, objects = sequence
    out = np.zeros((height, width), np.uint8)
    for id, shapes in objects.items():
        large = draw(width + 99, height + 99, shapes[which])
        moved = np.zeros_like(out)
        moved[t // 2 :, t:] = large[: height - t // 2, : width - t]
        out[moved > 0] = id
    return out


def save(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask)
    image.putpalette(color_map().flatten().tolist())
    image.save(path)


with open("davis_frames.txt", "w") as out:
    for name, width, height, truth, result in CASES:
        a, b = draw(width, height, truth), draw(width, height, result)
        out.write(f"{name};{width};{height};{truth};{result};"
                  f"{float(db_eval_iou(a, b))!r};{float(db_eval_boundary(a, b))!r}\n")

with open("davis_statistics.txt", "w") as out:
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 48, 101, 255, 256, 257, 300]:
        values = np.array([(i * 37 + 11) % 101 / 101 for i in range(n)])
        out.write(f"{n} " + " ".join(repr(float(v)) for v in db_statistics(values)) + "\n")

with tempfile.TemporaryDirectory() as folder:
    davis, results = Path(folder) / "davis", Path(folder) / "results"
    (davis / "ImageSets/2017").mkdir(parents=True)
    (davis / "ImageSets/2017/val.txt").write_text("".join(s[0] + "\n" for s in TREE))
    with open("davis_tree.txt", "w") as out:
        for sequence in TREE:
            name, frames, width, height, objects = sequence
            out.write(f"{name};{frames};{width};{height}\n")
            for id, (truth, result) in objects.items():
                out.write(f"{id};{truth};{result}\n")
            for t in range(frames):
                save(davis / f"Annotations/480p/{name}/{t:05}.png", ids(sequence, t, 0))
                save(results / f"{name}/{t:05}.png", ids(sequence, t, 1))
                image = davis / f"JPEGImages/480p/{name}/{t:05}.jpg"
                image.parent.mkdir(parents=True, exist_ok=True)
                image.touch()
    subprocess.run([sys.executable, official / "evaluation_method.py", "--davis_path", davis, "--set", "val",
                    "--task", "semi-supervised", "--results_path", results], cwd=official, check=True)
    for kind in ["global", "per-sequence"]:
        Path(f"davis_{kind}_results-val.csv").write_text((results / f"{kind}_results-val.csv").read_text())
