"""A fact that could not be had -> the report: it is `not checked`, which is never the same as passed."""

from __future__ import annotations


class NotChecked(Exception):  # noqa: N818 (it is the word of the report, and no fault of ours)
    """A rule cannot be applied; the text says why, without a full stop, to stand behind a file or a rule's name."""
