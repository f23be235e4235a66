"""A resolver at 127.0.0.53, by UDP and by TCP, a web server at port 80, and a proxy that refuses everything at port 3128.

Says that it is ready, and ends with its input."""

import socket
import struct
import sys
import threading

A, CNAME, AAAA = 1, 5, 28
ZONE = {
    "plain.test": [("plain.test", A, "192.0.2.1")],
    "many.test": [
        ("many.test", A, "192.0.2.2"),
        ("many.test", A, "192.0.2.3"),
        ("many.test", AAAA, "2001:db8::2"),
    ],
    "www.test": [
        ("www.test", CNAME, "edge.test"),
        ("edge.test", CNAME, "end.test"),
        ("end.test", A, "127.0.0.1"),
        ("end.test", AAAA, "2001:db8::7"),
    ],
    # More than UDP takes.
    "large.test": [("large.test", A, "198.51.100.%d" % n) for n in range(1, 101)],
}


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner, kind, data):
    if kind == A:
        data = socket.inet_aton(data)
    elif kind == AAAA:
        data = socket.inet_pton(socket.AF_INET6, data)
    else:
        data = name(data)
    return name(owner) + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def answer(query, is_stream):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    question = query[12 : at + 5]
    asked = ".".join(labels).lower()

    def head(flags, count):
        return query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0)

    if asked == "hostile.test":
        # The owner of the record is a name that points at itself.
        itself = bytes([0xC0, 12 + len(question)])
        return head(0x8180, 1) + question + itself + struct.pack("!HHIH", A, 1, 60, 4) + b"\1\2\3\4"
    records = ZONE.get(asked)
    if asked.endswith(".echo.test"):
        # Or more than a recorder reads.
        count = 250 if asked.startswith("long.") else 1
        records = [(asked, A, "192.0.2.%d" % (50 + n % 200)) for n in range(count)]
    if not records:
        return head(0x8183, 0) + question
    records = [record(*one) for one in records if one[1] in (CNAME, kind)]
    whole = head(0x8180, len(records)) + question + b"".join(records)
    return whole if is_stream or len(whole) <= 512 else head(0x8380, 0) + question


def answer_datagrams(server):
    while True:
        query, peer = server.recvfrom(4096)
        server.sendto(answer(query, False), peer)


def answer_stream(client):
    stream = client.makefile("rb")
    while True:
        length = stream.read(2)
        if len(length) < 2:
            return client.close()
        whole = answer(stream.read(struct.unpack("!H", length)[0]), True)
        client.sendall(struct.pack("!H", len(whole)) + whole)


def answer_streams(server):
    while True:
        client, _ = server.accept()
        threading.Thread(target=answer_stream, args=(client,), daemon=True).start()


def answer_requests(server, status):
    while True:
        client, _ = server.accept()
        with client:
            asked = b""
            while b"\r\n\r\n" not in asked:
                part = client.recv(4096)
                if not part:
                    break
                asked += part
            try:
                client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                pass


def bound(kind, address):
    server = socket.socket(socket.AF_INET, kind)
    server.bind(address)
    if kind == socket.SOCK_STREAM:
        server.listen(64)
    return server


RESOLVER = ("127.0.0.53", 53)
for target, *args in [
    (answer_datagrams, bound(socket.SOCK_DGRAM, RESOLVER)),
    (answer_streams, bound(socket.SOCK_STREAM, RESOLVER)),
    (answer_requests, bound(socket.SOCK_STREAM, ("127.0.0.1", 80)), b"200 OK"),
    (answer_requests, bound(socket.SOCK_STREAM, ("127.0.0.1", 3128)), b"502 refused"),
]:
    threading.Thread(target=target, args=args, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
