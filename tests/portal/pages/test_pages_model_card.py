"""The page of a checkpoint, and what outsiders wrote of it: laid out, and never obeyed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from model_access.ladder import Ladder
from model_access.registry import Card, RegisterCheckpoint
from portal.findings.marking import Tlp
from portal.pages.supplied import blocks
from portal.pages.words import literal
from portal.services.aggregates import CHECKPOINTS
from tests.portal.api.api_stand import taking_conversations
from tests.portal.pages.pages_world import World, manifest, said

README = """---
license: mit
---
# A <b>bold</b> model

Look [here](https://evil.example) ![spy](https://evil.example/p.png) and :red[alarm] $x^2$.

- one
  - two

```python
import os  # <script>
```
<img src=x onerror=alert(1)>
"""


def test_the_list_leads_to_the_card(world: World) -> None:
    app = world.screen(world.member, "checkpoints")
    assert "ladder-l" in [one.label for one in app.button]
    opened = world.screen(world.member, "checkpoints", checkpoint="ladder-l")
    assert opened.title[0].value == literal("ladder-l")
    for part in ("Who can reach it", "What it is", "Staged release", "Use", "Known findings", "Files"):
        assert part in [one.value for one in opened.header], part
    assert world.portal.checkpoints.state("ladder-l").digest in [one.value for one in opened.code]
    assert "active grant" not in said(opened)
    assert not opened.exception


@pytest.mark.parametrize("chat", [False, True])
def test_whether_it_takes_conversations_is_said(world: World, ladder: Ladder, tmp_path: Path, chat: bool) -> None:
    plain = ladder.rungs[0].folder
    folder = taking_conversations(plain, tmp_path / "checkpoint") if chat else plain
    world.portal.checkpoints.add(world.actor(world.coordinator), folder, checkpoint_id="talks", family="ladder")
    app = world.screen(world.coordinator, "checkpoints", checkpoint="talks")
    told = {row["name"]: row["value"] for table in app.table for _, row in table.value.iterrows()}
    said_of_it = "yes, it has a chat template" if chat else "no chat template: prompts only"
    assert told["**Conversations**"] == said_of_it


def test_coordinators_see_who_reaches_it_and_everybody_what_they_may_read(world: World) -> None:
    world.grant()
    world.run(world.member)
    world.finding(world.member, title="Copies poems")
    world.finding(world.member, title="Not for others", marking=Tlp.AMBER_STRICT)
    app = world.screen(world.coordinator, "checkpoints", checkpoint="ladder-l")
    words = said(app)
    assert "1 active grant of 1 institution" in words
    assert "Northfield University" in words
    assert "1 run that you may see" in words
    rival = world.screen(world.rival, "checkpoints", checkpoint="ladder-l")
    labels = " ".join(str(one.proto) for one in rival.get("page_link"))
    assert "Copies poems" in labels
    assert "Not for others" not in labels + said(rival)
    assert "No run that you may see" in said(rival)


def test_a_card_that_is_not_there_is_said(world: World) -> None:
    assert "There is no checkpoint" in said(world.screen(world.member, "checkpoints", checkpoint="nothing")).replace(
        "\\", ""
    )


def test_what_its_makers_wrote_is_text(world: World) -> None:
    command = RegisterCheckpoint(
        checkpoint_id="odd",
        family="ladder",
        manifest=manifest(7_000_000),
        card=Card(readme=README, licence_text="MIT <script>"),
    )
    world.portal.kernel.execute(CHECKPOINTS, "odd", command, world.actor(world.coordinator))
    app = world.screen(world.lead, "checkpoints", checkpoint="odd")
    assert not app.exception
    assert [one.label for one in app.expander] == ["Read-me", "Licence"]
    written = [one.value for one in app.markdown if "evil" in one.value]
    assert len(written) == 1
    assert "](https" not in written[0]
    assert "import os  # <script>" in [one.value for one in app.code]


_HOSTILE = st.lists(
    st.sampled_from(
        [
            *(
                "# ",
                "- ",
                "1. ",
                "> ",
                "```\n",
                "~~~",
                "---",
                "\n",
                " ",
                "word",
                "https://evil.example",
                "www.evil.example",
            ),
            *(
                "[a](b)",
                "![a](b)",
                "<b>",
                "</b>",
                "$x$",
                ":red[a]",
                ":material/lock:",
                "`code`",
                "|a|b|",
                "**",
                "\\",
                "&lt;",
            ),
        ]
    ),
    max_size=40,
).map("".join)


@given(_HOSTILE)
def test_nothing_in_it_is_a_link_a_picture_or_markup(text: str) -> None:
    for kind, block in blocks(text):
        if kind == "words":
            tokens = MarkdownIt("commonmark").parse(block)
            found = {one.type for token in tokens for one in (token, *(token.children or ()))}
            assert not found & {"link_open", "image", "html_inline", "html_block"}, block


@pytest.mark.parametrize("text", ["", "\n\n", "```", "---\na: b"])
def test_what_says_little_is_shown_too(text: str) -> None:
    assert all(isinstance(block, str) for _, block in blocks(text))
