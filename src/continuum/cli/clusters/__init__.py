"""`continuum site join|leave|upgrade`: clusters that become sites."""
