"""Records torch_*.pth: what torch.save writes, small. Tensors of a whole trunk are one number, expanded: stride 0, so the files stay tiny.

    record_torch_files.py [REFERENCE [DIR]]     folder of munet_reference.py, default ../shared/reference beside the repository; DIR to write to
torch_zip.pth, torch_old.pth    in both formats: {"epoch": 7, "lr": 0.5, "names": ["a", ...], "state_dict": {a: f32 [2,3,2,2] = 0..23, b: its transpose
                                of axes 0 and 1 (not contiguous), half, bfloat, double, long: [5] = 0..4, scalar: 2.5, param: nn.Parameter [3]}}
torch_resnet18.pth (zip)        names of torchvision's ResNet-18, conv1 to layer3 with num_batches_tracked, some of layer4, fc; tensor i is i + 1 everywhere
torch_maskrcnn50.pth (zip)      ResNet-50 under backbone.body., and some others
torch_code_zip.pth, torch_code_old.pth, torch_code_bare.pth     pickles that would call os.system
"""
import io
import os
import pickle
import sys
import zipfile
from collections import OrderedDict

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../../shared/reference")
OUT = sys.argv[2] if len(sys.argv) > 2 else HERE
sys.dont_write_bytecode = True
sys.path.insert(0, REFERENCE)
import torch
import munet_reference as R

torch.set_num_threads(1)


def save(name, value, zip_format=True):
    path = os.path.join(OUT, name)
    torch.save(value, path, _use_new_zipfile_serialization=zip_format)
    print(name, os.path.getsize(path))


a = torch.arange(24, dtype=torch.float32).reshape(2, 3, 2, 2)
five = torch.arange(5)
mixed = OrderedDict(a=a, b=a.transpose(0, 1), half=five.half(), bfloat=five.bfloat16(), double=five.double(), long=five, scalar=torch.tensor(2.5),
                    param=torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0])))
mixed._metadata = OrderedDict({"": {"version": 1}})
whole = {"epoch": 7, "lr": 0.5, "names": ["a", ("b", None, True)], "big": 2 ** 40, "negative": -3, "state_dict": mixed}
save("torch_zip.pth", whole)
save("torch_old.pth", whole, zip_format=False)


def trunk(kind, prefix, more):
    state = OrderedDict()
    shapes = {k: v.shape for k, v in R.Trunk(kind).state_dict().items()}
    for i, (name, shape) in enumerate({**shapes, **more}.items()):
        whole_number = name.endswith("num_batches_tracked")
        state[(prefix if name in shapes else "") + name] = torch.full((), i + 1, dtype=torch.long if whole_number else torch.float32).expand(shape)
    return state


save("torch_resnet18.pth", trunk("resnet18", "", {"layer4.0.conv1.weight": (512, 256, 3, 3), "fc.weight": (1000, 512), "fc.bias": (1000,)}))
save("torch_maskrcnn50.pth", trunk("resnet50", "backbone.body.", {"rpn.head.conv.weight": (256, 256, 3, 3), "backbone.fpn.inner_blocks.0.weight": (256, 256, 1, 1)}))


class Code:
    def __reduce__(self):
        return os.system, ("echo this must not run > pwned",)


def code():
    return pickle.dumps({"a": Code()}, protocol=2)


with zipfile.ZipFile(os.path.join(OUT, "torch_code_zip.pth"), "w") as archive:
    archive.writestr("archive/data.pkl", code())
with open(os.path.join(OUT, "torch_code_bare.pth"), "wb") as f:
    f.write(code())
old = io.BytesIO()
for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
    pickle.dump(part, old, protocol=2)
with open(os.path.join(OUT, "torch_code_old.pth"), "wb") as f:
    f.write(old.getvalue() + code() + pickle.dumps([], protocol=2))
