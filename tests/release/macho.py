"""macho.py CHECK PROGRAM [ARGUMENT]: what a 64-bit Mach-O program says of itself (mach-o/loader.h, nlist.h, codesign.h).
  cpu arm64|x86_64    minimum VERSION    libraries    signature    imports LIST    symbols (prints what it imports)"""
import hashlib, pathlib, struct, sys

LC_SYMTAB, LC_LOAD_DYLIB, LC_CODE_SIGNATURE, LC_VERSION_MIN, LC_BUILD_VERSION = 0x2, 0xC, 0x1D, 0x24, 0x32
CPUS = {"x86_64": 0x01000007, "arm64": 0x0100000C}
CS_ADHOC, CS_DIRECTORY, CS_SUPERBLOB = 0x2, 0xFADE0C02, 0xFADE0CC0

check, path, *rest = sys.argv[1:]
data = pathlib.Path(path).read_bytes()
magic, cpu, _, kind, count = struct.unpack_from("<5I", data)
commands, at = [], 32
for _ in range(count):
    command, size = struct.unpack_from("<2I", data, at)
    commands.append((command & 0x7FFFFFFF, data[at : at + size]))
    at += size


def text(raw, at):
    return raw[at : raw.index(b"\0", at)].decode()


def imports():
    for command, body in commands:
        if command == LC_SYMTAB:
            symbols, number, strings, _ = struct.unpack_from("<4I", body, 8)
            for i in range(number):
                name, typ, _, _, _ = struct.unpack_from("<IBBHQ", data, symbols + 16 * i)
                if not typ & 0xE0 and typ & 0xE == 0 and typ & 1:  # external and undefined
                    yield text(data, strings + name)


def fail(why):
    print(why)
    sys.exit(1)


if check == "cpu":
    if (magic, kind) != (0xFEEDFACF, 2) or cpu != CPUS[rest[0]]:
        fail(f"magic {magic:x}, file type {kind}, processor {cpu:x}")
elif check == "minimum":
    for command, body in commands:
        if command in (LC_VERSION_MIN, LC_BUILD_VERSION):
            version = struct.unpack_from("<I", body, 8 if command == LC_VERSION_MIN else 12)[0]
            if f"{version >> 16}.{version >> 8 & 255}" == rest[0]:
                sys.exit()
            fail(f"it asks for {version >> 16}.{version >> 8 & 255}")
    fail("it names no version")
elif check == "libraries":
    names = [text(body, struct.unpack_from("<I", body, 8)[0]) for command, body in commands if command == LC_LOAD_DYLIB]
    if names != ["/usr/lib/libSystem.B.dylib"]:
        fail(f"it loads {names}")
elif check == "signature":
    places = [struct.unpack_from("<2I", body, 8) for command, body in commands if command == LC_CODE_SIGNATURE]
    if not places:
        fail("it has none")
    blob = data[places[0][0] : sum(places[0])]
    signed, _, number = struct.unpack_from(">3I", blob)
    start = next(b for a, b in (struct.unpack_from(">2I", blob, 12 + 8 * i) for i in range(number)) if a == 0)
    kind, _, _, flags, hashes, _, _, slots, limit, size, typ, _, page = struct.unpack_from(">9I4B", blob, start)
    if (signed, kind) != (CS_SUPERBLOB, CS_DIRECTORY) or not flags & CS_ADHOC or (size, typ) != (32, 2):
        fail(f"blob {signed:x}, directory {kind:x}, flags {flags:x}, hash type {typ}")
    step = 1 << page
    for i in range(slots):
        wanted = blob[start + hashes + 32 * i : start + hashes + 32 * (i + 1)]
        if hashlib.sha256(data[i * step : min((i + 1) * step, limit)]).digest() != wanted:
            fail(f"page {i} of {slots} has another hash")
    if limit != places[0][0] or slots != -(-limit // step):
        fail(f"{limit} bytes are signed, {places[0][0]} are there")
elif check == "imports":
    lines = pathlib.Path(rest[0]).read_text().splitlines()
    had = {name for line in lines if not line.startswith("#") for name in line.split()}
    missing = sorted(set(imports()) - had)
    if missing or not set(imports()):
        fail(f"not in the list: {' '.join(missing)}")
elif check == "symbols":
    print("\n".join(sorted(set(imports()))))
else:
    fail(f"no check {check}")
