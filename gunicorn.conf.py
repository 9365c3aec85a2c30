"""What gunicorn reads by itself when it is started in this folder: its lines go where the portal's go, by the same clock."""

from portal import logs

logconfig_dict = logs.from_environment()
