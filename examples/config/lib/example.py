"""What the example's actions share: their variables, and where a node keeps its files."""
import json
import os
import pathlib
import string


def variables():
    with open(os.environ["MUSTER_VARS"], encoding="utf-8") as file:
        return json.load(file)


def home(values):
    """The folder of this node; several agents of one machine do not meet in it."""
    return pathlib.Path(values["root"]) / os.environ["MUSTER_NODE"]


def render(template, **values):
    """Fills $name placeholders; a missing one is an error, not an empty text."""
    path = pathlib.Path(os.environ["MUSTER_BUNDLE"]) / template
    return string.Template(path.read_text(encoding="utf-8")).substitute(values)


def write(path, text):
    """Replaces a file whole, and only when it would change."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    return True
