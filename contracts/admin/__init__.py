"""Staff's desk for services, contracts and metered items."""

from contracts.admin import contracts, meters

__all__ = ["contracts", "meters"]
