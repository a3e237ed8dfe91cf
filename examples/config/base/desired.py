"""The message file as it should be, for configure and verify alike."""
import os
import pathlib
import sys

sys.path.insert(0, os.path.join(os.environ["MUSTER_BUNDLE"], "lib"))
import example  # noqa: E402

values = example.variables()
file = example.home(values) / "message.txt"
content = example.render(
    "base/message.txt.tmpl",
    greeting=values["greeting"],
    site=values["site"],
    node=os.environ["MUSTER_NODE"],
)
