"""Records what Pillow makes of small images: resizing (triangle filter and nearest) and JPEG decoding.

Run with Debian's python3-pil (recorded with 9.4.0) from this folder; the test makes the same input
from the same formula. Resizing goes through mode "F": Pillow's 8-bit path rounds between its passes.
"""
import numpy as np
from PIL import Image

SIZES = [(23, 17, 11, 7), (7, 5, 16, 13), (31, 9, 31, 4), (19, 26, 5, 26), (13, 11, 13, 11)]


def pixels(width, height, channels):
    y, x, c = np.meshgrid(range(height), range(width), range(channels), indexing="ij")
    return ((x * 37 + y * 101 + c * 59 + x * y * 7) % 256).astype(np.uint8)


with open("pillow_resize.txt", "w") as out:
    for w, h, ow, oh in SIZES:
        rgb, ids = pixels(w, h, 3), pixels(w, h, 1)[:, :, 0]
        planes = [Image.fromarray(rgb[:, :, c].astype(np.float32), mode="F") for c in range(3)]
        small = np.stack([np.asarray(p.resize((ow, oh), Image.BILINEAR)) for p in planes], 2)
        nearest = np.asarray(Image.fromarray(ids).resize((ow, oh), Image.NEAREST))
        out.write(f"{w} {h} {ow} {oh}\n")
        out.write(" ".join(f"{v:.7g}" for v in small.ravel()) + "\n")
        out.write(" ".join(str(v) for v in nearest.ravel()) + "\n")

# A smooth picture with a sharp edge, so that chroma upsampling and the DCT both show.
y, x = np.meshgrid(range(37), range(45), indexing="ij")
picture = np.stack([127 + 120 * np.sin(x / 7), 127 + 120 * np.cos(y / 5), (x + y) * 3], 2)
picture[10:24, 13:31] = (250, 20, 40)
picture = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
turned = Image.Exif()
turned[0x0112] = 6  # the camera was held upright: turn a quarter clockwise to see it
for name, image, options in [("420", picture, dict(subsampling=2)),
                             ("422", picture, dict(subsampling=1, progressive=True)),
                             ("grey", picture.convert("L"), {}),
                             ("turned", picture, dict(subsampling=0, exif=turned.tobytes()))]:
    image.save(f"jpeg_{name}.jpg", quality=80, **options)
    decoded = Image.open(f"jpeg_{name}.jpg")
    if name == "turned":
        decoded = decoded.transpose(Image.ROTATE_270)
    decoded.convert("RGB").save(f"jpeg_{name}.png")
picture.convert("CMYK").save("jpeg_cmyk.jpg", quality=80)  # refused
