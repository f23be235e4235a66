"""A name server on the loopback device: it knows one host, and answers in few words or in many."""

import fcntl
import socket
import struct
import threading

KNOWN = b"\x04host\x07example\x00"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def serve():
    """In the background, on the addresses of the loopback device, which is brought up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        packets = socket.socket(family, socket.SOCK_DGRAM)
        packets.bind((address, 53))
        threading.Thread(target=answer_packets, args=(packets,), daemon=True).start()
        streams = socket.socket(family, socket.SOCK_STREAM)
        streams.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        streams.bind((address, 53))
        streams.listen(16)
        threading.Thread(target=answer_streams, args=(streams,), daemon=True).start()


def answer_packets(packets):
    while True:
        query, peer = packets.recvfrom(4096)
        packets.sendto(answer(query), peer)


def answer_streams(streams):
    while True:
        stream, _ = streams.accept()
        threading.Thread(target=answer_stream, args=(stream,), daemon=True).start()


def answer_stream(stream):
    with stream, stream.makefile("rb") as queries:
        while size := queries.read(2):
            reply = answer(queries.read(struct.unpack(">H", size)[0]))
            stream.sendall(struct.pack(">H", len(reply)) + reply)


def answer(query):
    """An address of the documentation's range for the known host; else there is no such name."""
    question_end = query.index(b"\0", 12) + 5
    question = query[12:question_end]
    kind = struct.unpack(">H", question[-4:-2])[0]
    is_known = question[:-4] == KNOWN
    records = b""
    if is_known and kind == 1:
        records = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes((192, 0, 2, 1))
    flags = 0x8180 | (0 if is_known else 3)
    return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0) + question + records
