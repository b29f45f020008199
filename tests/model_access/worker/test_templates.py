"""Chat templates: as ``transformers`` runs them, and whatever a hostile one tries."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers.utils.chat_template_utils import render_jinja_template

from agreements.errors import Invalid
from model_access import conversations
from model_access.conversations import ChatTemplate, Conversation, Message
from model_access.worker import templates
from model_access.worker.templates import Layout

TALK = Conversation(
    messages=(
        Message(role="system", content="Be brief."),
        Message(role="user", content="  <b>What</b> is 'it'?\n"),
        Message(role="assistant", content="A file — ü."),
        Message(role="user", content="And this?", name="mia"),
    )
)
CHATML = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
OTHERS = [
    CHATML,
    """{{ bos_token }}
    {%- set ns = namespace(turns=0) %}
    {% for message in messages %}
        {% if message.role == 'system' %}{% continue %}{% endif %}
        {% set ns.turns = ns.turns + 1 %}
        {{ '[INST] ' ~ message.content | trim ~ ' [/INST]' }}{{ ns.turns }}{{ eos_token }}
    {% endfor %}""",
    """{% for message in messages %}{{ message | tojson(indent=2) }}
    {% generation %}{{ loop.index }}{% endgeneration %}
    {% if loop.index > 2 %}{% break %}{% endif %}{% endfor %}{{ tools }}{{ messages[-1].name }}""",
]


def of(source: str) -> Layout:
    return Layout(ChatTemplate(source=source, tokens={"bos_token": "<s>", "eos_token": "</s>"}))


@pytest.mark.parametrize("source", OTHERS)
def test_a_template_says_what_it_says_under_transformers(source: str) -> None:
    messages = [message.model_dump(exclude_none=True) for message in TALK.messages]
    expected, _ = render_jinja_template(
        [messages], chat_template=source, add_generation_prompt=True, bos_token="<s>", eos_token="</s>"
    )
    assert of(source).text(TALK) == expected[0]


def test_a_developer_speaks_as_the_system() -> None:
    talk = Conversation(messages=(Message(role="developer", content="x"),))
    assert of("{{ messages[0].role }}").text(talk) == "system"


def test_what_a_template_raises_is_its_own_words() -> None:
    with pytest.raises(Invalid, match="Take turns!") as refusal:
        of("{{ raise_exception('Take turns!') }}").text(TALK)
    assert refusal.value.code == "template_refused"


def test_what_a_template_raises_can_be_said() -> None:
    with pytest.raises(Invalid, match=r"^half \?$") as refusal:
        of("{{ raise_exception('half \\ud800') }}").text(TALK)
    assert refusal.value.code == "template_refused"


def test_nothing_of_one_conversation_is_left_for_the_next() -> None:
    layout = of(
        "{% set seen = namespace(text='') %}{% macro add(text) %}{% set seen.text = seen.text ~ text %}{% endmacro %}"
        "{% for message in messages %}{{ add(message.content) }}{% endfor %}{{ seen.text }}"
    )
    talks = [Conversation(messages=(Message(role="user", content=content),)) for content in ("one", "two", "one")]
    assert [layout.text(talk) for talk in talks] == ["one", "two", "one"]


HOSTILE = {
    "no template": "{% if %}",
    "classes": "{{ messages.__class__.__mro__ }}{{ ''.__class__.__base__.__subclasses__()[0] }}",
    "globals of a function": "{{ raise_exception.__globals__['json'].loads('1') }}",
    "globals through a cycler": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "changing the messages": "{{ messages.append(1) }}",
    "names of Python's": "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "the clock": "{{ strftime_now('%Y') }}",
    "another file": "{% include '/etc/passwd' %}",
    "a great range": "{% for i in range(10000000) %}{% endfor %}",
    "without end": "{% set r = range(99999) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}",
    "half a character": "{{ '\\ud800' }}",
    "itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "too much": "{% for i in range(99999) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_what_a_hostile_template_tries_fails_in_time(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MAX_SECONDS", 0.3)
    with pytest.raises(Invalid) as refusal:
        of(source).text(TALK)
    assert refusal.value.code == "template_failed"
    assert of(CHATML).text(TALK).endswith("assistant\n")


def test_the_folder_says_which_template_is_meant(tmp_path: Path) -> None:
    assert ChatTemplate.of(tmp_path) is None
    config = tmp_path / "tokenizer_config.json"
    config.write_text("no JSON")
    assert ChatTemplate.of(tmp_path) is None
    tokens = {"bos_token": {"content": "<s>", "lstrip": False}, "eos_token": "</s>", "unk_token": None, "pad": "x"}
    config.write_text(json.dumps({**tokens, "chat_template": "one"}))
    assert ChatTemplate.of(tmp_path) == ChatTemplate(source="one", tokens={"bos_token": "<s>", "eos_token": "</s>"})
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}, "odd"]
    config.write_text(json.dumps({"chat_template": named}))
    assert ChatTemplate.of(tmp_path) == ChatTemplate(source="plain", tokens={})
    (tmp_path / "chat_template.jinja").write_text("its own file")
    assert ChatTemplate.of(tmp_path) == ChatTemplate(source="its own file", tokens={})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["default", "name", "template", "eos_token"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "template", "chat_template", "eos_token", "content"]), inner)
    ),
)


@given(config=JSON)
@example(config={"chat_template": [{"name": [], "template": "x"}, {"name": {}}]})
def test_whatever_the_configuration_says_a_folder_has_a_template_or_none(config: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
        template = ChatTemplate.of(Path(folder))
    assert template is None or template.source in {"default", "name", "template", "eos_token"}


def test_what_is_too_large_to_be_a_template_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MAX_TEMPLATE_BYTES", 10)
    (tmp_path / "chat_template.jinja").write_text("x" * 11)
    assert ChatTemplate.of(tmp_path) is None
    (tmp_path / "chat_template.jinja").write_text("x" * 10)
    assert ChatTemplate.of(tmp_path) == ChatTemplate(source="x" * 10, tokens={})
