"""Beam's Java servers, made to listen on the address that they are given.

A job server takes any program and runs it, yet Beam makes it, and what a TaskManager's workers connect to, with
`NettyServerBuilder.forPort(address.getPort())`, which listens on all addresses of the machine, and has no option that says otherwise. So
the one class that does it is written anew with `NettyServerBuilder.forAddress(address)`, for Java to find before Beam's own.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from pipelines.common.errors import DarsenaError

JAR = "beam-sdks-java-core-*.jar"
CLASS = "org/apache/beam/sdk/fn/server/ServerFactory$InetSocketAddressServerFactory.class"
ADDRESS = b"java/net/InetSocketAddress"
# Of the constant pool: bytes that follow an entry's tag (Java's specification, chapter 4.4).
SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
UTF8, CLASS_NAME, METHOD, NAME_AND_TYPE = 1, 7, 10, 12
INVOKE_VIRTUAL, INVOKE_STATIC, NO_OPERATION = 0xB6, 0xB8, 0x00


def patch(jars: Path, target: Path) -> None:
    """Writes the class anew.

    Args:
        jars: folder with Beam's jars.
        target: the jar that is written, to put on Java's class path before them.

    Raises:
        DarsenaError: the class isn't as it was in the version that this was written for.
    """
    with zipfile.ZipFile(next(jars.glob(JAR))) as jar:
        code = on_address(jar.read(CLASS))
    with zipfile.ZipFile(target, "w") as jar:
        jar.writestr(CLASS, code)


def on_address(code: bytes) -> bytes:
    """A class file whose one `forPort(address.getPort())` is `forAddress(address)`.

    Raises:
        DarsenaError: there is no such place, or more than one.
    """
    entries, end = constants(code)

    def text(index: int) -> bytes:
        return entries[index][1][2:]

    def method(owner: bytes, name: bytes) -> tuple[int, int, bytes]:
        """Index of a method of a class whose name ends so, of its class, and its type."""
        for index, (tag, content) in entries.items():
            if tag == METHOD:
                class_index, described = struct.unpack(">HH", content)
                name_index, type_index = struct.unpack(">HH", entries[described][1])
                if text(struct.unpack(">H", entries[class_index][1])[0]).endswith(owner) and text(name_index) == name:
                    return index, class_index, text(type_index)
        raise DarsenaError(f"expected {name.decode()} of {owner.decode()} in {CLASS}, found none. See loopback.py.")

    port, _, _ = method(ADDRESS, b"getPort")
    old, builder, kind = method(b"NettyServerBuilder", b"forPort")
    first = struct.unpack(">H", code[8:10])[0]
    new = [(UTF8, b"forAddress"), (UTF8, kind.replace(b"(I)", b"(Ljava/net/SocketAddress;)"))]
    added = b"".join(struct.pack(">BH", tag, len(value)) + value for tag, value in new)
    added += struct.pack(">BHH", NAME_AND_TYPE, first, first + 1) + struct.pack(">BHH", METHOD, builder, first + 2)
    calls = struct.pack(">BHBH", INVOKE_VIRTUAL, port, INVOKE_STATIC, old)
    if code[end:].count(calls) != 1:
        raise DarsenaError(f"expected one forPort(address.getPort()) in {CLASS}, found {code[end:].count(calls)}. See loopback.py.")
    instead = bytes([NO_OPERATION] * 3) + struct.pack(">BH", INVOKE_STATIC, first + 3)
    return code[:8] + struct.pack(">H", first + 4) + code[10:end] + added + code[end:].replace(calls, instead)


def constants(code: bytes) -> tuple[dict[int, tuple[int, bytes]], int]:
    """Tag and content of each entry of a class file's constant pool, by index, and where the pool ends."""
    entries: dict[int, tuple[int, bytes]] = {}
    place, index, count = 10, 1, struct.unpack(">H", code[8:10])[0]
    while index < count:
        tag = code[place]
        size = 2 + struct.unpack(">H", code[place + 1 : place + 3])[0] if tag == UTF8 else SIZES[tag]
        entries[index] = (tag, code[place + 1 : place + 1 + size])
        place += 1 + size
        index += 2 if tag in (5, 6) else 1  # longs and doubles count twice
    return entries, place
