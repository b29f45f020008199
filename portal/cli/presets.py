"""``concordat preset``: how prompts are run in the playground, under names."""

import json
from typing import Annotated

import typer

from agreements.errors import Invalid
from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

app = typer.Typer(help="Presets of the playground: how a prompt is run, under a name.", no_args_is_help=True)

PresetId = Annotated[str, typer.Argument(help="The preset's id.")]
_COLUMNS = (
    ("id", "id"),
    ("name", "name"),
    ("mode", "recipe.mode"),
    ("temperature", "recipe.temperature"),
    ("top-k", "recipe.top_k"),
    ("top-p", "recipe.top_p"),
    ("tokens", "recipe.max_tokens"),
    ("answers", "recipe.n"),
    ("owner", "owner_id"),
)


@app.command("list")
def list_presets(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """List those that everybody has, then your own."""
    with connected(data) as portal:
        answer = portal.get("presets")
    Output(as_json=as_json).table(answer, answer["items"], _COLUMNS)


@app.command("show")
def show(preset_id: PresetId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show one preset."""
    with connected(data) as portal:
        answer = portal.get("presets", preset_id)
    more = (("stops at", "recipe.stop"), ("alternatives per token", "recipe.logprobs"), ("good for", "says"))
    Output(as_json=as_json).fields(answer, (*_COLUMNS, *more))


@app.command("save")
def save(
    name: Annotated[str, typer.Argument(help="What it is called; one of that name gets the new recipe.")],
    recipe: Annotated[
        str, typer.Option("--recipe", help='JSON, such as {"temperature": 0, "max_tokens": 128}.', metavar="JSON")
    ] = "{}",
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Keep a recipe under a name; what is left out is as in the balanced preset."""
    try:
        told = json.loads(recipe)
    except (ValueError, RecursionError):
        raise Invalid(
            "bad_recipe", "The recipe is not JSON.", hint='Write it as {"temperature": 0}.', param="recipe"
        ) from None
    with connected(data) as portal:
        answer = portal.post("presets", body={"name": name, "recipe": told})
    Output(as_json=as_json).done(answer, f"{answer['id']} is kept: /playground?preset={answer['id']}")


@app.command("remove")
def remove(preset_id: PresetId, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Keep one of your own no longer."""
    with connected(data) as portal:
        answer = portal.post("presets", preset_id, "remove")
    Output(as_json=as_json).done(answer, f"{answer['name']} is removed.")
