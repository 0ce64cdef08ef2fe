"""The version of dangol, which the package, the command line and the metrics report."""

from __future__ import annotations

VERSION = "0.1.0"
