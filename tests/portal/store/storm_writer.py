"""A process that commits boxes from several threads and says which are durable, until it is killed."""

import sys
import threading
from pathlib import Path

from tests.portal.store.store_boxes import ADA, NOON, open_store, put

THREADS = 4
CHECKPOINT_EVERY = 3


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(path: Path, run: str) -> None:
    store = open_store(path)
    say("open")

    def work(worker: int) -> None:
        number = 0
        while True:
            box = f"{run}-{worker}-{number}"
            store.commit([put(box, "pen", "ink")], actor=ADA, at=NOON, idempotency_key=box)
            say(box)
            number += 1
            if worker == 0 and number % CHECKPOINT_EVERY == 0:
                store.between_transactions(lambda connection: connection.execute("CHECKPOINT"))

    for worker in range(THREADS):
        threading.Thread(target=work, args=[worker]).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
