"""Reading and clicking a screen that AppTest runs."""

from streamlit.testing.v1 import AppTest


def said(app: AppTest) -> str:
    """All the words on the screen."""
    kinds = ("title", "subheader", "markdown", "caption", "success", "error", "warning", "info", "code")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def click(app: AppTest, key: str) -> AppTest:
    """Click the button of that key, and run."""
    app.button(key=key).click().run()
    assert not app.exception, app.exception
    return app
