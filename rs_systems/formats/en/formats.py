"""Dates as Americans write them. The names that Django does not know are used by `date_format`."""

MOMENT = "M j, g:i A"
MOMENT_AND_YEAR = "M j, Y, g:i A"
WHOLE_MOMENT = "l, F j, Y, g:i A T"
DAY_AND_YEAR = "M j, Y"
HOUR = "g:i A"
