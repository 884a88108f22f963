"""Spanish as it is written in the United States: its order of dates, with American numbers."""

MOMENT = "j b, g:i a"
MOMENT_AND_YEAR = "j b Y, g:i a"
WHOLE_MOMENT = r"l j \d\e F \d\e Y, g:i a T"
DAY_AND_YEAR = "j b Y"
HOUR = "g:i a"

DATE_FORMAT = r"j \d\e F \d\e Y"
TIME_FORMAT = "g:i a"
DATETIME_FORMAT = r"j \d\e F \d\e Y, g:i a"
SHORT_DATE_FORMAT = "d/m/Y"
SHORT_DATETIME_FORMAT = "d/m/Y g:i a"
FIRST_DAY_OF_WEEK = 0
DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3

# The first of each is what a field shows. Browsers' own date and time fields need ISO 8601.
DATE_INPUT_FORMATS = ["%Y-%m-%d", "%d/%m/%Y"]
TIME_INPUT_FORMATS = ["%H:%M", "%H:%M:%S"]
DATETIME_INPUT_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
