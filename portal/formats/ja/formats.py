"""Days and times of Django's own tables and forms, written as all other pages write them."""

DATE_FORMAT = "Y/m/d"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "Y/m/d H:i"
TIME_INPUT_FORMATS = ["%H:%M", "%H:%M:%S"]
