"""What an agreement allows today, and why the rest is closed."""

from collections.abc import Sequence
from itertools import groupby

import streamlit as st

from agreements.access import Denied
from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.errors import Fixer
from agreements.scopes import Operation
from portal.pages.clause_view import effect_line
from portal.pages.context import portal
from portal.pages.parts import go
from portal.pages.words import literal, sentence
from portal.services.agreement_facts import Allowance, Budget, ClauseEffects


def allowances(actor: Actor, agreement: Agreement) -> None:
    """The answer in a sentence, the matrix behind it, what is left of each budget, and where it all comes from."""
    found = portal().agreement_facts.allows(actor, agreement.id)
    icon = ":material/lock_open:" if found.open else ":material/lock:"
    (st.success if found.open else st.warning)(literal(found.summary), icon=icon)
    st.caption("A grant opens as much of this as it names; a token as much of its grant as it was narrowed to.")
    if agreement.institution_id in portal().access_requests.asks_for(actor) and found.open:
        go("Ask for access under it", "requests", icon="approval", agreement=agreement.id)
    if found.rows:
        _matrix(found.rows)
        _closed(found.rows)
    if found.budgets:
        st.header("Budgets", anchor=False)
        for budget in found.budgets:
            _budget(budget)
    st.header("Where it comes from", anchor=False)
    _sources(found.clauses)


def _matrix(rows: Sequence[Allowance]) -> None:
    """Checkpoints by operations; each cell says in words whether it is open."""
    st.header("Checkpoints and operations", anchor=False)
    operations = [one for one in Operation if any(row.operation is one for row in rows)]
    table = []
    for checkpoint_id, group in groupby(rows, key=lambda row: row.checkpoint_id):
        cells = list(group)
        by_operation = {cell.operation: cell for cell in cells}
        table.append(
            {
                "Checkpoint": f"**{literal(checkpoint_id)}**  \n:small[{cells[0].stage.replace('_', ' ')}]",
                **{sentence(one.value.replace("_", " ")): _cell(by_operation.get(one)) for one in operations},
            }
        )
    st.table(table, border="horizontal", hide_index=True)


def _cell(cell: Allowance | None) -> str:
    if cell is None:
        return ":material/remove: not named"
    if cell.purposes:
        return f":material/check_circle: open for {literal(', '.join(cell.purposes))}"
    return ":material/lock: closed"


def _closed(rows: Sequence[Allowance]) -> None:
    """Why what is closed is closed, each reason once, and who can clear it."""
    reasons: dict[tuple[str, str], list[Allowance]] = {}
    denials: dict[tuple[str, str], Denied] = {}
    for one in rows:
        if one.denied is not None:
            key = (one.denied.code, one.denied.message)
            reasons.setdefault(key, []).append(one)
            denials[key] = one.denied
    if not reasons:
        return
    st.header("Why the rest is closed", anchor=False)
    for key, closed in reasons.items():
        denied = denials[key]
        with st.container(border=True):
            concerned = ", ".join(f"{one.checkpoint_id} {one.operation.value.replace('_', ' ')}" for one in closed)
            st.markdown(f":material/lock: **{literal(denied.message)}**")
            st.caption(f"It closes {literal(concerned)}.")
            if denied.hint:
                st.markdown(literal(denied.hint))
            if denied.fixer is Fixer.NOBODY:
                st.caption("Nobody can clear this.")
            else:
                st.caption(f"{sentence(str(denied.fixer))} can clear this.")


def _budget(budget: Budget) -> None:
    """One limit: what was used, what runs under way hold, what is left."""
    draw = budget.draw
    rate = f"; {draw.per_minute:,} requests a minute" if draw.per_minute else ""
    if draw.budget is None or budget.left is None:
        st.markdown(f"**{sentence(literal(draw.says))}**: no budget of tokens{rate}")
        return
    share = min((budget.used + budget.held) / draw.budget, 1.0)
    held = f", {budget.held:,} held for runs under way" if budget.held else ""
    st.progress(
        share,
        text=f"**{sentence(literal(draw.says))}**: {budget.used:,} used{held}, **{budget.left:,}** of {draw.budget:,} "
        f"tokens left{rate}",
    )


def _sources(clauses: Sequence[ClauseEffects]) -> None:
    """Each clause with what it compiles to."""
    for clause in clauses:
        lines = [f"**{literal(clause.title)}**", *(effect_line(effect) for effect in clause.effects)]
        st.markdown("  \n".join(lines))
