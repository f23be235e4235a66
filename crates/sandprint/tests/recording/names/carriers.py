"""Asks a resolver and a proxy by every call that can, each for a name of its own; and does what only looks like that."""

import os
import socket
import struct

RESOLVER, PROXY = ("127.0.0.53", 53), ("127.0.0.1", 3128)
# None is closed before the end.
KEPT = []


def query(label):
    name = bytes([len(label)]) + label.encode() + b"\4echo\4test\0"
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)


def asked(label, connected=True):
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    KEPT.append(asking)
    if connected:
        asking.connect(RESOLVER)
        asking.send(query(label))
    else:
        asking.sendto(query(label), RESOLVER)
    return asking


os.read(asked("read").fileno(), 512)
os.readv(asked("readv").fileno(), [bytearray(512)])
asked("recv").recv(512)
asked("recvmsg").recvmsg(512)
asked("recvfrom-of", False).recvfrom(512)
asked("recvmsg-of", False).recvmsg(512)
# What has no end is told.
asked("cut").recv(30, socket.MSG_TRUNC)


def streamed(label):
    asking = socket.create_connection(RESOLVER)
    whole = query(label)
    asking.sendall(struct.pack("!H", len(whole)) + whole)
    return asking


def whole(stream, count):
    data = b""
    while len(data) < count:
        data += stream.recv(count - len(data))
    return data


stream = streamed("stream")
whole(stream, struct.unpack("!H", whole(stream, 2))[0])
streamed("together").recv(4096)
streamed("parts").recvmsg_into([bytearray(2), bytearray(4096)])
stream = streamed("long")
stream.recv(struct.unpack("!H", stream.recv(2))[0], socket.MSG_WAITALL)
stream = streamed("torn")
stream.recv(20)
stream.recv(4096)


def request(name):
    return b"CONNECT " + name.encode() + b":443 HTTP/1.1\r\n\r\n"


def proxy():
    KEPT.append(socket.create_connection(PROXY))
    return KEPT[-1]


os.write(proxy().fileno(), request("write.example"))
os.writev(proxy().fileno(), [request("writev.example")])
proxy().send(request("send.example"))
proxy().sendmsg([request("sendmsg.example")])
pair, other = socket.socketpair()
pair.send(request("[2001:db8::9]"))
# No stream, no request, a request of others, and one whose line does not end.
with open("file", "wb", buffering=0) as file:
    file.write(request("file.example"))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.sendto(request("datagram.example"), PROXY)
pair.send(b"GET / HTTP/1.1\r\n\r\n")
pair.send(b'CONNECT {"verbose":false}\r\n')
pair.send(b"CONNECT torn.example:443 HT")
