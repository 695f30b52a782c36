"""Chooses the instant of a kill: so many events of one kind, then so long."""

import asyncio
import random

from crash import history as h

# What a kill may follow, and the most of it that goes before.
MOMENTS = {
    h.Sending: 200, h.Taken: 200, h.Releasing: 100, h.Delivered: 400, h.Subscribing: 4, h.Subscribed: 4, h.Unsubscribed: 2,
    h.Connecting: 12, h.Connected: 12, h.Writing: 6, h.Written: 6, h.Revoking: 1, h.Revoked: 1, h.Granted: 1, h.Cut: 1,
    h.WillSeen: 1, h.Armed: 1,
}  # fmt: skip
# Seconds after the moment; at 0 the kill comes before anything else that the client does.
DELAYS_S = (0, 0, 0.001, 0.005, 0.02, 0.1, 0.3)
# A moment that does not come is not waited for longer.
PATIENCE_S = 6


class Killer:
    """Watches the events of a run and calls `kill` once each time it was aimed."""

    def __init__(self, seed, kill):
        self.random, self.kill = random.Random(f"{seed}-killer"), kill
        self.left, self.kind, self.aim_text = 0, None, ""

    async def strike(self):
        """Aims, and returns when it has struck."""
        self.kind = self.random.choice(list(MOMENTS))
        self.left = self.random.randint(1, MOMENTS[self.kind])
        self.delay_s = self.random.choice(DELAYS_S) * self.random.random()
        self.aim_text = f"{self.left} x {self.kind.__name__} + {self.delay_s * 1000:.1f} ms"
        self.struck = asyncio.Event()
        try:
            await asyncio.wait_for(self.struck.wait(), PATIENCE_S)
        except TimeoutError:
            self.aim_text += ", in vain"
            self.shoot()
        return self.aim_text

    def see(self, event):
        if self.kind is None or not isinstance(event, self.kind):
            return
        self.left -= 1
        if self.left == 0:
            self.kind = None
            if self.delay_s:
                asyncio.get_running_loop().call_later(self.delay_s, self.shoot)
            else:
                self.shoot()

    def shoot(self):
        self.kind = None
        if not self.struck.is_set():
            self.struck.set()
            self.kill()
