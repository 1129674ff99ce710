"""The reading room: the site, the JSON API, and the guard that watches who takes how much."""
