"""pack.py IN.safetensors OUT.safetensors: the encoder's tensors as F16 (rounded to nearest, ties to even), for embedding.
What is no float (position_ids) is left out: no classifier needs it. Part of the build, not of lethe."""
import json, struct, sys

CHUNK = 1 << 20  # numbers at a time


def half(numbers):
    """F32 to F16, bytes to bytes. struct fails on a number too large for F16."""
    count = len(numbers) // 4
    return struct.pack(f"<{count}e", *struct.unpack(f"<{count}f", numbers))


source, target = sys.argv[1:]
with open(source, "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    start, packed, place = file.tell(), {}, 0
    tensors = sorted((name, t) for name, t in header.items() if name != "__metadata__" and t["dtype"] == "F32")
    for name, tensor in tensors:
        begin, end = tensor["data_offsets"]
        size = (end - begin) // 2
        packed[name] = {"dtype": "F16", "shape": tensor["shape"], "data_offsets": [place, place + size]}
        place += size

    text = json.dumps(packed, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(target, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in tensors:
            begin, end = tensor["data_offsets"]
            file.seek(start + begin)
            for at in range(begin, end, 4 * CHUNK):
                out.write(half(file.read(min(4 * CHUNK, end - at))))
