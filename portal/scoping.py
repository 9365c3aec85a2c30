"""Who sees what: the one queryset class that every customer view starts from."""

from django.db import models


class Scoped(models.QuerySet):
    """Rows of a table that carries `customer`; the rule is one equality, so one index serves it."""

    def for_user(self, user):
        """Rows of the user's own company; none for somebody who isn't signed in or has no company."""
        customer_id = getattr(user, "customer_id", None)
        return self.filter(customer_id=customer_id) if customer_id else self.none()


class Public(models.QuerySet):
    """Rows of a table without a customer: everybody who is signed in may see what is published."""

    def for_user(self, user):
        return self.filter(published=True) if user.is_authenticated else self.none()


class Everybody(models.QuerySet):
    """Rows that everybody sees, also before signing in."""

    def for_user(self, user):
        return self.all()
