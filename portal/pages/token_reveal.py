"""A token at the one moment it is shown, and how to use it."""

import streamlit as st

from agreements.credentials import Credential
from portal.pages.context import current_actor, now, portal
from portal.pages.reach import reach_of
from portal.pages.words import when
from portal.services.tokens import IssuedToken

_REVEALED = "tokens.revealed"
"""The token just issued, until it is put away; the portal stores it nowhere else."""


def keep(issued: IssuedToken) -> None:
    """Show the token from the next run on."""
    st.session_state[_REVEALED] = issued


def revealed() -> IssuedToken | None:
    """The token that is being shown."""
    issued = st.session_state.get(_REVEALED)
    return issued if isinstance(issued, IssuedToken) else None


def reveal(issued: IssuedToken) -> None:
    """The token, what keeps it fresh, and snippets for curl and Python."""
    record, at = issued.record, now()
    with st.container(border=True, key="token_revealed"):
        mine = record.person_id == current_actor().person_id
        whose = "Your token" if mine else "The token to pass on"
        st.markdown(f"**{whose}**, good until {when(record.expires_at, at)}")
        st.code(issued.token, language=None, wrap_lines=True)
        st.caption("The portal keeps no copy. Put it where your other secrets are; whoever has it acts as its holder.")
        if issued.refresh_token is not None:
            st.markdown("**What keeps it fresh**: trade it for the next pair; it is good once.")
            st.code(issued.refresh_token, language=None, wrap_lines=True)
            st.caption("With curl")
            st.code(
                f"curl {portal().settings.url}/oauth/token -d grant_type=refresh_token "
                '--data-urlencode "refresh_token=$CONCORDAT_REFRESH"',
                language="bash",
            )
        if record.key_thumbprint is None:
            _bearer(record)
        else:
            _bound(record)
        st.button("I have copied it", key="token_hide", on_click=st.session_state.pop, args=(_REVEALED, None))


def _bearer(record: Credential) -> None:
    base, model, purpose = portal().settings.url, _model(), _purpose_to_declare(record)
    header = f' \\\n  -H "X-Concordat-Purpose: {purpose}"' if purpose else ""
    headers = f', default_headers={{"X-Concordat-Purpose": "{purpose}"}}' if purpose else ""
    st.caption("With curl")
    st.code(
        f'curl {base}/v1/completions \\\n  -H "Authorization: Bearer $CONCORDAT_TOKEN"{header} \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"model": "{model}", "prompt": "Once upon a time", "max_tokens": 24}}\'',
        language="bash",
    )
    st.caption("With the openai package for Python")
    st.code(
        "import os\nfrom openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{base}/v1", api_key=os.environ["CONCORDAT_TOKEN"]{headers})\n'
        f'answer = client.completions.create(model="{model}", prompt="Once upon a time", max_tokens=24)\n'
        "print(answer.choices[0].text)",
        language="python",
    )


def _bound(record: Credential) -> None:
    base, purpose = portal().settings.url, _purpose_to_declare(record)
    headers = f',\n    default_headers={{"X-Concordat-Purpose": "{purpose}"}}' if purpose else ""
    st.caption("It is bound to a key, so each request proves it. With the openai package for Python")
    st.code(
        "import os\nfrom pathlib import Path\nfrom openai import DefaultHttpxClient, OpenAI\n"
        "from model_access.client import DPoPAuth, DPoPKey\n\n"
        'auth = DPoPAuth(os.environ["CONCORDAT_TOKEN"], DPoPKey.load(Path("dpop.pem")))\n'
        f'client = OpenAI(base_url="{base}/v1", api_key="bound", http_client=DefaultHttpxClient(auth=auth){headers})\n'
        f'answer = client.completions.create(model="{_model()}", prompt="Once upon a time", max_tokens=24)\n'
        "print(answer.choices[0].text)",
        language="python",
    )


def _model() -> str:
    return next((reach.checkpoint.id for reach in reach_of(portal(), current_actor()) if reach.open), "CHECKPOINT")


def _purpose_to_declare(record: Credential) -> str:
    if record.purpose or record.grant_id is None or record.person_id != current_actor().person_id:
        return ""
    scope = portal().tokens.opens(current_actor(), record.id)
    return min(scope.purposes) if scope and len(scope.purposes) > 1 else ""
