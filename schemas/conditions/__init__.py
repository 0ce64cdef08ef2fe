"""Conditions: what a play or a segment asks of a customer, in CEL, the Common Expression Language.

A condition is read (`syntax`), held against what may be asked (`vocabulary`, `checking`), refused where
it says the same whatever the data (`constancy`), and made ready to be answered (`evaluation`). All of
that happens once, when a playbook is loaded.
"""

from __future__ import annotations
