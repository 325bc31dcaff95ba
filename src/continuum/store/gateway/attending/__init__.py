"""Looking after stores: scans of attached buckets, verifications, and bringing writes to their own names.

What is to be done stands with the locator; a gateway process claims it for the stores of its site, does it
page by page and reports each page, so that whoever claims it next goes on from there.
"""

from continuum.store.gateway.attending.attendants import Attendant

__all__ = ["Attendant"]
