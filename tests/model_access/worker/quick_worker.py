"""A worker without a model: it speaks the frames of a real one, starts in a moment and dies as well as any.

Run as a program, with the standard library alone. Each step gives every request one token; one whose seed is 0 goes on
until it is cancelled or everything ends, and so does one whose seed is ``SILENT``, which is not told of at all. One
whose seed is ``LYING`` is said to be cancelled, which nobody asked for; one whose seed is ``DEAF`` never is.
"""

import json
import queue
import struct
import sys
import threading
import time
from typing import Any

STEP_S = 0.001
SILENT, LYING, DEAF = 1001, 1002, 1003


def listen(inbox: "queue.SimpleQueue[dict[str, Any] | None]") -> None:
    """Hand on every frame that comes."""
    while prefix := sys.stdin.buffer.read(4):
        inbox.put(json.loads(sys.stdin.buffer.read(struct.unpack(">I", prefix)[0])))
    inbox.put(None)


def say(**frame: Any) -> None:
    """Write one frame."""
    body = json.dumps(frame).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(body)) + body)
    sys.stdout.buffer.flush()


def step(ticket: int, job: dict[str, Any]) -> bool:
    """Give a request its next token; whether that was its last."""
    if job["seed"] == LYING:
        say(kind="stopped", ticket=ticket, completion_tokens=0)
        return True
    if job["seed"] == DEAF:
        say(kind="alive")
        return False
    endless = job["seed"] in (0, SILENT)
    job["made"] += 0 if endless and job["made"] else 1
    last = job["made"] == job["max_tokens"] and not endless
    if endless and job["told"]:
        return False
    job["told"] = True
    delta = {"index": 0, "text": "x", "token_ids": [1], "logprobs": None, "finish_reason": "length" if last else None}
    say(kind="piece", ticket=ticket, delta=delta)
    if last:
        say(kind="ended", ticket=ticket, index=0, token_ids=[1] * job["made"], passed_over=0)
    return last


def main() -> None:
    """Serve until the pipe closes."""
    inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(inbox,), daemon=True).start()
    jobs: dict[int, dict[str, Any]] = {}
    inbox.get()
    say(kind="ready", products={"kernel": "none"})
    while True:
        busy = any(job["seed"] or not job["told"] for job in jobs.values())
        while not (inbox.empty() and busy):
            frame = inbox.get()
            if frame is None:
                return
            if frame["kind"] == "submit":
                request = frame["request"]
                jobs[frame["ticket"]] = {
                    "seed": request["seed"],
                    "max_tokens": request["max_tokens"],
                    "made": 0,
                    "told": request["seed"] == SILENT,
                }
                busy = True
            elif (job := jobs.get(frame["ticket"], {"seed": DEAF}))["seed"] != DEAF:
                del jobs[frame["ticket"]]
                say(kind="stopped", ticket=frame["ticket"], completion_tokens=job["made"])
                busy = any(one["seed"] or not one["told"] for one in jobs.values())
        for ticket in [ticket for ticket, job in jobs.items() if step(ticket, job)]:
            del jobs[ticket]
        time.sleep(STEP_S)


if __name__ == "__main__":
    main()
