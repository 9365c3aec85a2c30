"""Services, contracts with their terms, and metered items with their prices."""

from contracts.models.contracts import (
    CHARGED_SQL,
    ENDS_WITHIN,
    STAYS_WITHDRAWN,
    Contract,
    ContractLine,
    Form,
    Renewal,
    Service,
    State,
    Term,
)
from contracts.models.meters import Meter, MeterPrice, MeterTier

__all__ = [
    "CHARGED_SQL",
    "ENDS_WITHIN",
    "STAYS_WITHDRAWN",
    "Contract",
    "ContractLine",
    "Form",
    "Meter",
    "MeterPrice",
    "MeterTier",
    "Renewal",
    "Service",
    "State",
    "Term",
]
