"""libmunet from Python, without a binding: ctypes, and NumPy for the frames.  segment.py WEIGHTS"""
import ctypes as c
import sys

import numpy as np

lib = c.CDLL("libmunet.so.0")
lib.munet_last_error.restype = c.c_char_p


class View(c.Structure):  # munet_frame; its first four fields are munet_mask
    _fields_ = [("pixels", c.c_void_p), ("width", c.c_int32), ("height", c.c_int32),
                ("stride", c.c_ssize_t), ("format", c.c_int32), ("chroma", c.c_void_p),
                ("chroma_stride", c.c_ssize_t)]

    def __init__(self, a):  # [h, w, 3] or [h, w], 8 bits, any stride between rows
        assert a.dtype == np.uint8 and a.strides[1] == (a.shape[2] if a.ndim == 3 else 1)
        super().__init__(a.ctypes.data, a.shape[1], a.shape[0], a.strides[0])


def call(name, *arguments):
    if getattr(lib, "munet_" + name)(*arguments):
        raise RuntimeError(lib.munet_last_error().decode())


weights, segmenter, trust = c.c_void_p(), c.c_void_p(), (c.c_double * 4)()
call("weights_open", sys.argv[1].encode(), None, None, c.byref(weights))
call("segmenter_create", weights, None, c.byref(segmenter))

rows, columns = np.mgrid[:96, :128]
for t in range(4):
    disc = np.hypot(rows - 48, columns - 50 - 3 * t) < 25
    frame = np.full((96, 128, 3), 80, np.uint8)
    frame[disc] = 230, 60, 60
    ids = (7 * disc).astype(np.uint8)
    call("segmenter_step", segmenter, c.byref(View(frame)), c.byref(View(ids)) if t == 0 else None)
    call("segmenter_labels", segmenter, c.c_void_p(ids.ctypes.data), 128, 96, c.c_ssize_t(0))
    call("segmenter_trust", segmenter, 7, trust)  # munet_trust: score, certainty, ...
    print(f"frame {t}: {np.sum(ids == 7)} pixels, truly {disc.sum()}; trust {trust[0]:.2f}")
call("segmenter_destroy", segmenter)
