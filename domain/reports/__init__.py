"""Every report that is made, by its number in the catalogue (section 3.1); a module more is one line more here."""

from domain.reporting import REPORTS
from domain.reports import activity, register

__all__ = ["REPORTS", "activity", "register"]
