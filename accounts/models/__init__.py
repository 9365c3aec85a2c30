"""Customers (お客様) and users: who may sign in, for which company, where they are signed in, and how often they tried."""

from accounts.models.people import (
    Calendar,
    Customer,
    PaymentMethod,
    SignedIn,
    User,
    plain_words,
)
from accounts.models.sessions import Session, Throttle

__all__ = [
    "Calendar",
    "Customer",
    "PaymentMethod",
    "Session",
    "SignedIn",
    "Throttle",
    "User",
    "plain_words",
]
