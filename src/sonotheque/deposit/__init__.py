"""From a delivery to a receipt."""
