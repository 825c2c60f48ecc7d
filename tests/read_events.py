"""Prints the events of a folder, by TensorBoard's reader where it is installed, else by the few lines below: protobuf's wire format and a
bitwise CRC-32C."""
import glob
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def mask(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        head = data[at:at + 8]
        length, = struct.unpack("<Q", head)
        body = data[at + 12:at + 12 + length]
        assert struct.unpack("<I", data[at + 8:at + 12])[0] == mask(crc32c(head)), "checksum of a length"
        assert struct.unpack("<I", data[at + 12 + length:at + 16 + length])[0] == mask(crc32c(body)), "checksum of a record"
        at += 16 + length
        yield body


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def fields(data):
    at, found = 0, {}
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        else:
            size, code = {1: (8, "<d"), 5: (4, "<f")}[kind]
            value, at = struct.unpack(code, data[at:at + size])[0], at + size
        found[key >> 3] = value
    return found


def plain(path):
    for record in records(path):
        event = fields(record)
        assert event[1] > 1.6e9                                   # seconds since 1970
        if 3 in event:
            print("version", event[3].decode())
            continue
        value = fields(fields(event[5])[1])
        show(event.get(2, 0), value[1].decode(), value.get(2), fields(value[4]) if 4 in value else None)


def show(step, tag, number, image):
    print(step, tag, f"{number:g}" if image is None else f"image {image[2]}x{image[1]} {len(image[4])} bytes")


def tensorboard(path):
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    for event in LegacyEventFileLoader(path).Load():
        if event.file_version:
            print("version", event.file_version)
        for value in event.summary.value:
            image = {1: value.image.height, 2: value.image.width, 4: value.image.encoded_image_string}
            show(event.step, value.tag, value.simple_value, image if value.HasField("image") else None)


for name in sorted(glob.glob(sys.argv[1] + "/events.out.tfevents.*")):
    try:
        import tensorboard.backend.event_processing.event_file_loader
    except ImportError:
        plain(name)
    else:
        tensorboard(name)
