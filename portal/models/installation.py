"""Where this database belongs: the mark of the installation that it was last released for, and when it was backed up."""

from django.db import models


class Installation(models.Model):
    """One row, made by the first program that looks; a copy of the database brings its original's along (portal/installation.py)."""

    mark = models.JSONField()
    marked_at = models.DateTimeField(auto_now=True)
    backed_up_at = models.DateTimeField(null=True)

    def __str__(self):
        return self.mark["address"]
