"""The report for people: one page on which a corpus is judged."""

from views.report.page import PICTURES, write_report

__all__ = ["PICTURES", "write_report"]
