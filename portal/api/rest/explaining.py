"""Why somebody may or may not do something, condition by condition, also for somebody else and for a moment to come."""

from typing import Annotated

from fastapi import APIRouter, Query

from agreements.actors import Role
from agreements.areas import Area
from agreements.narrowing import Narrowing
from agreements.scopes import Moment, Operation, Slug
from portal.api.auth import Known, ThePortal
from portal.services.explained import Explained
from portal.services.explaining import sampling_of

router = APIRouter(prefix="/access", tags=["access"])

_Id = Annotated[str | None, Query(max_length=128)]
_Several = Annotated[tuple[Slug, ...], Query()]


@router.get("/explain", summary="Why somebody may or may not do something")
def explain(
    portal: ThePortal,
    known: Known,
    checkpoint: Annotated[str, Query(max_length=128)],
    operation: Annotated[tuple[Operation, ...], Query(description="One or more.")] = (Operation.GENERATE,),
    purpose: Annotated[str | None, Query(max_length=120, description="What the run would be for.")] = None,
    person: Annotated[
        str | None, Query(max_length=128, description="A person or program; oneself if left out.")
    ] = None,
    role: Annotated[Role | None, Query(description="Of somebody invented, with an institution.")] = None,
    institution: _Id = None,
    email: Annotated[str | None, Query(max_length=200, description="Of somebody invented.")] = None,
    at: Annotated[Moment | None, Query(description="A moment to come.")] = None,
    grant: Annotated[str | None, Query(max_length=128, description="As with a token that names this grant.")] = None,
    proves_key: Annotated[bool | None, Query(description="As a request that proves its token's key.")] = None,
    only_checkpoint: _Several = (),
    only_operation: Annotated[tuple[Operation, ...], Query(description="As with a token narrowed so.")] = (),
    only_purpose: _Several = (),
    area: Annotated[tuple[Area, ...], Query(description="As with a token for these areas.")] = (),
    max_tokens: Annotated[int | None, Query(ge=0, description="Tokens generated per choice.")] = None,
    choices: Annotated[int | None, Query(ge=1)] = None,
    top_logprobs: Annotated[int | None, Query(ge=0, le=20)] = None,
    temperature: Annotated[float | None, Query(ge=0, le=2)] = None,
    logit_bias: Annotated[bool, Query(description="As a request that biases logits.")] = False,
) -> Explained:
    """The rule that runs are held to, told step by step: each condition with the clause, grant, duty or limit it rests
    on, what is left, what would change the answer and who can do it. Nothing is recorded, held or charged.

    About oneself; coordinators ask about anybody, a lead about the people and programs of the institution.
    """
    myself = person is None and role is None and institution is None
    narrowing = Narrowing(
        checkpoints=frozenset(only_checkpoint) or None,
        operations=frozenset(only_operation) or None,
        purposes=frozenset(only_purpose) or None,
    )
    return portal.explaining.explain(
        known.actor,
        checkpoint=checkpoint,
        operations=frozenset(operation),
        purpose=purpose or (known.purpose if myself else None),
        person=person,
        role=role,
        institution=institution,
        email=email,
        at=at,
        grant=grant,
        proves_key=proves_key,
        narrowing=narrowing or None,
        areas=frozenset(area) or None,
        sampling=sampling_of(
            max_tokens=max_tokens,
            choices=choices,
            top_logprobs=top_logprobs,
            temperature=temperature,
            logit_bias=logit_bias,
        ),
    )
