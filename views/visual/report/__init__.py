"""The report for people: one page on which a corpus is judged."""

from portrait_prep.views.visual.report.page import write_report
from portrait_prep.views.visual.report.pictures import PICTURES

__all__ = ["PICTURES", "write_report"]
