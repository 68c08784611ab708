"""The web chat. Importing this package is light; gradio is imported by :mod:`qa.web.chat`."""

import os

# Before gradio is imported: it then neither reports use nor looks for newer versions.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
