"""What is the same: how recordings sound, which of them match, and whose name they carry."""
