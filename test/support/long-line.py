"""
A line between two bridges, since not every kernel has netem: so many bits a second and so much delay each way,
with a queue that drops what does not fit. Frames go in and out by two TAP devices.

    long-line.py TAP_A TAP_B BITS_PER_SECOND DELAY_MS QUEUE_BYTES

Says {"ready": true}; answers every line with what it has carried, in bytes of frames; ends with its input.
"""
import collections
import fcntl
import json
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
FRAME_BYTES_MAX = 65536


def tap(name):
    device = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack('16sH', name.encode(), IFF_TAP | IFF_NO_PI))
    return device


class Way:
    def __init__(self, source, sink, rate, delay, room):
        self.source, self.sink, self.rate, self.delay, self.room = source, sink, rate, delay, room
        self.frames = collections.deque()
        self.free = 0.0
        self.carried = self.dropped = 0

    def take(self):
        while True:
            try:
                frame = os.read(self.source, FRAME_BYTES_MAX)
            except BlockingIOError:
                return
            now = time.monotonic()
            waiting = max(0.0, self.free - now) * self.rate / 8
            if waiting + len(frame) > self.room:
                self.dropped += len(frame)
                continue
            self.free = max(now, self.free) + len(frame) * 8 / self.rate
            self.carried += len(frame)
            self.frames.append((self.free + self.delay, frame))

    def give(self):
        now = time.monotonic()
        while self.frames and self.frames[0][0] <= now:
            try:
                os.write(self.sink, self.frames.popleft()[1])
            except OSError:
                pass

    def wait(self):
        return max(0.0, self.frames[0][0] - time.monotonic()) if self.frames else 1.0


def main():
    names, (rate, delay, room) = sys.argv[1:3], map(float, sys.argv[3:6])
    a, b = map(tap, names)
    ways = [Way(a, b, rate, delay / 1000, room), Way(b, a, rate, delay / 1000, room)]
    print(json.dumps({'ready': True}), flush=True)
    while True:
        readable, _, _ = select.select([a, b, sys.stdin], [], [], min(way.wait() for way in ways))
        for way in ways:
            if way.source in readable:
                way.take()
            way.give()
        if sys.stdin in readable:
            if sys.stdin.readline() == '':
                return
            there, back = ways
            answer = {'there': there.carried, 'back': back.carried, 'dropped': there.dropped + back.dropped}
            print(json.dumps(answer), flush=True)


main()
