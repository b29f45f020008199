"""The release ladder as a picture: how far each size of a family has come."""

import altair as alt
import pandas as pd

from model_access.stages import Stage
from portal.release.board import BoardFamily

_HEIGHTS = {stage: height for height, stage in enumerate((Stage.WITHHELD, Stage.PARTNER_ACCESS, Stage.PUBLIC))}
_NAMES = "['withheld', 'partner access', 'public'][datum.value]"


def ladder_picture(family: BoardFamily) -> tuple[alt.LayerChart | alt.FacetChart, str]:
    """The chart and its description in words. Retired checkpoints are not on it."""
    cells = [cell for cell in family.cells if cell.checkpoint.stage in _HEIGHTS]
    order = [cell.checkpoint.checkpoint_id for cell in cells]
    frame = pd.DataFrame(
        {
            "Checkpoint": order,
            "Height": [_HEIGHTS[cell.checkpoint.stage] for cell in cells],
            "Stage": [cell.checkpoint.stage.label for cell in cells],
            "Findings": [sum(cell.evidence.values()) for cell in cells],
            "Parameters": [cell.checkpoint.parameters for cell in cells],
        }
    )
    x = alt.X("Checkpoint:N", sort=order, axis=alt.Axis(title=None, labelAngle=0, labelOverlap=False))
    y = alt.Y(
        "Height:Q",
        scale=alt.Scale(domain=[-0.3, 2.3]),
        axis=alt.Axis(title=None, values=[0, 1, 2], labelExpr=_NAMES, tickCount=3),
    )
    base = alt.Chart(frame).encode(x=x, y=y)
    steps = base.mark_line(interpolate="step", strokeWidth=2, opacity=0.55)
    points = base.mark_point(filled=True, size=170, opacity=1).encode(
        tooltip=["Checkpoint", "Stage", alt.Tooltip("Parameters:Q", format=","), "Findings"]
    )
    said = ", ".join(f"{name} is {stage}" for name, stage in zip(order, frame["Stage"], strict=True))
    picture = alt.layer(steps, points, height=190)
    return picture, f"Stages of the family {family.family}: {said}."
