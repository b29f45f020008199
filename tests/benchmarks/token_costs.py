"""What it costs to refuse each attack on access tokens, and to authorise a good one. Run it by hand:

    python -m tests.benchmarks.token_costs

Prints a table of medians in microseconds, each beside the cost of accepting a good token, so that it can be compared
between machines; ``docs/benchmarks.md`` has one.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agreements.errors import ConcordatError
from agreements.jwks import thumbprint_of
from agreements.proofs import verify_proof
from agreements.scopes import Operation
from portal.services.aggregates import CHECKPOINTS
from tests.portal.services.token_world import new_key, proof
from tests.portal.services.world import PURPOSE, World, make_world
from tests.token_attacks import attacks

ROUNDS, EACH = 7, 60
_URL = "http://127.0.0.1:8765/v1/completions"


def median_us(call: Callable[[], object]) -> float:
    """The median of several rounds, in microseconds a call."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(EACH):
            call()
        rounds.append((time.perf_counter() - begun) / EACH * 1e6)
    return statistics.median(rounds)


def refused(call: Callable[[], object]) -> Callable[[], object]:
    """The call, which has to be refused each time."""

    def run() -> None:
        try:
            call()
        except ConcordatError:
            return
        raise AssertionError("it was not refused")

    return run


def measure(world: World) -> list[tuple[str, float]]:
    """Every measurement with its name, a good token first."""
    tokens = world.portal.tokens
    world.checkpoint("ladder-l")
    grant = world.grant()
    issued = tokens.issue(world.actor("ben"), label="notebook", grant_id=grant.id, purpose=PURPOSE)
    checkpoint = world.portal.kernel.state(CHECKPOINTS, "ladder-l")
    wanted = frozenset({Operation.GENERATE})

    def authorise(text: str, thumbprint: str | None = None) -> object:
        known = tokens.authenticate(text, key_thumbprint=thumbprint)
        return world.portal.checkpoints.access(known.actor, checkpoint, wanted, known.purpose)

    deep = issued
    for _ in range(8):
        deep = tokens.narrow(world.actor("ben"), deep.record.id)
    found = [
        ("a good token: authenticate", median_us(lambda: tokens.authenticate(issued.token))),
        ("a good token: authenticate and decide access", median_us(lambda: authorise(issued.token))),
        ("a good token, narrowed eight times: the same", median_us(lambda: authorise(deep.token))),
    ]
    for kind in ("Ed25519", "P-256"):
        key = new_key(kind)
        bound = tokens.issue(
            world.actor("ben"), label="bound", grant_id=grant.id, purpose=PURPOSE, key_thumbprint=thumbprint_of(key)
        )
        made = proof(key, "POST", _URL, world.clock(), token=bound.token)

        def proven(made: str = made, text: str = bound.token) -> object:
            by = verify_proof(made, method="POST", urls=frozenset({_URL}), now=world.clock(), token=text).by
            return authorise(text, by)

        found.append((f"a good token bound to a {kind} key, with its proof: the same", median_us(proven)))
    issuer, now = world.portal.token_keys.issuer(), world.clock()
    claims = issuer.decode(issued.token, now)
    for name, attack in attacks(world.portal.keyring.own("token"), issuer, claims, now).items():
        found.append((name, median_us(refused(partial(tokens.authenticate, attack)))))
    tokens.revoke(world.actor("ben"), issued.record.id)
    found.append(("revoked", median_us(refused(lambda: tokens.authenticate(issued.token)))))
    found.append(("child of a revoked one", median_us(refused(lambda: tokens.authenticate(deep.token)))))
    return found


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder))
        found = measure(world)
        world.portal.close()
    good = found[0][1]
    width = max(len(name) for name, _ in found)
    print(f"| {'':{width}} | µs | of a good token |")  # noqa: T201 - a script that prints
    print(f"|{'-' * (width + 2)}|---:|---:|")  # noqa: T201 - a script that prints
    for name, cost in found:
        print(f"| {name:{width}} | {cost:,.0f} | {cost / good:.2f} |")  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main()
