"""What is allowed: the licences people use, the ledger of who said what, and the decision."""
