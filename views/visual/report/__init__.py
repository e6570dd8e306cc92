"""The report for people: one page on which a corpus is judged."""

from portrait_prep.views.visual.report.page import PICTURES, write_report

__all__ = ["PICTURES", "write_report"]
